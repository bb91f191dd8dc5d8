"""Words, names and numbers where there is little room: at their own place, or said elsewhere."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph as pg
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QFontMetrics, QMouseEvent
from PySide6.QtWidgets import QApplication

from app.gui.main_window.window import MainWindow
from app.gui.session import Session
from app.gui.views import (
    CardView,
    MatrixView,
    RegionsView,
    SlicesView,
    TimeSeriesView,
)
from app.gui.widgets.elided_label import ElidedLabel
from app.gui.widgets.matrix_names import NameBand, stand_beside
from app.gui.widgets.plots import ValueAxis
from app.gui.widgets.theme import font
from app.gui.widgets.title_label import TitleLabel
from app.gui.widgets.work_row import WorkRow
from tests.gui.screens import settle
from tests.gui.test_text_size import cut_numbers

# ---------------------------------------------------------------------------- matrix


def test_that_a_name_at_a_matrix_stands_beside_its_own_rows_or_nowhere() -> None:
    sizes = (24.0, 20.0, 13.0, 15.0, 6.0, 16.0, 26.0, 10.0, 4.0, 6.0)
    ends = np.cumsum(sizes)
    bands = [
        NameBand(str(n), float(end) - size, float(end))
        for n, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]
    placed = stand_beside(bands, 12.0, 6.0, 140.0)
    assert [band.name for _, band in placed] == ["0", "1", "2", "3", "4", "5", "6", "7", "9"]
    _stand_apart(placed, 12.0)
    assert placed[0][0] == 12.0  # the middle, where nothing is in the way
    assert len(stand_beside(bands, 4.0, 2.0, 140.0)) == len(bands)
    assert stand_beside(bands[-1:], 12.0, 6.0, 130.0) == []  # it would be cut


def _stand_apart(placed: list[tuple[float, NameBand]], step: float) -> None:
    for place, band in placed:
        inside = min(0.3 * step, (band.end - band.begin) / 2.0 - 1e-6)
        assert band.begin + inside <= place <= band.end - inside, band
    places = [place for place, _ in placed]
    assert all(after - before >= step - 1e-6 for before, after in pairwise(places))


def test_that_names_at_the_drawn_matrix_stand_beside_their_own_rows_in_every_size(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (view,) = window.page("explain").findChildren(MatrixView)
    canvas, counts = view.canvas, []
    step = QFontMetrics(font(canvas.font(), scale=0.82)).height() - 1.0
    for side in (120, 160, 260, 420, 900):
        canvas.resize(side + 60, side)
        for placed in canvas.names_beside():
            _stand_apart(placed, step)
            counts.append(len(placed))
    assert counts[0] >= 5  # the large ones have a name in any size
    assert canvas.content is not None
    assert counts[-2:] == [len(canvas.content.blocks())] * 2
    canvas.resize(180, 120)
    named = {band.name for _, band in canvas.names_beside()[0]}
    square, rows = canvas.square(), canvas._bands(canvas.square(), canvas._window())[0]
    nameless = next(band for band in rows if band.name not in named)
    at = QPointF(square.left() - 5.0, square.top() + nameless.middle)
    move = QEvent.Type.MouseMove
    none = Qt.MouseButton.NoButton
    keys = Qt.KeyboardModifier.NoModifier
    canvas.mouseMoveEvent(QMouseEvent(move, at, at, none, none, keys))
    assert canvas.toolTip() == nameless.name  # its strip still tells it


# ---------------------------------------------------------------------------- plots


def test_that_a_limit_is_named_above_the_curves(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (view,) = window.page("explain").findChildren(TimeSeriesView)
    for width, height in ((280, 240), (700, 400)):
        view.resize(width, height)
        settle()
        item = view._plots["motion"]
        box = item.getViewBox()
        box.updateAutoRange()
        (words,) = [
            one for one in box.childItems() if isinstance(one, pg.LabelItem) and "limit" in one.text
        ]
        area = words.mapRectToParent(words.boundingRect())
        assert box.boundingRect().adjusted(-1, -6, 1, 0).contains(area)
        middle = box.mapToView(QPointF(area.center()))
        highest = max(float(np.nanmax(one.getData()[1])) for one in item.listDataItems())
        assert middle.y() > highest


@pytest.mark.parametrize(
    ("low", "high", "size", "numbers"),
    [
        (1362.0, 1448.0, 34.0, 2),  # a hundred is too coarse, ten too fine
        (-2.2, 2.4, 40.0, 2),
        (0.0, 5.2, 36.0, 2),
        (1200.0, 1260.0, 300.0, 3),
    ],
)
def test_that_an_axis_has_two_numbers_that_neither_touch_nor_are_cut(
    qapp: QApplication, low: float, high: float, size: float, numbers: int
) -> None:
    values = ValueAxis().tickValues(low, high, size)[0][1]
    assert len(values) >= numbers
    pixels = [(value - low) / (high - low) * size for value in values]
    assert all(after - before >= 14.0 - 1e-6 for before, after in pairwise(pixels))
    assert max(pixels) <= size - 7.0
    assert not low <= 0.0 <= high or 0.0 in values


# ---------------------------------------------------------------------------- read-outs


def test_that_a_read_out_ends_in_an_ellipsis_and_is_never_cut_across(
    qapp: QApplication, qtbot: Any
) -> None:
    label = ElidedLabel("383 of 426 parcels below threshold, 3 of them hatched", lines=2)
    qtbot.addWidget(label)
    metrics = label.fontMetrics()
    label.resize(metrics.horizontalAdvance("383 of 426 pa"), metrics.lineSpacing() * 2 + 2)
    label.show()
    shown = label.shown_text().split("\n")
    assert len(shown) == 2
    assert shown[0].strip() == "383 of 426"
    assert shown[1].startswith("parcels")
    assert shown[1].endswith("\N{HORIZONTAL ELLIPSIS}")
    assert all(metrics.horizontalAdvance(line) <= label.width() for line in shown)


def test_that_a_firm_read_out_keeps_the_lines_that_it_takes(qapp: QApplication, qtbot: Any) -> None:
    for firm in (False, True):
        label = ElidedLabel("383 of 426 parcels below threshold", lines=3, firm=firm)
        qtbot.addWidget(label)
        one = label.minimumSizeHint().height()
        label.resize(label.fontMetrics().horizontalAdvance("383 of 426 parcels"), 20)
        label.show()
        assert label.minimumSizeHint().height() - one == firm * label.fontMetrics().lineSpacing()


def test_that_the_title_of_a_map_keeps_the_letter_of_its_method(
    qapp: QApplication, qtbot: Any
) -> None:
    title = TitleLabel("Surface (b)")
    qtbot.addWidget(title)
    title.resize(title.sizeHint())
    assert title.shown_text() == "Surface (b)"
    title.resize(title.minimumSizeHint())
    assert title.shown_text().startswith("Su")
    assert title.shown_text().endswith("\N{HORIZONTAL ELLIPSIS} (b)")


def test_that_the_words_beside_a_button_go_below_it_where_they_are_narrow(
    qapp: QApplication, qtbot: Any
) -> None:
    row = WorkRow("Compute the variants")
    qtbot.addWidget(row)
    row.set_offer(enabled=True, estimate="About 40 s: the answer took 1 s where it was made.")
    row.show()
    row.resize(900, 40)
    settle(20)
    assert row.told.geometry().left() > row.button.geometry().right()
    row.resize(330, 90)
    settle(20)
    assert row.told.geometry().top() > row.button.geometry().bottom()
    assert not row.told.is_cut()


# ---------------------------------------------------------------------------- lists


def test_that_a_narrow_list_says_which_columns_it_leaves_out(session: Session, qtbot: Any) -> None:
    view = RegionsView(session)
    qtbot.addWidget(view)
    view.resize(700, 400)
    view.show()
    assert "Shown where wider" not in view.rule.full_text()
    view.resize(300, 400)
    settle(20)
    assert view.rule.full_text().endswith("Shown where wider: Network, (a).")
    assert not view.rule.is_cut()
    assert view.table.textElideMode() == Qt.TextElideMode.ElideMiddle  # names end in the side


# ---------------------------------------------------------------------------- pages


def test_that_a_narrow_window_has_wide_slices_also_after_a_view_filled_the_page(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.resize(1600, 1000)
    window.actions_.open_path(case_folders["result"])
    window.session.select_parcel(50)
    window.show_step("explain")
    page = window.page("explain")
    (slices,) = page.findChildren(SlicesView)
    (matrix,) = page.findChildren(MatrixView)
    window.maximise(matrix)
    settle()
    window.resize(1000, 1000)
    settle()
    window.maximise(matrix)
    settle()
    assert slices.isVisible()
    qtbot.waitUntil(lambda: slices.width() > 600)  # not beside the surface
    qtbot.waitUntil(lambda: not cut_numbers(page))


def test_that_the_guide_leaves_read_outs_whole_in_a_small_window(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.resize(1280, 720)
    window.actions_.open_path(case_folders["result"])
    window.session.select_parcel(50)
    window.start.tour_asked.emit()
    assert window.guide.bar.isVisible()
    for step in ("check", "explain"):
        window.show_step(step)
        page = window.page(step)
        qtbot.waitUntil(lambda page=page: not cut_numbers(page))


def test_that_a_card_above_other_areas_has_one_scroll_bar_and_not_two(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.resize(1280, 720)
    window.actions_.open_path(case_folders["result"])
    window.actions_.change_setting("text_size_percent", 150)
    try:
        window.show_step("predict")
        (card,) = window.page("predict").findChildren(CardView)
        inside = card.area.verticalScrollBar()
        qtbot.waitUntil(lambda: card.width() > 900)  # nothing lies beside it
        qtbot.waitUntil(lambda: inside.maximum() == 0)
        assert window.page_area.verticalScrollBar().maximum() > 0
        window.resize(700, 600)
        qtbot.waitUntil(lambda: card.width() < 500)
        qtbot.waitUntil(lambda: inside.maximum() == 0)
    finally:
        window.actions_.change_setting("text_size_percent", 100)
