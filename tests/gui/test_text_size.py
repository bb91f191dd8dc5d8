"""Text of 100 to 300 %: what is drawn grows with it, pages lay themselves out anew, Tab follows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QTabWidget,
    QWidget,
)

from app.core.explanation_wording import sensitivity_estimate
from app.gui.main_window.arrangement import KeptSplitter
from app.gui.main_window.window import MainWindow
from app.gui.views import (
    GatesView,
    NetworksView,
    RegionsView,
    SensitivityView,
    SlicesView,
    SurfaceView,
    TimeSeriesView,
)
from app.gui.widgets.elided_label import ElidedLabel
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.icons import StateSign
from app.gui.widgets.tab_order import in_reading_order
from app.gui.widgets.theme import font, text_scale
from app.gui.widgets.view import View
from tests.gui import every_widget
from tests.gui.conftest import FakeWorker
from tests.gui.screens import settle


@pytest.fixture
def large(window: MainWindow, case_folders: dict[str, Path]) -> Iterator[MainWindow]:
    """The window whose text size is put back."""
    window.actions_.open_path(case_folders["result"])
    window.session.select_parcel(50)
    yield window
    window.actions_.change_setting("text_size_percent", 100)


def found_in(window: MainWindow, step: str, kind: type[Any]) -> Any:
    window.show_step(step)
    (view,) = window.page(step).findChildren(kind)
    return view


def cut_numbers(page: QWidget) -> list[str]:
    """Read-outs in sight that are shortened although they carry a number."""
    labels = [label for label in page.findChildren(ElidedLabel) if label.isVisibleTo(page)]
    words = [label.full_text() for label in labels if label.is_cut()]
    return [text for text in words if any(letter.isdigit() for letter in text)]


# ---------------------------------------------------------------------------- pages


@pytest.mark.parametrize(
    ("size", "percent"), [((1280, 720), 150), ((1600, 1000), 200), ((1600, 1000), 300)]
)
def test_that_no_page_is_scrolled_sideways_and_no_number_is_cut(
    large: MainWindow, size: tuple[int, int], percent: int
) -> None:
    large.resize(*size)
    large.actions_.change_setting("text_size_percent", percent)
    bar = large.page_area.horizontalScrollBar()
    faults: set[tuple[str, str]] = set()
    for name, page in every_widget.each_page(large):

        def told(page: QWidget = page) -> list[str]:
            sideways = [f"{bar.maximum()} px to the side"] * (bar.maximum() > 0)
            return [*sideways, *every_widget.cut(page), *cut_numbers(page)]

        faults |= {(name.split(",")[0], words) for words in every_widget.patiently(told)}
    assert not faults


def test_that_areas_come_below_each_other_where_they_are_narrow_and_go_back(
    large: MainWindow, qtbot: Any
) -> None:
    large.resize(1600, 1000)
    large.show_step("check")
    splitter = large.page("check").findChildren(QSplitter)[0]
    bar = large.page_area.verticalScrollBar()

    def lies(orientation: Qt.Orientation, scrolled: bool) -> bool:
        return splitter.orientation() == orientation and (bar.maximum() > 0) == scrolled

    qtbot.waitUntil(lambda: lies(Qt.Orientation.Horizontal, False))
    large.resize(700, 600)
    qtbot.waitUntil(lambda: lies(Qt.Orientation.Vertical, True))
    seen = [one for one in large.page("check").findChildren(View) if one.isVisible()]
    assert len(seen) == 3
    assert all(one.height() >= 200 for one in seen)
    large.resize(1600, 1000)
    qtbot.waitUntil(lambda: lies(Qt.Orientation.Horizontal, False))


def test_that_a_view_that_fills_a_long_page_has_the_height_of_the_window(
    large: MainWindow, qtbot: Any
) -> None:
    large.resize(700, 600)
    slices = found_in(large, "explain", SlicesView)
    bar = large.page_area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    large.maximise(slices)
    qtbot.waitUntil(lambda: bar.maximum() == 0)
    large.maximise(slices)
    qtbot.waitUntil(lambda: bar.maximum() > 0)


def test_that_dialogs_lie_on_the_screen_and_cut_no_word(
    large: MainWindow, worker: FakeWorker
) -> None:
    large.actions_.change_setting("text_size_percent", 200)
    room = large.screen().availableGeometry()
    for name, dialog in every_widget.each_dialog(large, worker):
        assert room.contains(dialog.geometry()), name
        assert not every_widget.cut(dialog), name


def in_sight(table: QTableView) -> bool:
    row = table.currentIndex()
    return row.isValid() and table.viewport().rect().contains(table.visualRect(row).center())


def test_that_another_text_size_keeps_what_was_set_up_on_a_page(
    large: MainWindow, qtbot: Any
) -> None:
    large.resize(1600, 1000)
    surface = found_in(large, "explain", SurfaceView)
    surface.load_now()
    surface.look_from("Top")
    surface.turn_left()
    surface.nearer()
    camera = surface.seen_from()
    page = large.page("explain")
    regions = found_in(large, "explain", RegionsView)
    for tabs in page.findChildren(QTabWidget):
        tabs.setCurrentIndex(tabs.indexOf(regions) if tabs.indexOf(regions) >= 0 else 1)
    noted = [tabs.currentIndex() for tabs in page.findChildren(QTabWidget)]
    assert regions.isVisible()
    regions.search.setText("anterior")
    listed = regions.proxy.rowCount()
    row = regions.proxy.mapToSource(regions.proxy.index(listed - 1, 0)).row()
    large.session.select_parcel(row)
    large.maximise(regions)
    large.actions_.change_setting("text_size_percent", 125)
    again = large.page("explain")
    assert again is not page
    assert [tabs.currentIndex() for tabs in again.findChildren(QTabWidget)] == noted
    made = found_in(large, "explain", RegionsView)
    assert (made.search.text(), made.proxy.rowCount()) == ("anterior", listed)
    assert again.maximised is made
    assert made.isVisible()
    qtbot.waitUntil(lambda: in_sight(made.table))
    assert made.proxy.mapToSource(made.table.currentIndex()).row() == row
    large.maximise(made)
    turned = found_in(large, "explain", SurfaceView)
    turned.load_now()
    for now, before in zip(turned.seen_from()[2], camera[2], strict=True):
        assert now == pytest.approx(before)
    assert turned.seen_from()[:2] == camera[:2] == ("both", "Top")
    made.search.clear()
    large.session.select_parcel(200)
    large.actions_.change_setting("text_size_percent", 150)
    table = found_in(large, "explain", RegionsView).table
    settle(200)
    assert in_sight(table)


def test_that_shares_of_a_page_that_were_dragged_hold_when_it_is_narrowed_and_made_anew(
    large: MainWindow, qtbot: Any
) -> None:
    large.resize(1600, 1000)
    large.show_step("predict")

    def splitter() -> KeptSplitter:
        found = large.page("predict").findChildren(KeptSplitter)
        return next(one for one in found if one.orientation() == Qt.Orientation.Horizontal)

    def shares() -> list[float]:
        sizes = splitter().sizes()
        return [size / sum(sizes) for size in sizes]

    usual = shares()
    dragged = splitter()
    dragged.moveSplitter(dragged.sizes()[0] + 90, 1)
    wanted = shares()
    assert wanted[0] > usual[0] + 0.03
    large.resize(700, 700)
    qtbot.waitUntil(lambda: dragged.orientation() == Qt.Orientation.Vertical)
    for width in (1300, 1600):
        large.resize(width, 1000)
        qtbot.waitUntil(lambda: dragged.orientation() == Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: shares() == pytest.approx(wanted, abs=0.01))
    large.actions_.change_setting("text_size_percent", 110)
    assert splitter() is not dragged
    qtbot.waitUntil(lambda: shares() == pytest.approx(wanted, abs=0.02))


# ---------------------------------------------------------------------------- what is drawn


def test_that_what_is_drawn_grows_with_the_text(large: MainWindow) -> None:
    sizes: dict[int, list[float]] = {}
    for percent in (100, 200):
        large.actions_.change_setting("text_size_percent", percent)
        bars = found_in(large, "explain", NetworksView).bars
        words = QFontMetrics(font(bars.font(), scale=0.86))
        assert bars.row_px() >= words.height()
        tops = [(block.top, block.bottom, len(block.rows)) for block in bars._blocks]
        assert all(low - top == pytest.approx(rows * bars.row_px()) for top, low, rows in tops)
        assert all(before[1] < after[0] for before, after in pairwise(tops))
        assert bars.height() >= tops[-1][1]
        series = found_in(large, "explain", TimeSeriesView)
        item = next(iter(series._plots.values()))
        sign = large.page("explain").findChildren(StateSign)[0]
        sizes[percent] = [
            bars.row_px(),
            item.getViewBox().names_px,
            float(item.getAxis("left").width()),
            float(sign.width()),
            float(large.steps.buttons["load"].sizeHint().width()),
        ]
        legend = [one for one in item.getViewBox().childItems() if hasattr(one, "opts")]
        assert any(one.opts.get("size") == f"{8 * percent / 100:.1f}pt" for one in legend)
        assert text_scale() == percent / 100
    for small, big in zip(sizes[100], sizes[200], strict=True):
        assert big == pytest.approx(2.0 * small, rel=0.1)


def test_that_a_read_out_takes_another_line_before_it_is_cut(
    qapp: QApplication, qtbot: Any
) -> None:
    label = ElidedLabel("R 17.6 A 35.3 S 12.1 mm and voxel 36,81,42", lines=2)
    qtbot.addWidget(label)
    whole = label.fontMetrics().horizontalAdvance(label.full_text())
    label.resize(whole + 20, 20)
    label.show()
    one = label.sizeHint().height()
    assert not label.is_cut()
    label.resize(round(whole * 0.7), 40)
    assert label.sizeHint().height() == one + label.fontMetrics().lineSpacing()
    assert not label.is_cut()
    label.set_full_text("short")
    assert label.sizeHint().height() > one  # what stands above does not jump
    label.set_full_text("R 17.6 A 35.3 S 12.1 mm and voxel 36,81,42 " * 3)
    assert label.is_cut()


def test_that_a_row_of_buttons_goes_on_below_and_a_field_takes_what_is_free(
    qapp: QApplication, qtbot: Any
) -> None:
    box, field = QWidget(), QLineEdit()
    qtbot.addWidget(box)
    buttons = [QPushButton(f"Button {number}") for number in range(3)]
    row = flow(field, *buttons, spacing=6)
    box.setLayout(row)
    wide = row.sizeHint().width()
    row.setGeometry(QRect(0, 0, wide + 90, 40))
    assert len({one.geometry().center().y() for one in (field, *buttons)}) == 1
    assert field.width() == field.sizeHint().width() + 90
    assert buttons[-1].geometry().right() + 1 == wide + 90
    narrow = row.minimumSize().width()
    row.setGeometry(QRect(0, 0, narrow, 300))
    tops = [one.geometry().top() for one in (field, *buttons)]
    assert tops == sorted(set(tops))
    assert row.heightForWidth(narrow) > 3 * row.heightForWidth(wide)
    assert all(one.geometry().right() < narrow for one in buttons)


# ---------------------------------------------------------------------------- keyboard


def test_that_tab_meets_the_controls_of_a_view_in_reading_order(large: MainWindow) -> None:
    """None lies wholly above the one before it, unless it begins another column."""
    slices = found_in(large, "explain", SlicesView)
    order = in_reading_order(slices)
    first = [slices.underlay_box, slices.overlay_box, slices.layers_button, slices.more]
    assert order[:4] == first
    assert order[4:6] == [slices.threshold, slices.opacity]
    assert order[-3:] == [slices.place.field, slices.place.copy, slices.place.places]
    for key in every_widget.PAGES[:5]:
        large.show_step(key)
        settle(20)
        page = large.page(key)
        for view in (one for one in page.findChildren(View) if one.isVisibleTo(page)):
            inside = [w for w in every_widget.controls(page) if view.isAncestorOf(w)]
            chain, at = [], page.nextInFocusChain()
            while at is not page and at is not None:
                if at in inside:
                    chain.append(at)
                at = at.nextInFocusChain()
            boxes = [QRect(one.mapTo(view, one.rect().topLeft()), one.size()) for one in chain]
            for before, after in pairwise(boxes):
                above = after.bottom() < before.top() and after.left() <= before.right()
                assert not above, (key, view.name, before, after)


def test_that_the_coordinate_box_forgets_a_place_that_was_left(
    large: MainWindow, qtbot: Any
) -> None:
    slices = found_in(large, "explain", SlicesView)
    field = slices.place.field
    field.setFocus()
    qtbot.keyClicks(field, "-20 10 30")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert large.session.crosshair_mm == pytest.approx((-20.0, 10.0, 30.0), abs=1.0)
    assert field.text() == "-20 10 30"  # where the crosshair is
    large.session.select_point((-30.0, 12.0, 20.0))
    assert field.text() == ""
    large.activateWindow()
    qtbot.waitUntil(large.isActiveWindow)
    field.setFocus()
    qtbot.keyClicks(field, "-4 2")  # still being typed
    large.session.select_point((-20.0, 10.0, 30.0))
    assert field.text() == "-4 2"


# ---------------------------------------------------------------------------- words


def test_that_the_variants_tell_how_long_they_take_before_they_are_asked(
    large: MainWindow,
) -> None:
    view = found_in(large, "explain", SensitivityView)
    assert large.session.case is not None
    made = large.session.case.case.provenance
    assert made is not None
    assert view.work.told.full_text() == sensitivity_estimate(made.stage_seconds)
    assert sensitivity_estimate({}).startswith("Takes as long as two dozen answers")
    assert sensitivity_estimate({"predict": 1.0}) == (
        "About 40 s: the answer took 1 s where the case was made."
    )
    assert "About 2 min" in sensitivity_estimate({"predict": 4.0})


@pytest.mark.parametrize("percent", [100, 300])
def test_that_gates_are_as_high_as_their_words(large: MainWindow, percent: int, qtbot: Any) -> None:
    large.resize(1280, 720)
    large.actions_.change_setting("text_size_percent", percent)
    gates = found_in(large, "check", GatesView)
    labels = [label for label in gates.table.findChildren(QLabel) if label.text()]
    assert len(labels) >= 6

    def fits() -> bool:  # once the table has laid out its rows
        needs = [(label.height(), label.heightForWidth(label.width())) for label in labels]
        return all(need <= high <= need + 2 for high, need in needs)

    qtbot.waitUntil(fits)
    lines = [label.height() / label.fontMetrics().height() for label in labels]
    assert any(count > 1.5 for count in lines) == (percent == 300)
