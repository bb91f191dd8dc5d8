"""What a designer would see: words that fit, lines that are free, bars that leave room."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QWidget

from app.core import wording
from app.core.settings import Settings
from app.gui.application import make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.views import CardView, MatrixView, MotionView, SlicesView, SurfaceView
from app.gui.widgets.layer_stack import add_seed_layer
from app.gui.widgets.view import View
from tests.gui import every_widget
from tests.gui.conftest import FakeWorker
from tests.gui.screens import pixels, settle


def words_in(widget: QWidget) -> str:
    labels = widget.findChildren(QLabel)
    return "\n".join(label.text() for label in labels if label.isVisibleTo(widget))


def name_of(widget: QWidget) -> str:
    """What a screen reader says first."""
    told = QAccessible.queryAccessibleInterface(widget)
    return "" if told is None else told.text(QAccessible.Text.Name).strip()


# ---------------------------------------------------------------------------- dialogs


def test_that_every_dialog_says_research_use_only_has_names_and_cuts_no_word(
    window: MainWindow, worker: FakeWorker, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    room = window.screen().availableGeometry()
    seen = []
    for name, dialog in every_widget.each_dialog(window, worker):
        seen.append(name)
        assert dialog.windowTitle(), name
        if isinstance(dialog, QMessageBox):
            strip = window.strip.rect().translated(window.strip.mapToGlobal(window.strip.pos()))
            assert not strip.intersects(dialog.frameGeometry()), name
        else:
            assert wording.RUO_LINE in words_in(dialog), name
        assert room.contains(dialog.geometry()), name
        nameless = [every_widget.where(w) for w in every_widget.controls(dialog) if not name_of(w)]
        assert not nameless, (name, nameless)
        assert not every_widget.cut(dialog), name
    assert len(seen) == 19


# ---------------------------------------------------------------------------- pages


def test_that_every_widget_of_every_page_that_takes_the_keyboard_has_a_name(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    nameless = set()
    for name, page in every_widget.each_page(window):
        nameless |= {
            (name.split(",")[0], every_widget.where(widget))
            for widget in every_widget.controls(page)
            if not name_of(widget)
        }
    assert not nameless


def test_that_tab_goes_through_the_views_of_a_page_one_by_one(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    """Each view is left only once, and its controls are met from the top."""
    window.actions_.open_path(case_folders["result"])
    for key in every_widget.PAGES[:5]:
        window.show_step(key)
        QApplication.processEvents()
        page = window.page(key)
        reachable = set(every_widget.controls(page))
        chain: list[QWidget] = []
        at = page.nextInFocusChain()
        while at is not page and at is not None:
            if at in reachable:
                chain.append(at)
            at = at.nextInFocusChain()
        assert set(chain) == reachable
        views = page.findChildren(View)
        around = [next((v for v in views if v is w or v.isAncestorOf(w)), None) for w in chain]
        visits = [view for view, _ in groupby(v for v in around if v is not None)]
        assert len(visits) == len(set(visits)), (key, [view.name for view in visits])


@pytest.mark.parametrize("size", [(1280, 720), (1440, 900), (1920, 1080)])
def test_that_no_word_of_a_page_is_cut(
    window: MainWindow, case_folders: dict[str, Path], size: tuple[int, int], qtbot: Any
) -> None:
    window.resize(*size)
    window.actions_.open_path(case_folders["result"])
    assert not list(every_widget.cut_on_pages(window))
    for name, page in every_widget.each_page(window):
        for view in page.findChildren(View):
            title = view.title_label
            room = title.width() >= title.sizeHint().width()
            assert room or not title.isVisibleTo(page), (name, view.name)


@pytest.mark.parametrize(("size", "percent"), [((640, 360), 100), ((1280, 720), 200)])
def test_that_no_word_is_cut_at_300_percent_of_a_screen_or_with_text_of_twice_the_size(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    size: tuple[int, int],
    percent: int,
    qtbot: Any,
) -> None:
    """640 x 360 is what 1920 x 1080 leaves at 300 %."""
    window.resize(*size)
    assert (window.width(), window.height()) == size
    window.actions_.change_setting("text_size_percent", percent)
    window.actions_.open_path(case_folders["result"])
    try:
        found = list(every_widget.cut_on_pages(window))
        found += every_widget.cut(window.sidebar) + every_widget.cut(window.strip)
        assert not found
    finally:
        window.actions_.change_setting("text_size_percent", 100)


def test_that_the_list_of_changes_leaves_every_page_its_room(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.toggle_history()
    for key in every_widget.PAGES:
        window.show_step(key)
        qtbot.wait(20)
        assert not window.page_area.horizontalScrollBar().isVisible(), key


# ---------------------------------------------------------------------------- views


@pytest.fixture
def slices(window: MainWindow, case_folders: dict[str, Path]) -> SlicesView:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (found,) = window.page("explain").findChildren(SlicesView)
    return found


def test_that_three_colour_bars_leave_the_slices_their_room(slices: SlicesView, qtbot: Any) -> None:
    settle()
    before = slices.stage.width() + slices.bar_row.width()
    for parcel in (3, 40, 77):
        add_seed_layer(slices.session, parcel)
    settle()
    bars = slices.bar_row.bars
    assert len(bars) == 3
    assert all(bar.isVisible() for bar in bars)
    assert len({bar.mapTo(slices, bar.rect().topLeft()).x() for bar in bars}) == 1
    assert slices.stage.width() > 0.75 * before
    told = [one.count.full_text() for one in slices.bar_row._lying]
    assert told[1].startswith("388 of 426 below ") or "below" in told[1]


def test_that_a_refused_place_is_forgotten_when_the_crosshair_moves(
    slices: SlicesView, qtbot: Any
) -> None:
    box = slices.place
    qtbot.keyClicks(box.field, "nowhere")
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert box.field.property("refused")
    assert box.words.text()
    slices.session.select_point((-30.0, 10.0, 20.0))
    assert not box.field.property("refused")
    assert box.words.text() == ""
    assert box.field.text() == ""
    assert "Enter goes there" in box.field.toolTip()


def test_that_the_boxes_of_the_matrix_show_their_whole_words(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    settle()
    (matrix,) = window.page("explain").findChildren(MatrixView)
    for index in range(matrix.kind_box.count()):
        matrix.kind_box.setCurrentIndex(index)
        settle(10)
        assert not every_widget.cut(matrix)


def test_that_names_of_traces_lie_above_their_curves(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("check")
    settle()
    (motion,) = window.page("check").findChildren(MotionView)
    for item in motion._plots[:-1]:
        box = item.getViewBox()
        low, high = box.viewRange()[1]
        top = max(float(np.nanmax(curve.getData()[1])) for curve in item.listDataItems())
        free_px = (high - top) / (high - low) * box.height()
        assert free_px >= min(box.names_px, 0.4 * box.height()) - 1.0, free_px
        bottom = min(float(np.nanmin(curve.getData()[1])) for curve in item.listDataItems())
        assert bottom >= low


def test_that_glass_brain_and_its_title_have_room(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (surface,) = window.page("explain").findChildren(SurfaceView)
    window.session.change("Glass brain", "slices", scene="glass")
    settle()
    assert surface.title_label.text() == "Connections"
    assert surface.title_label.width() >= surface.title_label.sizeHint().width()
    assert surface.shape_box.currentText() == "Glass brain"
    assert not every_widget.cut(surface)


# ---------------------------------------------------------------------------- theme


def test_that_a_theme_chosen_at_run_time_looks_as_one_chosen_before_the_start(
    window: MainWindow, worker: FakeWorker, case_folders: dict[str, Path], qtbot: Any
) -> None:
    """The window began dark; one that began light must have the same pixels."""
    worker.answers["preview_pages"] = lambda _job, _tell: {"pages": []}
    window.actions_.open_path(case_folders["result"])
    for key in every_widget.PAGES:
        window.show_step(key)
        settle(20)
    window.show_step("check")
    settle(150)
    window.actions_.set_theme("light")
    switched = _pages(window)
    window.hide()
    fresh = make_window(lambda: worker, Settings(theme="light"), Messages())
    fresh.actions_.reader.inline = True
    fresh.session.turns.on = False
    fresh.resize(1280, 720)
    fresh.show()
    qtbot.waitExposed(fresh)
    try:
        fresh.actions_.open_path(case_folders["result"])
        for name, page in _pages(fresh).items():
            unlike = np.abs(page - switched[name]).max(axis=2) > 24
            assert unlike.mean() < 0.0005, (name, float(unlike.mean()))
    finally:
        fresh._closing = True
        fresh.close()
        fresh.deleteLater()


def _at_rest(page: QWidget) -> Any:
    """The page as it looks once nothing changes any more."""
    before = None
    for _ in range(20):
        settle(250)
        now = pixels(page.grab().toImage())
        if before is not None and np.array_equal(now, before):
            return now
        before = now
    raise AssertionError("The page never comes to rest.")


def _pages(window: MainWindow) -> dict[str, Any]:
    found = {}
    for key in every_widget.PAGES[:5]:
        window.show_step(key)
        for view in window.page(key).findChildren(SurfaceView):
            view.load_now()
            view.canvas.draw_now()
        found[key] = _at_rest(window.page(key))
    return found


# ---------------------------------------------------------------------------- twins of the mouse


def test_that_keys_select_frames_as_a_drag_does(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("check")
    (motion,) = window.page("check").findChildren(MotionView)
    session = window.session
    session.select_only_frame(40)
    keys = motion.key_actions
    for _ in range(3):
        keys["extend_on"].trigger()
    assert (session.frame, session.state.selection.frames) == (43, (40, 43))
    keys["extend_back"].trigger()
    assert (session.frame, session.state.selection.frames) == (42, (40, 42))
    for _ in range(3):
        keys["extend_back"].trigger()
    assert (session.frame, session.state.selection.frames) == (39, (39, 40))
    session.select_only_frame(0)
    keys["extend_back"].trigger()
    assert session.state.selection.frames == (0, 0)
    assert [a.toString() for a in keys["extend_on"].shortcuts()] == ["]"]


def test_that_keys_zoom_the_matrix_about_its_cell_and_keep_it_in_sight(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (matrix,) = window.page("explain").findChildren(MatrixView)
    canvas = matrix.canvas
    assert canvas.content is not None
    order = canvas.content.order
    canvas.cursor_cell = (int(order[300]), int(order[100]))
    for _ in range(6):
        matrix.nearer()
    seen = canvas._window()
    assert seen.width() == pytest.approx(len(order) / 1.5**6)
    assert seen.center().x() == pytest.approx(100.5)
    assert seen.center().y() == pytest.approx(300.5)
    for _ in range(60):
        matrix.cell_right()
    assert canvas.cursor_cell == (int(order[300]), int(order[160]))
    assert canvas._window().left() < 160.5 < canvas._window().right()
    for _ in range(9):
        matrix.farther()
    assert canvas._window().width() == len(order)


def test_that_the_card_is_also_a_table_and_a_withheld_one_has_none(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("predict")
    (card,) = window.page("predict").findChildren(CardView)
    assert window.session.case is not None
    found = window.session.case.case.prediction
    assert found is not None
    assert found.model is not None
    table = card.as_table()
    assert table is not None
    assert table.rows[0][4] == found.probability
    assert table.rows[1][2:4] == found.interval
    scores = [row for row in table.rows if row[:2] == ("held-out scores", "responders")]
    assert [row[4] for row in scores] == found.model.score_counts_responder.astype(int).tolist()
    relied = {row[1]: row[4] for row in table.rows if row[0] == "what it relied on"}
    assert found.contributions is not None
    assert set(relied.values()) == set(found.contributions.values())
    window.actions_.open_path(case_folders["withheld"])
    assert card.as_table() is None
