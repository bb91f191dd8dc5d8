"""Work of minutes is not thrown away without a question when something else is opened."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox
from shiboken6 import isValid

from app.core.folders import data_folder
from app.core.progress import ProgressEvent
from app.gui.main_window.job_line import READING
from app.gui.main_window.recovery import left_behind
from app.gui.main_window.window import MainWindow
from app.gui.open_case import OpenCase
from app.gui.widgets.work_row import WorkRow
from app.study.session_file import write_session


def _question(window: MainWindow) -> QMessageBox | None:
    shown = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return shown[0] if shown else None


@pytest.mark.parametrize("how", ["close", "open", "demonstration"])
def test_that_leaving_a_case_asks_while_its_explanation_is_computed(
    how: str, window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.reports.explain(health=True)
    assert [one.job.name for one in window.jobs.running()] == ["explain"]
    opened = window.session.case
    assert opened is not None

    def leave() -> None:
        if how == "close":
            window.menus.actions["file.close"].trigger()
        elif how == "open":
            window.actions_.open_path(case_folders["withheld"])
        else:
            window.actions_.open_demonstration()

    leave()
    box = _question(window)
    assert box is not None
    assert "is still running" in box.text()
    assert len(window.jobs.running()) == 1
    box.reject()
    qtbot.waitUntil(lambda: _question(window) is None)
    assert window.session.case is opened
    assert len(window.jobs.running()) == 1
    leave()
    box = _question(window)
    assert box is not None
    next(button for button in box.buttons() if button.text() == "Stop and leave").click()
    qtbot.waitUntil(lambda: "explain" not in [one.job.name for one in window.jobs.running()])
    if how != "demonstration":
        qtbot.waitUntil(lambda: window.session.case is not opened)


def test_that_nothing_is_asked_where_nothing_is_lost(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.menus.actions["file.close"].trigger()
    assert _question(window) is None
    assert window.session.case is None


def test_that_a_comment_that_is_in_no_file_is_not_lost_without_a_question(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path, qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.session.change("Comment of the report", "review", comment="Repeat the scan.")
    window._closing = False
    for leave in (window.menus.actions["file.close"].trigger, window.close):
        leave()
        box = _question(window)
        assert box is not None
        assert "The comment is not saved" in box.text()
        box.reject()
        qtbot.waitUntil(lambda: _question(window) is None)
    assert window.isVisible()
    assert window.session.state.review.comment == "Repeat the scan."
    window.saving.save(tmp_path / "mine.fmmtc")
    assert window.actions_.leaving.unsaved() == ""
    window.session.change("Comment of the report", "review", comment="Repeat it soon.")
    assert "comment" in window.actions_.leaving.unsaved()
    window.session.change("Comment of the report", "review", comment="")
    assert window.actions_.leaving.unsaved() == ""
    window.menus.actions["file.close"].trigger()
    assert _question(window) is None
    assert window.session.case is None


def test_that_frames_left_out_by_hand_are_asked_for_too(live: MainWindow) -> None:
    assert live.actions_.leaving.unsaved() == ""
    live.session.change("Frames left out", "review", censored=(20, 21))
    assert "which frames are left out is not saved" in live.actions_.leaving.unsaved().lower()


def test_that_a_restored_session_stays_kept_until_it_is_shown_and_others_stay(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = data_folder() / "recovery"
    folder.mkdir(parents=True)
    window.actions_.open_path(case_folders["result"])
    saved = window.saving.current(for_recovery=True)
    assert saved.case is not None
    gone = replace(saved, case=replace(saved.case, path=tmp_path / "gone"))
    older, newer = folder / "999998-1.fmmtc", folder / "999999-1.fmmtc"
    write_session(older, saved)
    write_session(newer, gone)
    os.utime(older, (1, 1))
    window.close_case()
    window.recovery.start(inline=True)
    window.recovery.bar.take.click()
    assert window.session.case is None  # it is asked where the folder is
    assert older.is_file()
    assert newer.is_file()
    write_session(newer, saved)
    window.recovery.start(inline=True)
    window.recovery.bar.take.click()
    assert window.session.case is not None
    assert not newer.exists()
    assert older.is_file()
    window.recovery.start(inline=True)
    assert window.recovery.bar.isVisible()
    window.recovery.bar.decline.click()
    assert not older.exists()


def test_that_restoring_over_a_case_with_an_unsaved_comment_asks_and_stays_on_offer(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    kept = data_folder() / "recovery" / "999999-1.fmmtc"
    kept.parent.mkdir(parents=True)
    window.actions_.open_path(case_folders["withheld"])
    write_session(kept, window.saving.current(for_recovery=True))
    window.actions_.open_path(case_folders["result"])
    window.session.change("Comment of the report", "review", comment="Repeat the scan.")
    window.recovery.start(inline=True)
    window.recovery.bar.take.click()
    box = _question(window)
    assert box is not None
    assert "The comment is not saved" in f"{box.text()} {box.informativeText()}"
    box.reject()
    qtbot.waitUntil(lambda: _question(window) is None)
    assert window.session.state.review.comment == "Repeat the scan."
    assert window.recovery.bar.isVisible()
    assert kept.is_file()
    window.recovery.bar.take.click()
    box = _question(window)
    assert box is not None
    next(button for button in box.buttons() if "eave" in button.text()).click()
    qtbot.waitUntil(lambda: not window.recovery.bar.isVisible())
    opened = window.session.case
    assert opened is not None
    assert opened.folder == case_folders["withheld"]


@pytest.mark.parametrize("where", ["there", "nowhere"])
def test_that_a_comment_is_kept_by_a_summary_that_was_written(
    where: str, window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.session.change("Words", "review", comment="Seen")
    assert "comment" in window.actions_.leaving.unsaved()
    window.reports.export(tmp_path / "summary.pdf")
    if where == "there":
        window.actions_.exported.emit()  # the worker wrote it
    assert bool(window.actions_.leaving.unsaved()) is (where == "nowhere")


@pytest.mark.parametrize("key", ["session", "report"])
def test_that_opening_a_session_or_a_report_asks_too(
    key: str, window: MainWindow, case_folders: dict[str, Path], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    window.actions_.open_path(case_folders["result"])
    window.saving.save(tmp_path / "kept.fmmtc")
    window.session.change("Words", "review", comment="Seen")
    chosen = str(tmp_path / ("kept.fmmtc" if key == "session" else "summary.pdf"))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_a, **_k: (chosen, ""))
    if key == "session":
        window.saving.ask_open()
    else:
        window.reports.ask_report()
    box = _question(window)
    assert box is not None
    assert "comment" in f"{box.text()} {box.informativeText()}".lower()
    assert not [one for one in window.jobs.running() if one.job.name == "reopen"]
    box.reject()
    assert window.session.state.review.comment == "Seen"


def test_that_a_work_row_that_is_gone_hears_nothing_of_its_job(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    row = WorkRow("Compute")
    row.watch(window.jobs, lambda job: job.name == "explain")
    window.actions_.open_path(case_folders["result"])
    window.reports.explain(health=True)
    (running,) = [one for one in window.jobs.running() if one.job.name == "explain"]
    assert row.job_id == running.job.job_id
    row.deleteLater()  # the text size was changed: pages are built anew
    qtbot.waitUntil(lambda: not isValid(row))
    with qtbot.captureExceptions() as faults:
        event = ProgressEvent("health", 1, 2, 0.5, "", 1.0, None)
        window.jobs.progressed.emit(running.job.job_id, event)
    assert faults == []


def test_that_the_same_words_of_another_case_are_not_taken_for_kept(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.session.change("Words", "review", comment="Seen")
    window.actions_.leaving.keep()
    assert window.actions_.leaving.unsaved() == ""
    opened = window.session.case
    assert opened is not None
    scan = replace(opened.case.scan, sha256="0" * 64)
    window.session.show_case(replace(opened, case=replace(opened.case, scan=scan)))
    window.session.change("Words", "review", comment="Seen")
    assert "comment" in window.actions_.leaving.unsaved().lower()


@pytest.fixture
def held(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Cases are read in a thread, and not before this is set."""
    go_on, read = threading.Event(), OpenCase.read

    def slow(folder: Path) -> OpenCase:
        assert go_on.wait(20)
        return read(folder)

    monkeypatch.setattr(OpenCase, "read", slow)
    window.actions_.reader.inline = True
    yield go_on
    go_on.set()


def _begin_reading(
    how: str, window: MainWindow, folders: dict[str, Path], path: Path, held: threading.Event
) -> None:
    held.set()
    window.actions_.open_path(folders["withheld"])
    kept = data_folder() / "recovery" / "999999-1.fmmtc"
    kept.parent.mkdir(parents=True)
    write_session(path if how == "session" else kept, window.saving.current())
    window.actions_.open_path(folders["result"])
    held.clear()
    window.recovery.start(inline=True)
    window.actions_.reader.inline = False
    if how == "session":
        window.actions_.open_path(path)
    elif how == "case":
        window.actions_.open_path(folders["withheld"])
    else:
        window.recovery.bar.take.click()


@pytest.mark.parametrize("how", ["session", "recovery", "case"])
@pytest.mark.parametrize("what", ["work", "words"])
def test_that_what_is_begun_while_something_is_read_is_not_dropped_without_a_question(
    how: str, what: str, window: MainWindow, case_folders: dict[str, Path], tmp_path: Path,
    held: threading.Event, qtbot: Any,
) -> None:  # fmt: skip
    path = tmp_path / "kept.fmmtc"
    _begin_reading(how, window, case_folders, path, held)
    qtbot.waitUntil(lambda: window.progress.job_id == READING)
    told = {"session": "Opening the session", "recovery": "Restoring what was open"}
    assert window.progress.title.text() == told.get(how, "Opening the case")
    if what == "work":
        window.reports.explain(health=True)
    else:
        window.session.change("Words", "review", comment="Typed meanwhile")
    held.set()
    qtbot.waitUntil(lambda: _question(window) is not None)
    box, opened = _question(window), window.session.case
    assert box is not None
    assert opened is not None
    assert opened.folder == case_folders["result"]
    assert window.saving.path is None  # Ctrl+S writes this case to no other one's session
    box.reject()
    qtbot.waitUntil(lambda: _question(window) is None)
    assert window.session.case is opened
    if what == "work":
        assert [one.job.name for one in window.jobs.running()] == ["explain"]
        assert window.progress.title.text() == "Explanation"
    else:
        assert window.session.state.review.comment == "Typed meanwhile"
    if how == "recovery":
        assert window.recovery.bar.isVisible()  # it can be restored later


@pytest.mark.parametrize("how", ["session", "recovery"])
def test_that_it_is_shown_where_the_reader_leaves_after_all(
    how: str, window: MainWindow, case_folders: dict[str, Path], tmp_path: Path,
    held: threading.Event, qtbot: Any,
) -> None:  # fmt: skip
    path = tmp_path / "kept.fmmtc"
    _begin_reading(how, window, case_folders, path, held)
    window.reports.explain(health=True)
    held.set()
    qtbot.waitUntil(lambda: _question(window) is not None)
    box = _question(window)
    assert box is not None
    next(button for button in box.buttons() if button.text() == "Stop and leave").click()
    qtbot.waitUntil(lambda: "explain" not in [one.job.name for one in window.jobs.running()])
    opened = window.session.case
    assert opened is not None
    assert opened.folder == case_folders["withheld"]
    assert window.saving.path == (path if how == "session" else None)
    if how == "recovery":
        assert not window.recovery.bar.isVisible()
        assert left_behind() == []


def test_that_what_was_agreed_to_be_lost_is_not_asked_for_twice(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path,
    held: threading.Event, qtbot: Any,
) -> None:  # fmt: skip
    held.set()
    window.actions_.open_path(case_folders["result"])
    window.session.change("Words", "review", comment="Not needed")
    window.actions_.reader.inline = False
    held.clear()
    window.actions_.open_path(case_folders["withheld"])
    box = _question(window)
    assert box is not None
    next(button for button in box.buttons() if "eave" in button.text()).click()
    held.set()
    qtbot.waitUntil(lambda: getattr(window.session.case, "withheld", False))
    qtbot.waitUntil(lambda: _question(window) is None)


def test_that_the_reading_can_be_cancelled(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path,
    held: threading.Event, qtbot: Any,
) -> None:  # fmt: skip
    _begin_reading("session", window, case_folders, tmp_path / "kept.fmmtc", held)
    qtbot.waitUntil(lambda: window.progress.isVisible())
    before = window.session.case
    window.progress.cancel.click()
    assert not window.progress.isVisible()
    held.set()
    qtbot.waitUntil(lambda: window.actions_.reader.dropped == 1)
    assert window.session.case is before
