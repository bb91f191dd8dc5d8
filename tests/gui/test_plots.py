"""Matrix, ring, tables, networks, carpet and time series, tried by hand in the real window."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QLabel, QTabWidget, QWidget

from app.connectome.connectivity import pearson_connectivity
from app.connectome.orders import ORDERS, strongest_edges
from app.core.arrays import frozen
from app.core.colours import SignedScale
from app.core.explanation_health import ExplanationHealth
from app.core.request import AnalysisRequest
from app.core.results import CENSORED, Outcome
from app.gui.connections import shown_connections
from app.gui.main_window.window import MainWindow
from app.gui.opened_maps import OpenedMap, ScanVolumes
from app.gui.session import OpenCase, ScanPreview, Session
from app.gui.traces import spectrum
from app.gui.view_state import Layer
from app.gui.views import (
    CardView,
    ConnectionsView,
    GatesView,
    MatrixView,
    MotionView,
    NetworksView,
    RegionsView,
    RingView,
    SlicesView,
    TimeSeriesView,
)
from app.gui.widgets.ring_canvas import curve_colours
from app.gui.widgets.view import View
from app.preprocessing.cleaning import clean_series, good_frames
from app.preprocessing.presets import find_preset
from app.preprocessing.quality import judge_known
from app.study.case_store import write_case
from tests.sample_case import FIRST_FRAME, FRAMES, sample_case, sample_view_files

Key = Qt.Key
Shown = TypeVar("Shown", bound=View)
LEFT = Qt.MouseButton.LeftButton
SPIKE = 50 - FIRST_FRAME  # row of volume 50


@pytest.fixture(scope="module")
def live_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that was cleaned by the recipe's own cleaning, with a spike at volume 50."""
    case, rng = sample_case(Outcome.RESULT), np.random.default_rng(5)
    assert case.signals is not None
    signals, preset = case.signals, find_preset(case.signals.preset)
    names = [name for name in preset.regressors if name not in signals.confounds]
    confounds = {**signals.confounds, **{n: frozen(rng.normal(size=FRAMES)) for n in names}}
    moved, jumped = (np.array(confounds[n]) for n in ("framewise_displacement", "std_dvars"))
    moved[SPIKE], jumped[SPIKE] = 2.4, 4.2
    confounds |= {"framewise_displacement": frozen(moved), "std_dvars": frozen(jumped)}
    confounds["dvars"] = frozen(30.0 * jumped)
    raw = np.array(signals.raw)
    raw[SPIKE] *= 1.06
    good = good_frames(confounds, preset)
    made = clean_series(raw, confounds, good, 2.0, preset)
    connectome = pearson_connectivity(made.values, good)
    signals = replace(
        signals,
        raw=frozen(raw),
        cleaned=frozen(made.values),
        good_frames=frozen(good),
        confounds=confounds,
        residual_degrees_of_freedom=made.residual_degrees_of_freedom,
    )
    quality = judge_known(
        {
            "mean_fd_power_mm": float(np.nanmean(moved)),
            "flagged_percent": 100.0 * float(1.0 - good.mean()),
            "usable_time_s": 2.0 * float(good.sum()),
            "frames": float(FRAMES),
            "residual_degrees_of_freedom": made.residual_degrees_of_freedom,
        }
    )
    case = replace(
        case, case_id="5a3c0de00000000a", signals=signals, quality=quality, connectome=connectome
    )
    files = sample_view_files()
    before = np.array(files["view/carpet_before.npy"])
    before[:, SPIKE] += 4.0
    place = tmp_path_factory.mktemp("live")
    return write_case(case, place, files={**files, "view/carpet_before.npy": before})


@pytest.fixture
def live(window: MainWindow, live_folder: Path, qtbot: Any) -> MainWindow:
    window.actions_.censoring.reader.inline = True
    window.actions_.open_path(live_folder)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window


def view_of(window: MainWindow, step: str, kind: type[Shown], qtbot: Any) -> Shown:
    """A view of a page, brought to the front where it stands behind a tab."""
    window.show_step(step)
    found = window.page(step).findChild(kind)
    assert found is not None
    inside = found.parentWidget()
    while inside is not None and not isinstance(inside, QTabWidget):
        inside = inside.parentWidget()
    if inside is not None:
        inside.setCurrentWidget(found)
    qtbot.wait(30)
    return found  # type: ignore[no-any-return]


def case_of(session: Session) -> OpenCase:
    assert session.case is not None
    return session.case


def connectivity(session: Session) -> Any:
    connectome = case_of(session).case.connectome
    assert connectome is not None
    return np.asarray(connectome.matrix)


def click_frame(view: MotionView | TimeSeriesView, frame: float, qtbot: Any) -> None:
    at = view.mouse.point_of(frame).toPoint()
    qtbot.mouseClick(view.graphics.viewport(), LEFT, pos=at)


def drag_frames(
    view: MotionView | TimeSeriesView,
    first: float,
    last: float,
    qtbot: Any,
    modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    viewport = view.graphics.viewport()
    ends = [view.mouse.point_of(frame).toPoint() for frame in (first, last)]
    qtbot.mousePress(viewport, LEFT, modifier, ends[0])
    qtbot.mouseMove(viewport, QPoint((ends[0].x() + ends[1].x()) // 2, ends[0].y()))
    qtbot.mouseMove(viewport, ends[1])
    qtbot.mouseRelease(viewport, LEFT, modifier, ends[1])


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
    words = view.read_out.full_text()
    for parcel in cell:
        assert signals.parcel_names[parcel].replace("_", " ") in words
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


# carpet ------------------------------------------------------------------------------


def test_that_a_spike_at_volume_50_is_seen_in_all_traces(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    click_frame(view, SPIKE, qtbot)
    assert session.frame == SPIKE
    assert "volume 50 in the file (first = 0)" in view.read_out.full_text()
    assert all(cursor.value() == SPIKE for cursor in view._cursors)
    table = view.as_table()
    assert table is not None
    at = dict(zip(table.columns, table.rows[SPIKE], strict=True))
    assert at["volume (first = 0)"] == 50
    for name in ("FD, mm", "std. DVARS", "DVARS"):
        column = [row[table.columns.index(name)] for row in table.rows]
        assert np.nanargmax(np.array(column, dtype=float)) == SPIKE
    steady = np.array([row[table.columns.index("tSNR over 11 volumes")] for row in table.rows])
    assert abs(int(np.argmin(steady.astype(float))) - SPIKE) <= 5
    assert at["used"] == "flagged"
    pictures = []
    for keys in (Key.Key_Home, Key.Key_End):  # before, after cleaning
        view.share.setFocus()
        qtbot.keyClick(view.share, keys)
        assert view._carpet is not None
        pictures.append(np.array(view._carpet.image.image))
    assert session.state.plots.carpet_share == 1.0
    before, after = (picture.mean(axis=0) for picture in pictures)
    assert np.argmax(before) == SPIKE
    assert np.argmax(after) != SPIKE


def test_that_a_gate_leads_to_its_frames(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", GatesView, qtbot), live.session
    rows = {
        view.table.item(row, 1).data(Qt.ItemDataRole.UserRole): row
        for row in range(view.table.rowCount())
    }
    signals = case_of(session).case.signals
    assert signals is not None
    unused = np.flatnonzero(~np.asarray(signals.good_frames))

    def click(name: str) -> None:
        at = view.table.visualItemRect(view.table.item(rows[name], 1)).center()
        qtbot.mouseClick(view.table.viewport(), LEFT, pos=at)

    click("mean_fd_power_mm")
    assert session.frame == SPIKE
    click("flagged_percent")
    assert session.frame == unused[unused > SPIKE][0]
    click("frames")  # is about no single frame
    assert session.frame == unused[unused > SPIKE][0]


def test_that_a_drag_leaves_frames_out_and_everything_follows(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    original = case_of(session)
    assert original.case.signals is not None
    assert original.case.prediction is not None
    matrix, noted = connectivity(session).copy(), session.state.review
    drag_frames(view, 100, 129, qtbot)
    first, last = session.state.selection.frames or (0, 0)
    assert abs(first - 100) <= 1
    assert abs(last - 129) <= 1
    out = tuple(range(first + FIRST_FRAME, last + FIRST_FRAME + 1))
    assert session.state.review.censored == out
    now = case_of(session)
    signals, preset = now.case.signals, find_preset(original.case.signals.preset)
    assert signals is not None
    good = np.array(original.case.signals.good_frames)
    good[first : last + 1] = False
    np.testing.assert_array_equal(signals.good_frames, good)
    raw, confounds = np.asarray(signals.raw), signals.confounds
    again = clean_series(raw, confounds, good, 2.0, preset)
    expected = pearson_connectivity(again.values, good).matrix
    np.testing.assert_array_equal(connectivity(session), expected)
    assert not np.array_equal(matrix, expected)
    metrics = {m.name: m.value for m in now.case.quality.metrics} if now.case.quality else {}
    assert metrics["usable_time_s"] == 2.0 * good.sum()
    gates = view_of(live, "check", GatesView, qtbot)
    shown = [gates.table.item(row, 1).text() for row in range(gates.table.rowCount())]
    assert any(f"{2.0 * good.sum():.0f}" in text for text in shown)
    # no number is kept, nowhere
    assert now.is_edited
    assert now.attribution is None
    assert now.case.prediction is not None
    assert now.case.prediction.probability is None
    card = view_of(live, "predict", CardView, qtbot)
    assert "71" not in " ".join(label for label in _texts(card))
    assert "Stale" in " ".join(_texts(card))
    # undo brings all back
    session.history.stack.undo()
    assert session.state.review == noted
    assert case_of(session) is original
    np.testing.assert_array_equal(connectivity(session), matrix)
    session.history.stack.redo()
    assert case_of(session).is_edited


def _texts(view: QWidget) -> list[str]:
    labels = [label for label in view.findChildren(QLabel) if not label.isHidden()]
    return [text for label in labels for text in (label.text(), label.toolTip())]


def test_that_shift_drag_selects_and_x_leaves_out_and_takes_back(
    live: MainWindow, qtbot: Any
) -> None:
    view, session = view_of(live, "check", MotionView, qtbot), live.session
    drag_frames(view, 40, 60, qtbot, Qt.KeyboardModifier.ShiftModifier)
    assert session.state.selection.frames is not None
    assert session.state.review.censored == ()
    assert not case_of(session).is_edited
    view.setFocus()
    qtbot.keyClick(view, Key.Key_X)
    first, last = session.state.selection.frames
    assert session.state.review.censored == tuple(
        range(first + FIRST_FRAME, last + FIRST_FRAME + 1)
    )
    assert "left out by hand" in view.frame_text(first)
    assert view.censor_bar.isVisible()
    assert f"{first + FIRST_FRAME}–{last + FIRST_FRAME}" in view.censor_bar.words.full_text()
    assert "usable" in view.censor_bar.gates.full_text()
    qtbot.keyClick(view, Key.Key_X)
    assert session.state.review.censored == ()
    assert not case_of(session).is_edited
    assert view.frame_text(SPIKE).count("flagged")  # the recipe's own flag stays


def test_that_a_run_with_edited_frames_asks_for_them(
    live: MainWindow, worker: Any, tmp_path: Path, qtbot: Any
) -> None:
    view, session, actions = view_of(live, "check", MotionView, qtbot), live.session, live.actions_
    session.change("Leave out", "review", censored=(70, 71))
    view.censor_bar.again.click()
    assert any("frames are kept" in text for text in _texts(live.errors))
    scan = tmp_path / "scan.nii.gz"
    scan.write_bytes(b"there")
    sha256 = case_of(session).case.scan.sha256
    actions.requests[sha256] = AnalysisRequest(scan, tmp_path, research=True)
    view.censor_bar.again.click()
    asked = actions.requests[sha256]
    assert asked.censored_frames == (70, 71)
    assert asked.research
    qtbot.waitUntil(lambda: any(job.name == "analyse" for job in worker.jobs))
    actions.cancel_all()


def test_that_a_case_made_without_frames_opens_in_step(live: MainWindow, live_folder: Path) -> None:
    opened = OpenCase.read(live_folder)
    assert opened.case.provenance is not None
    told = {**opened.case.provenance.parameters, CENSORED: [70, 71]}
    provenance = replace(opened.case.provenance, parameters=told)
    scan = replace(opened.case.scan, sha256="ab" * 32)
    case = replace(opened.case, provenance=provenance, scan=scan)
    session = live.session
    session.show_case(replace(opened, case=case))
    assert session.state.review.censored == (70, 71)
    assert not case_of(session).is_edited
    session.change("Take back", "review", censored=())
    assert case_of(session).is_edited
    signals = case_of(session).case.signals
    assert signals is not None
    assert signals.good_frames[70 - FIRST_FRAME]


def test_that_no_summary_of_edited_frames_leaves_the_window(
    live: MainWindow, tmp_path: Path
) -> None:
    live.session.change("Leave out", "review", censored=(70, 71))
    live.actions_.export_pdf(tmp_path / "summary.pdf")
    assert not (tmp_path / "summary.pdf").exists()
    assert live.errors.isVisible()


# time series -------------------------------------------------------------------------


def test_that_frames_are_selected_in_the_time_series(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "explain", TimeSeriesView, qtbot), live.session
    drag_frames(view, 40, 60, qtbot)
    first, last = session.state.selection.frames or (0, 0)
    assert abs(first - 40) <= 2
    assert abs(last - 60) <= 2
    assert session.state.review.censored == ()  # only the carpet leaves out
    low, high = view._ranges[0].getRegion()
    assert (low, high) == (first - 0.5, last + 0.5)
    click_frame(view, 120, qtbot)
    assert abs(session.frame - 120) <= 1
    assert session.state.selection.frames is None
    assert not view._ranges[0].isVisible()
    assert all(cursor.value() == session.frame for cursor in view._cursors)


def test_that_the_series_map_is_drawn_for_the_selected_frames(live: MainWindow, qtbot: Any) -> None:
    session = live.session
    slices = view_of(live, "explain", SlicesView, qtbot)
    session.set_display(overlay="series")
    assert slices.overlay is not None
    whole = slices.overlay.values.copy()
    session.select_frames(40, 60)
    found = case_of(session).attribution
    assert found is not None
    frames = np.asarray(found.branches.per_parcel_frame)
    np.testing.assert_allclose(slices.overlay.values, frames[:, 40:61].sum(axis=1))
    assert "volumes 44 to 64" in slices.overlay.title
    session.select_frames(frames.shape[1] - 5, FRAMES - 1)  # the model read fewer frames
    np.testing.assert_allclose(slices.overlay.values, frames[:, -5:].sum(axis=1))
    session.select_frames(frames.shape[1], FRAMES - 1)
    assert "not read by the model" in slices.overlay.title
    session.select_only_frame(3)
    np.testing.assert_array_equal(slices.overlay.values, whole)


def test_that_held_traces_stay_and_their_spectrum_is_right(live: MainWindow, qtbot: Any) -> None:
    view, session = view_of(live, "explain", TimeSeriesView, qtbot), live.session
    session.select_parcel(3)
    view.graphics.setFocus()
    qtbot.keyClick(view.graphics, Key.Key_T)
    session.select_parcel(9)
    qtbot.keyClick(view.graphics, Key.Key_T)
    session.select_parcel(30)
    assert [trace.key for trace in view._traces] == ["parcel:30", "parcel:3", "parcel:9"]
    assert len(view._curves) == 6
    qtbot.mouseClick(view.percent_box, LEFT)
    session.change("Time or spectrum", "plots", series="spectrum")
    table = view.as_table()
    assert table is not None
    assert table.columns[0] == "frequency, Hz"
    assert table.rows[-1][0] == pytest.approx(0.25)
    session.history.stack.undo()
    session.select_parcel(9)
    qtbot.keyClick(view.graphics, Key.Key_T)  # again lets it go
    assert session.state.plots.held == ("parcel:3",)


def run_file(folder: Path, frames: int) -> Path:
    """A run of unequal sides whose every voxel has a series of its own."""
    import nibabel

    data = np.random.default_rng(8).integers(200, 3000, (7, 8, 9, frames)).astype(np.int16)
    image = nibabel.Nifti1Image(data, np.diag([3.0, 3.5, 4.0, 1.0]))
    image.header.set_slope_inter(1.5, -20.0)
    nibabel.save(image, folder / "run.nii.gz")
    return folder / "run.nii.gz"


def test_that_three_voxels_and_a_mask_are_exported_as_nibabel_reads_them(
    window: MainWindow, tmp_path: Path, qtbot: Any
) -> None:
    import nibabel

    session, frames = window.session, 33
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    image = nibabel.load(run_file(tmp_path, frames))
    stored, affine = np.asarray(image.dataobj.get_unscaled()), frozen(np.asarray(image.affine))
    scan = replace(sample_case().scan, shape=(7, 8, 9, frames), affine=affine)
    volumes = ScanVolumes(scan.sha256, stored, affine, 1.5, -20.0)
    session.show_preview(ScanPreview(tmp_path, scan, (), volumes.volume(3)))
    session.show_volumes(volumes)
    mask = np.zeros((7, 8, 9))
    mask[2:5, 3, 4:6] = 1.0
    session.maps.add(OpenedMap("cd" * 32, "roi.nii.gz", "scanner", mask, "", "mask"))
    layer = Layer("roi", "file:" + "cd" * 32)
    session.change("Add layer", "slices", layers=(layer,))
    view = view_of_native(window, qtbot)
    view.reader.inline = True
    voxels = ((1, 2, 3), (6, 0, 8), (3, 7, 5))
    for voxel in voxels:
        x, y, z = (float(value) for value in affine[:3, :3] @ np.array(voxel) + affine[:3, 3])
        session.select_native_point((x, y, z))
        view.graphics.setFocus()
        qtbot.keyClick(view.graphics, Key.Key_T)
    view.hold_mask()
    assert len(session.state.plots.held) == 4
    view.export_to(tmp_path / "traces.tsv")
    header, *lines = (tmp_path / "traces.tsv").read_text().splitlines()
    rows = zip(*(line.split("\t") for line in lines), strict=True)
    columns = dict(zip(header.split("\t"), rows, strict=True))
    whole = image.get_fdata()
    for i, j, k in voxels:
        found = np.array(columns[f"voxel {i},{j},{k}, raw"], dtype=float)
        np.testing.assert_allclose(found, whole[i, j, k], rtol=1e-12)
    inside = np.array(columns["mask roi.nii.gz, raw"], dtype=float)
    np.testing.assert_allclose(inside, whole[mask > 0].mean(axis=0), rtol=1e-9)
    assert [int(v) for v in columns["volume"]] == list(range(frames))
    assert float(columns["time_s"][3]) == 6.0
    session.change("Percent", "plots", percent=True)
    drawn = view._points(view._traces[0])["raw"][1]
    held = view._traces[0].raw
    np.testing.assert_allclose(drawn, 100 * (held / held.mean() - 1))


def view_of_native(window: MainWindow, qtbot: Any) -> TimeSeriesView:
    """The time series beside the scan as it lies in the scanner."""
    found = view_of(window, "load", TimeSeriesView, qtbot)
    assert found.native
    return found


def test_that_the_template_crosshair_finds_its_voxel(live_folder: Path, qapp: Any) -> None:
    opened = OpenCase.read(live_folder)
    affine = np.array([[1.0, 0, 0, 4], [0, -1, 0, 6], [0, 0, 2, -8], [0, 0, 0, 1]])
    field = np.zeros((4, 5, 6, 3))
    field[..., 0] = np.arange(4.0)[:, None, None]
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    opened.__dict__["_to_scanner"] = (affine, field, grid)
    # at x = 3 mm, halfway between columns 1 and 2 of the field, which moves by 1.5 mm
    assert opened.scanner_point((3.0, 2.0, 4.0)) == pytest.approx((3 + 1.5 + 4, -2 + 6, 8 - 8))
    assert opened.scanner_point((300.0, 2.0, 4.0)) == pytest.approx((304, 4, 0))


def test_that_a_sine_shows_its_amplitude_at_its_frequency() -> None:
    seconds = np.arange(200) * 2.0
    frequency, amplitude = spectrum(7.0 + 3.0 * np.sin(2 * np.pi * 0.05 * seconds), 2.0)
    assert frequency[np.argmax(amplitude)] == pytest.approx(0.05)
    assert amplitude.max() == pytest.approx(3.0, rel=0.02)


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
    session.change("Unstable in the lists", "explain", show_unstable=True)
    assert ring.canvas.content.unstable is not None
    assert np.flatnonzero(ring.canvas.content.unstable).tolist() == [3]
    twin = ring.as_table()
    assert twin is not None
    assert twin.rows[3][-1] == "unstable"
    assert table.rows.row_of((first, second)) == 3


@pytest.mark.parametrize("dark", [True, False])
def test_that_curves_keep_sign_and_order_and_stand_off_the_panel(dark: bool) -> None:
    panel = np.array([26, 32, 39] if dark else [255, 255, 255]) / 255.0
    values = np.array([-2.0, -0.6, -0.01, 0.01, 0.6, 2.0])  # the outer ones are clipped
    found = curve_colours(values, SignedScale(1.0, 0.0), dark=dark) / 255.0
    red, blue = found[:, 0], found[:, 2]
    assert (red[values > 0] > blue[values > 0]).all()
    assert (blue[values < 0] > red[values < 0]).all()

    def luminance(colour: Any) -> Any:
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        return linear @ np.array([0.2126, 0.7152, 0.0722])

    high = np.maximum(luminance(found), luminance(panel))
    low = np.minimum(luminance(found), luminance(panel))
    assert ((high + 0.05) / (low + 0.05)).min() >= 3.0
