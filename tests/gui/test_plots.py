"""Matrix, ring, tables and networks, tried by hand in the real window."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF

from app.connectome.orders import ORDERS, strongest_edges
from app.core.arrays import frozen
from app.core.explanation_health import ExplanationHealth
from app.gui.connections import shown_connections
from app.gui.main_window.window import MainWindow
from app.gui.session import Session
from app.gui.views import (
    ConnectionsView,
    MatrixView,
    MotionView,
    NetworksView,
    RegionsView,
    RingView,
    TimeSeriesView,
)
from app.gui.widgets.matrix_content import MatrixRows
from app.gui.widgets.tables import TableDialog
from tests.live_case import (
    LEFT,
    Key,
    case_of,
    connectivity,
    view_of,
)

# matrix ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ORDERS)
def test_that_every_drawn_order_undone_is_the_models_array(
    order: str, session: Session, qtbot: Any
) -> None:
    view = MatrixView(session)
    view.reader.inline = True
    qtbot.addWidget(view)
    session.change("Order of the matrix", "plots", order=order)
    content = view.canvas.content
    assert content is not None
    assert content.by_network is (order == "network")
    drawn = content.matrix[np.ix_(content.order, content.order)]
    back = np.argsort(content.order)
    np.testing.assert_array_equal(drawn[np.ix_(back, back)], connectivity(session))
    assert view.order_box.currentData() == order


def test_that_the_table_of_a_whole_matrix_makes_few_of_its_cells(
    session: Session, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = MatrixView(session)
    view.reader.inline = True
    qtbot.addWidget(view)
    table = view.as_table()
    assert table is not None
    count = len(table.rows)
    assert len(table.columns) == count + 1
    content = view.canvas.content
    assert content is not None
    first, last = int(content.order[2]), int(content.order[count - 1])
    assert table.rows[2][count] == float(content.matrix[first, last])
    assert len(list(table.rows[2])) == count + 1
    asked, real = [0], MatrixRows.cell

    def counted(rows: MatrixRows, row: int, column: int) -> Any:
        asked[0] += 1
        return real(rows, row, column)

    monkeypatch.setattr(MatrixRows, "cell", counted)
    dialog = TableDialog("Matrix", "", table, view)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    assert 0 < asked[0] < 3 * count * max(12, 5000 // count)  # of count squared
    dialog.close()


def test_that_hover_names_both_regions_and_keys_move_and_select(
    live: MainWindow, qtbot: Any
) -> None:
    view, session = view_of(live, "explain", MatrixView, qtbot), live.session
    canvas, content = view.canvas, view.canvas.content
    assert content is not None
    square = canvas.square()
    at = QPointF(square.left() + 0.31 * square.width(), square.top() + 0.72 * square.height())
    cell = canvas.cell_at(at)
    assert cell is not None
    qtbot.mouseMove(canvas, QPoint(3, 3))
    qtbot.mouseMove(canvas, at.toPoint())
    signals = case_of(session).case.signals
    assert signals is not None
    cell = canvas.cell_at(QPointF(at.toPoint()))
    assert cell is not None
    names = [signals.parcel_names[parcel].replace("_", " ") for parcel in cell]
    # the screen tells of the moved pointer a little later than the test does
    qtbot.waitUntil(lambda: all(name in view.read_out.full_text() for name in names))
    words = view.read_out.full_text()
    assert "rank" in words
    assert words in view.sentence()
    qtbot.mouseClick(canvas, LEFT, pos=at.toPoint())
    assert session.edge == cell
    assert session.parcel == cell[0]
    canvas.setFocus()
    qtbot.keyClick(canvas, Key.Key_Down)
    qtbot.keyClick(canvas, Key.Key_Right)
    assert session.edge == cell  # moving selects nothing
    place = np.argsort(content.order)
    qtbot.keyClick(canvas, Key.Key_Return)
    expected = [int(content.order[place[parcel] + 1]) for parcel in cell]
    assert session.edge == tuple(expected)


def test_that_exports_are_the_models_array_whatever_is_drawn(
    session: Session, tmp_path: Path, qtbot: Any
) -> None:
    view = MatrixView(session)
    view.reader.inline = True
    qtbot.addWidget(view)
    session.change("Order of the matrix", "plots", order="anatomical")
    session.change("Threshold", "plots", edge_count=20)
    matrix, signals = connectivity(session), case_of(session).case.signals
    assert signals is not None
    for suffix, apart in ((".tsv", "\t"), (".csv", ",")):
        view.export_to(tmp_path / f"made{suffix}")
        lines = (tmp_path / f"made{suffix}").read_text().splitlines()
        assert lines[0].split(apart) == list(signals.parcel_names)
        read = np.array([[float(x) for x in line.split(apart)] for line in lines[1:]])
        np.testing.assert_array_equal(read, matrix)
    view.export_to(tmp_path / "made.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "made.npy"), matrix)
    told = json.loads((tmp_path / "made.json").read_text())
    assert told["ParcelOrder"] == "atlas"
    assert "Research use only" in told["Notice"]
    case = case_of(session)
    relmat = next(case.folder.glob("*_relmat.tsv"))
    assert (tmp_path / "made.tsv").read_bytes() == relmat.read_bytes()


def test_that_20_connections_are_the_same_20_everywhere(live: MainWindow, qtbot: Any) -> None:
    matrix_view, session = view_of(live, "explain", MatrixView, qtbot), live.session
    row = matrix_view.threshold
    row.way_box.setCurrentIndex(row.way_box.findData("count"))
    row.way_box.activated.emit(row.way_box.currentIndex())
    row.count_box.setFocus()
    row.count_box.selectAll()
    qtbot.keyClicks(row.count_box, "20")
    qtbot.keyClick(row.count_box, Key.Key_Return)
    expected = strongest_edges(connectivity(session), count=20).pairs()
    shown = shown_connections(session)
    assert shown is not None
    assert shown.edges.pairs() == expected
    assert matrix_view.canvas.content is not None
    assert matrix_view.canvas.content.shown == expected
    ring = view_of(live, "explain", RingView, qtbot)
    assert ring.canvas.content is not None
    assert ring.canvas.content.edges.pairs() == expected
    table = view_of(live, "explain", ConnectionsView, qtbot)
    assert table.proxy.rowCount() == 20
    twin = ring.as_table()
    assert twin is not None
    assert len(twin.rows) == 20
    assert "20 of 90525 connections" in ring.sentence()
    session.history.stack.undo()
    assert matrix_view.canvas.content.shown is None


def test_that_a_threshold_by_value_is_kept_for_each_unit(session: Session, qtbot: Any) -> None:
    view = RingView(session)
    qtbot.addWidget(view)
    session.change("Threshold", "plots", threshold=0.45)
    shown = shown_connections(session)
    assert shown is not None
    assert np.abs(shown.edges.value).min() >= 0.45
    assert shown.over == (np.abs(np.triu(connectivity(session), 1)) >= 0.45).sum()
    session.set_display(matrix="scan")
    other = shown_connections(session)
    assert other is not None
    assert other.unit == "log-odds"
    assert not other.thresholded
    scale = view.canvas.content.scale if view.canvas.content is not None else None
    assert scale is other.scale


def test_that_gram_is_titled_and_never_on_a_signed_bar(session: Session, qtbot: Any) -> None:
    opened = case_of(session)
    assert opened.case.connectome is not None
    raw = 1e4 * np.abs(connectivity(session)) + 5.0
    gram = replace(opened.case.connectome, kind="gram", matrix=frozen(raw))
    view = MatrixView(session)
    qtbot.addWidget(view)
    session.show_case(replace(opened, case=replace(opened.case, connectome=gram)))
    assert view.title_label.text() == "Gram, raw units"
    assert "from 0 to" in view.bar.accessibleDescription()
    assert " r," not in view.cell_text(3, 9)


# ring, tables, networks --------------------------------------------------------------


def test_that_a_curve_and_a_row_select_the_connection_everywhere(
    live: MainWindow, qtbot: Any
) -> None:
    session = live.session
    session.change("Threshold", "plots", edge_count=12)
    ring = view_of(live, "explain", RingView, qtbot)
    content = ring.canvas.content
    assert content is not None
    qtbot.mouseClick(ring.canvas, LEFT, pos=ring.canvas.edge_point(0).toPoint())
    assert session.edge in content.edges.pairs()
    ring.canvas.setFocus()
    qtbot.keyClick(ring.canvas, Key.Key_Right)
    qtbot.keyClick(ring.canvas, Key.Key_Return)
    chosen = session.edge
    table = view_of(live, "explain", ConnectionsView, qtbot)
    assert table.rows.edge(table.proxy.mapToSource(table.table.currentIndex()).row()) == chosen
    at = table.table.visualRect(table.proxy.index(2, 1)).center()
    qtbot.mouseClick(table.table.viewport(), LEFT, pos=at)
    assert session.edge == content.edges.pairs()[2]
    table.search.setFocus()
    signals = case_of(session).case.signals
    assert signals is not None
    word = signals.parcel_names[content.edges.pairs()[4][1]].replace("_", " ")
    qtbot.keyClicks(table.search, word)
    assert 1 <= table.proxy.rowCount() < 12


def test_that_the_selected_connection_is_drawn_also_where_it_is_none_of_the_strongest(
    session: Session, qtbot: Any
) -> None:
    session.change("Threshold", "plots", edge_count=12)
    ring = RingView(session)
    qtbot.addWidget(ring)
    ring.resize(500, 500)
    ring.show()
    content = ring.canvas.content
    assert content is not None
    pair = (5, 250)
    assert pair not in content.edges.pairs()
    session.select_parcel(pair[0])
    before = _yellow(ring)
    session.select_edge(*pair)
    assert ring.canvas.selected_beside() == pair
    assert _yellow(ring) > before + 200
    assert "not one of the connections shown" in ring.read_out.full_text()
    assert len(content.edges) == 12
    session.select_edge(*content.edges.pairs()[0])
    assert ring.canvas.selected_beside() is None
    assert "not one of" not in ring.read_out.full_text()


def _yellow(ring: RingView) -> int:
    """Pixels of the colour that marks what is selected."""
    image = ring.canvas.grab().toImage()
    colours = (
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    )
    return sum(colour == "#ffeb3b" for colour in colours)


def test_that_networks_keep_signs_apart_and_are_selected(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "explain", NetworksView, qtbot), live.session
    found = case_of(session).attribution
    table = view.as_table()
    assert found is not None
    assert table is not None
    total = sum(row[3] + row[4] for row in table.rows)  # type: ignore[operator]
    assert total == pytest.approx(float(np.sum(found.scan.per_parcel)))
    assert all(row[3] >= 0.0 >= row[4] for row in table.rows)  # type: ignore[operator]
    qtbot.mouseClick(view.bars, LEFT, pos=view.bars.row_middle("Somatomotor").toPoint())
    assert session.state.selection.network == "Somatomotor"
    assert "Somatomotor: L" in view.sentence()
    view.bars.setFocus()
    qtbot.keyClick(view.bars, Key.Key_Down)
    assert session.state.selection.network == "Dorsal Attention"
    motion = view_of(live, "check", MotionView, qtbot)
    assert motion._carpet is not None
    assert motion._carpet.network_box.isVisible()


def test_that_one_parcel_lights_up_in_every_plot(live: MainWindow, qtbot: Any) -> None:
    session = live.session
    views = {
        kind: view_of(live, "explain", kind, qtbot)
        for kind in (MatrixView, RingView, TimeSeriesView, RegionsView)
    }
    motion = view_of(live, "check", MotionView, qtbot)
    session.select_parcel(211)
    opened = case_of(session)
    assert opened.case.signals is not None
    matrix, ring = views[MatrixView], views[RingView]
    assert isinstance(matrix, MatrixView)
    assert isinstance(ring, RingView)
    assert matrix.canvas.selected == 211
    assert ring.canvas._parcel == 211
    series = views[TimeSeriesView]
    assert isinstance(series, TimeSeriesView)
    assert series._traces[0].key == "parcel:211"
    np.testing.assert_array_equal(series._traces[0].raw, opened.case.signals.raw[:, 211])
    regions = views[RegionsView]
    table = regions.as_table()
    assert table is not None
    at = dict(zip(table.columns, table.rows[211], strict=True))
    assert at["region"] == opened.case.signals.parcel_names[211]
    assert opened.attribution is not None
    assert at["(b) whole scan, log-odds"] == opened.attribution.scan.per_parcel[211]
    assert str(at["region"]).replace("_", " ") in regions.sentence()
    row = motion._row_line
    assert row is not None
    assert opened.view.carpet_rows is not None
    assert opened.view.carpet_rows[int(row.value())] == 211


def test_that_unstable_connections_leave_the_lists_or_are_dashed(
    session: Session, qtbot: Any
) -> None:
    opened = case_of(session)
    session.set_display(matrix="scan")
    session.change("Threshold", "plots", edge_count=10)
    shown = shown_connections(session)
    assert shown is not None
    assert shown.unstable is None
    first, second = shown.edges.pairs()[3]
    steady = np.ones_like(shown.matrix)
    steady[first, second] = steady[second, first] = 0.2
    health = ExplanationHealth((), np.ones(426), frozen(steady), (), (), "", ())
    ring, table = RingView(session), ConnectionsView(session)
    for view in (ring, table):
        qtbot.addWidget(view)
    session.show_case(replace(opened, case=replace(opened.case, health=health)))
    assert table.rows.rowCount() == 10
    assert table.rows.row_of((first, second)) is None
    assert ring.canvas.content is not None
    assert (first, second) not in ring.canvas.content.edges.pairs()
    session.change("Hatched in the lists", "explain", show_unstable=True)
    row = table.rows.row_of((first, second))
    assert row is not None
    assert row >= 3  # those of opposite sign in (a) and (b) are listed as well
    assert ring.canvas.content.unstable is not None
    assert ring.canvas.content.unstable[row]
    twin = ring.as_table()
    assert twin is not None
    assert twin.rows[row][-1] == "unstable"
    assert {row[-1] for row in twin.rows} <= {"unstable", "stable", "signs differ"}
