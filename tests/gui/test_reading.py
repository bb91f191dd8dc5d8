"""A case is read in a thread: the window goes on, and answers that came too late are dropped."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QTimer

from app.core.errors import StorageError
from app.gui.jobs import Reader
from app.gui.main_window.window import MainWindow
from app.gui.session import OpenCase
from app.gui.views import (
    GatesView,
    MatrixView,
    MotionView,
    NetworksView,
    RegionsView,
    SlicesView,
)
from app.gui.widgets.view import View
from tests.live_case import view_of


@pytest.fixture
def reader(qapp: Any) -> Any:
    made = Reader()
    yield made
    made.close()


def test_that_the_event_loop_turns_while_a_case_is_read(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.reader.inline = False
    go_on, threads, ticks = threading.Event(), [], []
    read = OpenCase.read

    def slow(folder: Path) -> OpenCase:
        threads.append(threading.current_thread())
        assert go_on.wait(20)
        return read(folder)

    monkeypatch.setattr(OpenCase, "read", slow)
    window.actions_.open_path(case_folders["result"])
    for _ in range(3):
        QTimer.singleShot(0, window, lambda: ticks.append(1))
    qtbot.waitUntil(lambda: len(ticks) == 3 and bool(threads), timeout=5000)
    assert threads[0] is not threading.main_thread()
    assert window.session.case is None
    go_on.set()
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=5000)
    assert window.steps.buttons["predict"].isChecked()


def test_that_what_is_opened_last_is_shown(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.reader.inline = False
    gates = {folder: threading.Event() for folder in case_folders.values()}
    read = OpenCase.read

    def held(folder: Path) -> OpenCase:
        assert gates[folder].wait(20)
        return read(folder)

    monkeypatch.setattr(OpenCase, "read", held)
    first, second = case_folders["result"], case_folders["withheld"]
    window.actions_.open_path(first)
    window.actions_.open_path(second)
    gates[second].set()
    qtbot.waitUntil(lambda: window.session.case is not None, timeout=5000)
    gates[first].set()
    qtbot.waitUntil(lambda: window.actions_.reader.dropped == 1, timeout=5000)
    assert window.session.case is not None
    assert window.session.case.folder == second


def test_that_a_closed_case_does_not_come_back_by_a_late_answer(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.actions_.reader.inline = False
    go_on, read = threading.Event(), OpenCase.read

    def held(folder: Path) -> OpenCase:
        assert go_on.wait(20)
        return read(folder)

    monkeypatch.setattr(OpenCase, "read", held)
    window.actions_.open_path(case_folders["result"])
    window.close_case()
    go_on.set()
    qtbot.waitUntil(lambda: window.actions_.reader.dropped == 1, timeout=5000)
    assert window.session.case is None


def test_that_an_error_is_told_and_an_unexpected_fault_becomes_one(
    reader: Reader, qtbot: Any
) -> None:
    told: list[Any] = []

    def refuse() -> None:
        raise StorageError("Not there.", "Look elsewhere.", code="study.gone")

    reader.read("a", refuse, told.append)
    reader.read("b", lambda: 1 // 0, told.append)
    qtbot.waitUntil(lambda: len(told) == 2, timeout=5000)
    assert {error.code for error in told} == {"study.gone", "gui.read_fault"}
    assert not reader.busy()


def test_that_reading_inline_answers_at_once(reader: Reader) -> None:
    reader.inline = True
    told: list[int] = []
    reader.read("a", lambda: 5, told.append)
    assert told == [5]


def test_that_a_number_that_goes_is_covered_before_anything_is_drawn_anew(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    session = window.session
    session.turns.on = True
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.waitUntil(lambda: not session.turns.busy(), timeout=10_000)
    networks = view_of(window, "explain", NetworksView, qtbot)
    assert not networks._cover.isVisible()
    before = networks.as_table()
    assert before is not None
    session.change("Leave out", "review", censored=(70, 71))
    assert session.case is not None
    assert session.case.withheld
    # At once, in the same turn of the loop: bars and sentence cannot be read.
    assert networks._cover.isVisible()
    assert networks.childAt(networks.rect().center()) is networks._cover
    assert networks._cover.text().startswith("Drawing")  # not an empty panel without a word
    assert window.exports.show_table(networks) is None
    assert not networks._stale  # what a table or picture shows is drawn before it is taken
    assert not networks._cover.isVisible()
    session.change("Take back", "review", censored=())
    assert not session.case.withheld
    assert not networks._cover.isVisible()  # nothing is hidden that is about to be shown
    networks.picture()
    assert not networks._stale
    after = networks.as_table()
    assert after is not None
    assert after.rows == before.rows


def test_that_views_are_drawn_in_turns_and_another_person_is_covered_at_once(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    for step in ("load", "check"):
        window.show_step(step)
    qtbot.wait(50)
    views = [v for v in window.page("check").findChildren(View) if v.takes_turns]
    window.session.turns.on = True
    window.actions_.open_case(case_folders["withheld"])
    window.show_step("check")
    visible = [v for v in views if v.isVisible()]
    assert len(visible) == 3
    assert all(view._cover.isVisible() for view in visible)
    turns = []
    window.session.turns._timer.timeout.connect(lambda: turns.append(1))
    qtbot.waitUntil(lambda: not any(view._stale for view in views), timeout=10_000)
    assert not any(view._cover.isVisible() for view in visible)
    assert len(turns) > len(views)  # the traces take more than one
    motion = window.page("check").findChild(MotionView)
    assert motion is not None
    assert len(motion._plots) == len(motion._marks.cursors) == 6
    gates = window.page("check").findChild(GatesView)
    assert gates is not None
    assert "Withheld" in gates.verdict.text()


def test_that_a_selection_waits_for_the_case_and_a_newer_case_replaces_an_older(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.show_step("check")
    window.session.turns.on = True
    window.actions_.open_case(case_folders["result"])
    window.actions_.open_case(case_folders["withheld"])
    window.session.select_frame(120)
    window.session.select_parcel(33)
    motion = window.page("check").findChild(MotionView)
    assert motion is not None
    qtbot.waitUntil(lambda: not motion._stale, timeout=10_000)
    assert len(motion._plots) == 6
    assert [cursor.value() for cursor in motion._marks.cursors] == [120] * 6
    window.show_step("check")
    qtbot.waitUntil(motion.isVisible, timeout=10_000)  # what is hidden is drawn when it is seen
    window.actions_.set_theme("light")
    qtbot.waitUntil(lambda: not motion._dark, timeout=10_000)
    assert len(motion._plots) == 6


def test_that_slices_follow_a_selection_at_once_and_the_others_soon(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    page, session = window.page("explain"), window.session
    slices, matrix = page.findChild(SlicesView), page.findChild(MatrixView)
    assert slices is not None
    assert matrix is not None
    slices.setFocus()
    session.turns.on = True
    before = matrix.canvas.selected
    for parcel in (11, 12, 13):  # many wishes are one
        session.select_parcel(parcel)
    assert session.case is not None
    assert session.case.parcel_at(session.crosshair_mm) == 13
    name = session.case.case.signals.parcel_names[13]  # type: ignore[union-attr]
    assert name.removesuffix("_L").removesuffix("_R").replace("_", " ") in slices.region.text()
    assert matrix.canvas.selected == before
    qtbot.waitUntil(lambda: not session.turns.busy(), timeout=5000)
    assert matrix.canvas.selected == 13
    for view in page.findChildren(RegionsView):
        assert view.proxy.mapToSource(view.table.currentIndex()).row() == 13


def test_that_the_view_with_the_keyboard_follows_at_once_and_pictures_are_up_to_date(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    matrix = window.page("explain").findChild(MatrixView)
    regions = window.page("explain").findChild(RegionsView)
    assert matrix is not None
    assert regions is not None
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    matrix.canvas.setFocus()
    window.session.turns.on = True
    window.session.select_parcel(21)
    assert matrix.canvas.selected == 21
    window.page("explain").findChild(SlicesView).stage.canvases["axial"].setFocus()
    window.session.select_parcel(22)
    assert matrix.canvas.selected == 21
    matrix.picture()
    assert matrix.canvas.selected == 22
    window.exports.show_table(regions)
    assert regions.proxy.mapToSource(regions.table.currentIndex()).row() == 22


def test_that_pages_made_ahead_are_the_ones_that_are_shown(window: MainWindow) -> None:
    parts = window.make_pages_ahead()
    next(parts)
    assert not window._pages
    begun = window.page("load")  # asked for while it is being made
    assert len(begun.findChildren(View)) == 4
    assert sum(1 for _ in parts) > 10
    assert list(window._pages) == ["load", "check", "predict", "explain", "report"]
    assert window.page("load") is begun
    assert not window._parts
    assert not list(window.make_pages_ahead())
