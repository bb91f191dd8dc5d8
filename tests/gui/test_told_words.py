"""What views say of themselves is what they show: names, selected networks, whole words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtWidgets import QTabWidget

from app.core.colours import SignedScale
from app.gui.main_window.window import MainWindow
from app.gui.map_actions import new_layer
from app.gui.session import Session
from app.gui.views import SlicesView, TimeSeriesView
from app.gui.widgets.matrix_canvas import MatrixCanvas
from app.gui.widgets.matrix_content import MatrixContent
from app.gui.widgets.tables import Table, TableDialog


def test_that_slices_say_which_network_is_selected(session: Session, qtbot: Any) -> None:
    view = SlicesView(session)
    qtbot.addWidget(view)
    session.select_parcel(0)
    before = view.region.full_text()
    assert "selected" not in before
    session.select_network("Limbic")
    assert view.region.full_text().startswith("Limbic selected; at the crosshair: ")
    assert "Limbic selected" in view.sentence()
    session.select_parcel(0)
    assert view.region.full_text() == before


def test_that_the_scans_own_slices_are_called_so(session: Session, qtbot: Any) -> None:
    for given, name in (({"source": "native"}, "Scan"), ({}, "Slices")):
        view = SlicesView(session, **given)
        qtbot.addWidget(view)
        assert view.accessibleName() == name


def test_that_a_time_series_without_volumes_says_what_the_screen_says(
    session: Session, qtbot: Any
) -> None:
    view = TimeSeriesView(session, native=True)
    qtbot.addWidget(view)
    assert session.volumes is None
    assert "Press Open volumes… in the Scan view" in view.parcel_label.full_text()
    assert view.sentence() == view.parcel_label.full_text()


@pytest.mark.parametrize(("width", "height", "least"), [(260, 260, 190.0), (700, 400, 340.0)])
def test_that_names_do_not_take_the_matrixs_room(
    width: int, height: int, least: float, qtbot: Any
) -> None:
    names = ("Ventral Attention",) * 6 + ("Default",) * 6
    canvas = MatrixCanvas()
    qtbot.addWidget(canvas)
    canvas.resize(width, height)
    canvas.show_content(MatrixContent(np.eye(12), np.arange(12), names, SignedScale(1.0, 0.0, "r")))
    assert canvas.square().width() > least


def test_that_two_maps_of_one_participant_are_told_apart() -> None:
    stem = "sub-0000_task-rest_space-MNI152NLin2009cAsym_stat"
    names = [
        new_layer("key", f"{stem}-{what}_statmap", "map", np.zeros(3)).name
        for what in ("attribution", "attributionscan")
    ]
    assert names[0] != names[1]
    assert all(len(name) <= 40 and name.startswith("sub-0000") for name in names)


def test_that_a_table_is_as_wide_as_its_words(qtbot: Any) -> None:
    words = "Area Posterior 24 prime of the left hemisphere"
    dialog = TableDialog("Connections", "stamps", Table(("one", "two", "r"), [(words, words, 0.5)]),
                         None)  # type: ignore[arg-type]  # fmt: skip
    qtbot.addWidget(dialog)
    needed = dialog.view.fontMetrics().horizontalAdvance(words)
    for column in (0, 1):
        assert dialog.view.columnWidth(column) >= needed


def test_that_bars_of_tabs_have_a_name(judged: MainWindow) -> None:
    judged.show_step("explain")
    bars = [tabs.tabBar() for tabs in judged.page("explain").findChildren(QTabWidget)]
    assert "Connectivity, Ring" in [bar.accessibleName() for bar in bars]
    assert all(bar.accessibleName() for bar in bars)
