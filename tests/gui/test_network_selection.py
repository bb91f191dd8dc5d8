"""One network, chosen anywhere, is selected in every view; Esc clears, undo brings it back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from app.core.colours import NETWORK_SHORT
from app.gui.main_window.window import MainWindow
from app.gui.views import (
    ConnectionsView,
    MatrixView,
    MotionView,
    NetworksView,
    RegionsView,
    RingView,
    SlicesView,
    SurfaceView,
    TimeSeriesView,
)
from tests.live_case import LEFT, Key, case_of, view_of

NETWORK = "Somatomotor"


def members(window: MainWindow, network: str = NETWORK) -> list[int]:
    signals = case_of(window.session).case.signals
    assert signals is not None
    return [parcel for parcel, name in enumerate(signals.networks) if name == network]


def press_escape(window: MainWindow, qtbot: Any) -> None:
    """Esc in the window itself."""
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.setFocus()
    qtbot.keyClick(window, Key.Key_Escape)


def test_that_a_click_on_a_bar_selects_the_network_in_every_view(
    live: MainWindow, qtbot: Any
) -> None:
    session, inside = live.session, members(live)
    session.change("Threshold", "plots", edge_count=200)
    session.select_edge(3, 4)
    view = view_of(live, "explain", NetworksView, qtbot)
    qtbot.mouseClick(view.bars, LEFT, pos=view.bars.row_middle(NETWORK).toPoint())
    assert session.state.selection.network == NETWORK
    assert session.parcel is None  # one selection: it takes the place of parcel and connection
    assert session.edge is None
    signals = case_of(session).case.signals
    assert signals is not None

    slices = view_of(live, "explain", SlicesView, qtbot)
    content = slices.stage.content
    assert content is not None
    assert list(content.network) == inside
    rims = [canvas._selected_rim(np.asanyarray(content.labels), content.network)
            for canvas in slices.stage.canvases.values()]  # fmt: skip
    assert any(rim is not None for rim in rims)
    session.select_network("Default")  # from one network to another
    assert list(slices.stage.content.network) == members(live, "Default")  # type: ignore[union-attr]
    session.select_network(NETWORK)
    assert list(slices.stage.content.network) == inside  # type: ignore[union-attr]

    matrix = view_of(live, "explain", MatrixView, qtbot).canvas
    assert matrix.content is not None
    ((first, after),) = matrix.network_runs()
    assert sorted(matrix.content.order[first:after].tolist()) == inside

    ring = view_of(live, "explain", RingView, qtbot).canvas
    assert ring.content is not None
    touching = [bool({a, b} & set(inside)) for a, b in ring.content.edges.pairs()]
    assert ring.forward().tolist() == touching

    regions = view_of(live, "explain", RegionsView, qtbot)
    listed = [regions.proxy.mapToSource(regions.proxy.index(row, 0)).row()
              for row in range(regions.proxy.rowCount())]  # fmt: skip
    assert sorted(listed) == inside
    assert NETWORK in regions.chip.text()

    table = view_of(live, "explain", ConnectionsView, qtbot)
    assert table.proxy.rowCount() == sum(touching)

    series = view_of(live, "explain", TimeSeriesView, qtbot)
    (trace,) = series._traces
    covered = [p for p in inside if signals.coverage[p] > 0]
    np.testing.assert_allclose(trace.raw, np.asarray(signals.raw)[:, covered].mean(axis=1))
    assert trace.cleaned is not None
    np.testing.assert_allclose(trace.cleaned, np.asarray(signals.cleaned)[:, covered].mean(axis=1))
    assert f"mean of {len(covered)} parcels" in trace.name

    motion = view_of(live, "check", MotionView, qtbot)
    assert motion._carpet is not None
    low, high = (round(edge) for edge in motion._carpet.network_box.getRegion())
    rows = case_of(session).view.carpet_rows
    assert rows is not None
    assert sorted(int(row) for row in rows[low:high]) == inside
    session.clear_selection()
    box = motion._plots[-1].getViewBox()
    strip = box.mapViewToScene(QPointF(-1.2, (low + high) / 2.0))
    at = motion.graphics.mapFromScene(strip)
    qtbot.mouseClick(motion.graphics.viewport(), LEFT, pos=at)
    assert session.state.selection.network == NETWORK
    assert session.frame == 0


def test_that_the_surface_outlines_the_network_as_a_whole(live: MainWindow, qtbot: Any) -> None:
    surface = view_of(live, "explain", SurfaceView, qtbot)
    surface.load_now()
    scene = surface.canvas.scene
    assert scene is not None
    live.session.select_network(NETWORK)
    surface._catch_up()
    for side in scene._sides:
        inside = np.isin(side.face_label, np.array(members(live)) + 1)
        corners = side.faces[inside]
        sides = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        _, counts = np.unique(sides, axis=0, return_counts=True)
        assert side.outline.GetNumberOfLines() == int((counts == 1).sum()) > 0
    live.session.clear_selection()
    surface._catch_up()
    assert all(side.outline.GetNumberOfLines() == 0 for side in scene._sides)


@pytest.mark.parametrize("where", ["beside", "below"])
def test_that_a_network_is_chosen_at_the_matrix_edge(
    where: str, live: MainWindow, qtbot: Any
) -> None:
    matrix = view_of(live, "explain", MatrixView, qtbot).canvas
    assert matrix.content is not None
    first, after = next((a, b) for name, a, b in matrix.content.blocks() if name == NETWORK)
    square, count = matrix.square(), len(matrix.content.order)
    along = (first + after) / 2.0 / count * square.width()
    at = QPointF(square.left() - 5, square.top() + along)
    if where == "below":
        at = QPointF(square.left() + along, square.bottom() + 5)
    qtbot.mouseClick(matrix, LEFT, pos=at.toPoint())
    assert live.session.state.selection.network == NETWORK


def test_that_a_network_is_chosen_at_the_ring(live: MainWindow, qtbot: Any) -> None:
    session = live.session
    view = view_of(live, "explain", RingView, qtbot)
    ring = view.canvas
    box = ring._name_boxes[NETWORK]
    qtbot.mouseClick(ring, LEFT, pos=box.center().toPoint())
    assert session.state.selection.network == NETWORK
    assert ring._layout is not None
    parcel = members(live, "Default")[2]
    x, y = ring._layout.points(1.05)[parcel]
    rim = (ring._centre() + QPointF(float(x), float(y)) * ring._radius()).toPoint()
    qtbot.mouseClick(ring, LEFT, pos=rim)
    assert session.parcel in members(live, "Default")
    assert session.state.selection.network is None  # a parcel takes its place
    qtbot.mouseDClick(ring, LEFT, pos=rim)
    assert session.state.selection.network == "Default"


def test_that_a_network_is_chosen_in_the_table_and_listed_rows_select_nothing_by_themselves(
    live: MainWindow, qtbot: Any
) -> None:
    session, regions = live.session, view_of(live, "explain", RegionsView, qtbot)
    session.select_parcel(members(live)[0])
    row = regions.proxy.mapFromSource(regions.regions.index(members(live)[0], 0)).row()
    column = regions.regions.columns.index("Network")
    regions.table.setFocus()
    regions.table.scrollTo(regions.proxy.index(row, 1))
    at = regions.table.visualRect(regions.proxy.index(row, column)).center()
    regions._fit_columns()
    if regions.table.isColumnHidden(column):
        regions.table.setColumnHidden(column, False)
        at = regions.table.visualRect(regions.proxy.index(row, column)).center()
    qtbot.mouseClick(regions.table.viewport(), LEFT, pos=at)
    qtbot.mouseDClick(regions.table.viewport(), LEFT, pos=at)
    assert session.state.selection.network == NETWORK
    assert regions.proxy.rowCount() == len(members(live))
    view = view_of(live, "explain", NetworksView, qtbot)
    view.bars.setFocus()
    regions.table.setFocus()
    session.select_network("Default")  # the current row goes: the next one is not selected
    assert session.state.selection.network == "Default"
    assert session.parcel is None
    qtbot.mouseClick(regions.chip, LEFT)
    assert session.state.selection.network is None
    assert regions.proxy.rowCount() == 426


def test_that_escape_clears_and_undo_brings_the_selection_back(
    live: MainWindow, qtbot: Any
) -> None:
    session = live.session
    live.show_step("explain")
    session.select_parcel(17)
    session.select_network(NETWORK)
    session.select_frames(4, 9)
    press_escape(live, qtbot)
    chosen = session.state.selection
    assert (chosen.network, chosen.parcel, chosen.edge, chosen.frames) == (None, None, None, None)
    session.history.stack.undo()
    assert session.state.selection.network == NETWORK
    assert session.state.selection.frames == (4, 9)
    session.history.stack.undo()
    assert session.parcel == 17
    assert session.state.selection.network is None
    session.history.stack.redo()
    assert session.state.selection.network == NETWORK
    assert session.history.entries()[-2:] == (f"Network: {NETWORK}", "Selection cleared")
    session.select_parcel(5)
    press_escape(live, qtbot)
    assert session.parcel is None
    press_escape(live, qtbot)  # nothing left to clear: no entry
    assert session.history.entries()[-1] == "Selection cleared"
    assert session.history.entries().count("Selection cleared") == 1


@pytest.mark.parametrize("kind", [MatrixView, RingView, SurfaceView, TimeSeriesView, RegionsView])
def test_that_escape_clears_wherever_the_keyboard_is(
    kind: Any, live: MainWindow, qtbot: Any
) -> None:
    view = view_of(live, "explain", kind, qtbot)
    live.session.select_parcel(17)
    on = getattr(view, "canvas", getattr(view, "graphics", None)) or view.table
    on.setFocus()
    qtbot.keyClick(on, Key.Key_Escape)
    assert live.session.parcel is None


def test_that_escape_ends_the_arrows_window_first(live: MainWindow, qtbot: Any) -> None:
    slices = view_of(live, "explain", SlicesView, qtbot)
    live.session.select_parcel(17)
    canvas = next(iter(slices.stage.canvases.values()))
    canvas.setFocus()
    canvas.set_window_keys(True)
    qtbot.keyClick(canvas, Key.Key_Escape)
    assert not canvas.window_keys
    assert live.session.parcel == 17
    qtbot.keyClick(canvas, Key.Key_Escape)
    assert live.session.parcel is None


def test_that_networks_are_found_by_name(live: MainWindow) -> None:
    choices = {choice.words: choice for choice in live.palettes.regions()}
    choices[f"{NETWORK} (network)"].do()
    assert live.session.state.selection.network == NETWORK
    assert NETWORK in NETWORK_SHORT
