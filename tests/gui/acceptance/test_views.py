"""One selection, one threshold, one history: moved by the hand in one view, seen in all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QFileDialog, QListView, QSlider, QWidget

from app.core.arrays import frozen
from app.core.results import Connectome
from app.gui.connections import shown_connections
from app.gui.main_window.window import MainWindow
from app.gui.view_state import Selection
from app.gui.views import (
    MatrixView,
    MotionView,
    NetworksView,
    RegionsView,
    RingView,
    SlicesView,
    SummaryView,
    SurfaceView,
    TimeSeriesView,
)
from app.models.bundle import load_bundle
from app.study.case_store import read_case
from tests.live_case import LEFT, Key, case_of, drag_frames, view_of

CTRL = Qt.KeyboardModifier.ControlModifier


def surface_of(window: MainWindow, qtbot: Any) -> SurfaceView:
    view = view_of(window, "explain", SurfaceView, qtbot)
    view.load_now()
    assert view.canvas.scene is not None
    return view


def pick(box: QComboBox, key: str, qtbot: Any) -> None:
    """Choose an entry by the keyboard, as one who does not open the list."""
    wanted, now = box.findData(key), box.currentIndex()
    assert wanted >= 0
    box.setFocus()
    for _ in range(abs(wanted - now)):
        qtbot.keyClick(box, Key.Key_Down if wanted > now else Key.Key_Up)


def slide(slider: QSlider, steps: int, qtbot: Any) -> None:
    slider.setFocus()
    for _ in range(abs(steps)):
        qtbot.keyClick(slider, Key.Key_PageUp if steps > 0 else Key.Key_PageDown)


# row 5 -----------------------------------------------------------------------------------------


def test_that_a_typed_place_moves_slices_3d_and_time_series(live: MainWindow, qtbot: Any) -> None:
    """Row 5: typed millimetres move all views, 3D and traces too; copy names place and region."""
    session = live.session
    slices, surface = view_of(live, "explain", SlicesView, qtbot), surface_of(live, qtbot)
    series = view_of(live, "explain", TimeSeriesView, qtbot)
    drawn = surface.canvas.rendered
    qtbot.keyClicks(slices.place.field, "-4 26 40")
    qtbot.keyClick(slices.place.field, Key.Key_Return)
    assert {c.voxel for c in slices.stage.canvases.values()} == {(46.0, 79.0, 59.0)}
    parcel = session.parcel
    assert parcel is not None
    assert parcel == case_of(session).parcel_at((-4.0, 26.0, 40.0))
    signals = case_of(session).case.signals
    assert signals is not None
    assert series._traces[0].key == f"parcel:{parcel}"
    np.testing.assert_array_equal(series._traces[0].raw, signals.raw[:, parcel])
    qtbot.waitUntil(lambda: surface.canvas.rendered > drawn)
    scene = surface.canvas.scene
    assert scene is not None
    ends = np.reshape(scene._cursor.data.GetBounds(), (3, 2))  # of the cross in the template
    np.testing.assert_allclose(ends.mean(axis=1), (-4.0, 26.0, 40.0), atol=0.01)
    qtbot.mouseClick(slices.copy, LEFT)
    copied = QGuiApplication.clipboard().text()
    name = signals.parcel_names[parcel].replace("_", " ").removesuffix(" L")
    for words in ("L 4.0 A 26.0 S 40.0 mm (MNI152NLin2009cAsym)", "voxel 46,79,59", name):
        assert words in copied


# row 10 ----------------------------------------------------------------------------------------


def test_that_the_exported_matrix_is_what_the_model_read(
    window: MainWindow, analysed: Path, tmp_path: Path, qtbot: Any, monkeypatch: Any
) -> None:
    """Row 10: four orders, hover names both regions; the TSV gives the model the same answer."""
    window.actions_.open_path(analysed)
    view = view_of(window, "explain", MatrixView, qtbot)
    view.reader.inline = True
    case = read_case(analysed)
    assert case.signals is not None
    assert case.connectome is not None
    assert case.prediction is not None
    assert case.quality is not None
    orders = []
    for order in ("network", "cluster", "anatomical", "atlas"):
        pick(view.order_box, order, qtbot)
        content = view.canvas.content
        assert content is not None
        orders.append(tuple(content.order))
        square = view.canvas.square()
        at = QPointF(
            square.left() + 0.2 * square.width(), square.top() + 0.7 * square.height()
        ).toPoint()
        qtbot.mouseMove(view.canvas, QPoint(1, 1))
        qtbot.mouseMove(view.canvas, at)
        cell = view.canvas.cell_at(QPointF(at))
        assert cell is not None
        names = [case.signals.parcel_names[parcel].replace("_", " ") for parcel in cell]
        # the screen tells of the moved pointer a little later than the test does
        said = view.read_out.full_text
        qtbot.waitUntil(lambda said=said, names=names: all(name in said() for name in names))
    assert len(set(orders)) == 4
    target = tmp_path / "matrix.tsv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(target), ""))
    pick(view.order_box, "anatomical", qtbot)
    view.key_actions["export"].trigger()
    header, *lines = target.read_text().splitlines()
    read = np.array([[float(cell) for cell in line.split("\t")] for line in lines])
    assert tuple(header.split("\t")) == case.signals.parcel_names
    again = load_bundle("simulated-demo").predict(
        case.signals, Connectome(case.connectome.kind, frozen(read), case.connectome.frame_count),
        case.participant, case.scan, case.quality, findings=case.findings, device="cpu",
    )  # fmt: skip
    assert case.prediction.log_odds is not None
    assert again.log_odds == case.prediction.log_odds


# row 11 ----------------------------------------------------------------------------------------


def test_that_20_typed_in_the_matrix_are_the_same_20_in_ring_and_3d(
    live: MainWindow, qtbot: Any
) -> None:
    """Row 11: 20 connections chosen in the matrix; ring and glass brain draw those and no other."""
    matrix, session = view_of(live, "explain", MatrixView, qtbot), live.session
    row = matrix.threshold
    pick(row.way_box, "count", qtbot)
    row.count_box.setFocus()
    row.count_box.selectAll()
    qtbot.keyClicks(row.count_box, "20")
    qtbot.keyClick(row.count_box, Key.Key_Return)
    assert matrix.canvas.content is not None
    wanted = set(matrix.canvas.content.shown or ())
    assert len(wanted) == 20
    ring = view_of(live, "explain", RingView, qtbot)
    assert ring.canvas.content is not None
    assert set(ring.canvas.content.edges.pairs()) == wanted
    surface = surface_of(live, qtbot)
    pick(surface.shape_box, "glass", qtbot)
    scene = surface.canvas.scene
    assert scene is not None
    drawn = scene.connections
    assert drawn is not None
    pairs = zip(drawn.first[drawn.edges], drawn.second[drawn.edges], strict=True)
    assert {(int(a), int(b)) for a, b in pairs} == wanted
    shown = shown_connections(session)
    assert shown is not None
    assert "20 of 90525" in shown.words


# beyond 5 --------------------------------------------------------------------------------------


def test_that_a_parcel_clicked_in_3d_lights_up_everywhere_and_frames_redraw_its_map(
    live: MainWindow, qtbot: Any
) -> None:
    """Beyond 5: a click in 3D marks slice, matrix row, ring and carpet row; frames 40-60 redraw
    the series map alone."""
    session, surface = live.session, surface_of(live, qtbot)
    kinds = (SlicesView, MatrixView, RingView, TimeSeriesView, RegionsView)
    views: dict[type, Any] = {kind: view_of(live, "explain", kind, qtbot) for kind in kinds}
    motion = view_of(live, "check", MotionView, qtbot)
    live.show_step("explain")
    session.select_parcel(0)
    surface.from_left()
    surface.canvas.draw_now()
    labels = case_of(session).view.surfaces["left"]
    outermost = int(np.argmin(np.where(labels.labels > 0, labels.pial_mm[:, 0], np.inf)))
    parcel = int(labels.labels[outermost]) - 1
    scene = surface.canvas.scene
    assert scene is not None
    x, y = scene.place_of(tuple(labels.pial_mm[outermost]))
    ratio = surface.canvas.devicePixelRatioF()
    qtbot.mouseClick(surface.canvas, LEFT, pos=QPointF(x / ratio, y / ratio).toPoint())
    assert session.parcel == parcel != 0
    opened = case_of(session)
    assert views[SlicesView].stage.content.selected == parcel
    assert opened.parcel_at(session.crosshair_mm) == parcel
    assert views[MatrixView].canvas.selected == parcel
    assert views[RingView].canvas._parcel == parcel
    assert views[TimeSeriesView]._traces[0].key == f"parcel:{parcel}"
    table = views[RegionsView]
    assert table.proxy.mapToSource(table.table.currentIndex()).row() == parcel
    assert motion._row_line is not None
    assert opened.view.carpet_rows is not None
    assert opened.view.carpet_rows[int(motion._row_line.value())] == parcel

    slices, found = views[SlicesView], opened.attribution
    assert found is not None
    pick(slices.overlay_box, "series", qtbot)
    whole = slices.overlay.values.copy()
    drag_frames(views[TimeSeriesView], 40, 60, qtbot)
    first, last = session.state.selection.frames or (0, 0)
    assert (abs(first - 40), abs(last - 60)) <= (2, 2)
    part = np.asarray(found.branches.per_parcel_frame)[:, first : last + 1].sum(axis=1)
    np.testing.assert_allclose(slices.overlay.values, part)
    assert not np.allclose(part, whole)
    assert surface.overlay is not None
    np.testing.assert_allclose(surface.overlay.values, part)
    pick(slices.overlay_box, "scan", qtbot)  # of the whole scan: frames do not cut it
    np.testing.assert_allclose(slices.overlay.values, found.scan.per_parcel)


# beyond 10 -------------------------------------------------------------------------------------


def test_that_entry_5_of_20_mixed_changes_brings_back_views_and_values(
    live: MainWindow, qtbot: Any
) -> None:
    """Beyond 10: 20 changes made by hand in many views; the list leads to any of them."""
    session = live.session
    slices = view_of(live, "explain", SlicesView, qtbot)
    surface = surface_of(live, qtbot)
    matrix = view_of(live, "explain", MatrixView, qtbot)
    series = view_of(live, "explain", TimeSeriesView, qtbot)
    networks = view_of(live, "explain", NetworksView, qtbot)
    motion = view_of(live, "check", MotionView, qtbot)
    summary = view_of(live, "report", SummaryView, qtbot)
    matrix.reader.inline = True
    stack, noted = session.history.stack, []

    def values() -> dict[str, Any]:
        connectome = case_of(session).case.connectome
        assert connectome is not None
        assert matrix.canvas.content is not None
        return {
            "state": replace(session.state, selection=Selection()),  # looking round is no change
            "matrix": np.asarray(connectome.matrix).tobytes(),
            "order": tuple(matrix.canvas.content.order),
            "shown": matrix.canvas.content.shown,
            "overlay": slices.overlay_box.currentData(),
            "threshold": slices.threshold.value(),
            "opacity": slices.opacity.value(),
            "bars": len([bar for bar in slices.bar_row.bars if bar.isVisibleTo(slices)]),
            "shape": surface.shape_box.currentData(),
            "spectrum": series.kind_box.currentData(),
            "percent": series.percent_box.isChecked(),
            "held": len(series._traces),
            "networks": networks.method_box.currentData(),
            "carpet": motion.share.value(),
            "left out": motion.censor_bar.words.full_text() * motion.censor_bar.isVisibleTo(motion),
            "comment": summary.comment.toPlainText(),
            "number": case_of(session).case.prediction.probability,  # type: ignore[union-attr]
        }

    def hold(parcel: int) -> None:
        session.select_parcel(parcel)
        series.graphics.setFocus()
        qtbot.keyClick(series.graphics, Key.Key_T)

    def press(view: QWidget, key: Any) -> None:
        view.setFocus()
        qtbot.keyClick(view, key)

    canvas = slices.stage.canvases["axial"]
    on: Callable[[str], None] = live.show_step
    changes: list[tuple[str, Callable[[], None]]] = [
        ("explain", lambda: pick(slices.overlay_box, "branches", qtbot)),
        ("explain", lambda: slide(slices.threshold, -2, qtbot)),
        ("explain", lambda: pick(matrix.order_box, "cluster", qtbot)),
        ("check", lambda: drag_frames(motion, 100, 120, qtbot)),
        ("explain", lambda: slide(slices.opacity, -3, qtbot)),
        ("explain", lambda: hold(11)),
        ("explain", lambda: pick(surface.shape_box, "inflated", qtbot)),
        ("check", lambda: slide(motion.share, -4, qtbot)),
        ("explain", lambda: pick(series.kind_box, "spectrum", qtbot)),
        ("report", lambda: qtbot.keyClicks(summary.comment, "Again.")),
        ("explain", lambda: press(canvas, Key.Key_S)),
        ("explain", lambda: qtbot.mouseClick(series.percent_box, LEFT)),
        ("explain", lambda: pick(matrix.threshold.way_box, "count", qtbot)),
        ("explain", lambda: press(canvas, Key.Key_O)),
        ("explain", lambda: press(canvas, Key.Key_L)),
        ("check", lambda: drag_frames(motion, 150, 160, qtbot)),
        ("explain", lambda: pick(surface.shape_box, "glass", qtbot)),
        ("explain", lambda: hold(200)),
        ("explain", lambda: pick(series.kind_box, "time", qtbot)),
        ("explain", lambda: pick(matrix.order_box, "anatomical", qtbot)),
    ]
    for step, change in changes:
        on(step)
        qtbot.wait(1)
        before = stack.count()
        change()
        session.end_merge()
        assert stack.count() == before + 1, stack.text(stack.count() - 1)
        noted.append(values())
    assert stack.count() == len(changes) == 20

    qtbot.keyClick(live, Key.Key_H, CTRL | Qt.KeyboardModifier.ShiftModifier)
    entries = live.history_dock.widget()
    assert isinstance(entries, QListView)
    assert entries.isVisible()
    for number in (5, 20, 1, 20):  # row 0 is the case as it was opened
        entries.scrollTo(entries.model().index(number, 0))
        at = entries.visualRect(entries.model().index(number, 0)).center()
        qtbot.mouseClick(entries.viewport(), LEFT, pos=at)
        assert stack.index() == number
        now, then = values(), noted[number - 1]
        assert {key for key in then if now[key] != then[key]} == set(), number
