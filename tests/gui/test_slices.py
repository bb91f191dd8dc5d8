"""Slices, layers, places, clusters and seed maps, by mouse and keyboard in the real window."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QApplication, QTabWidget

from app.core.progress import Progress
from app.gui.main_window.window import MainWindow
from app.gui.opened_maps import OpenedMap, ScanVolumes
from app.gui.scan_picture import scan_volumes
from app.gui.view_state.slices import SHARED, Layer
from app.gui.views import ClustersView, SlicesView
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.layer_stack import stack_of, toggle_layers
from app.gui.widgets.slice_canvas import SliceCanvas
from app.worker.map_jobs import export_map, open_maps, seed_map
from tests.gui.conftest import FakeWorker
from tests.sample_case import GRID_AFFINE

Key = Qt.Key
PCC_MM = (-4.0, -52.0, 26.0)


@pytest.fixture
def explain(window: MainWindow, case_folders: dict[str, Path], qtbot: Any) -> SlicesView:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    (view,) = window.page("explain").findChildren(SlicesView)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return view


def focused(view: SlicesView, qtbot: Any, plane: str = "axial") -> SliceCanvas:
    canvas = view.stage.canvases[plane]
    canvas.setFocus()
    qtbot.waitUntil(canvas.hasFocus)
    return canvas


def spot(view: SlicesView, plane: str, mm: tuple[float, float, float]) -> QPoint:
    voxel = np.linalg.solve(GRID_AFFINE, np.append(mm, 1.0))[:3]
    canvas = view.stage.canvases[plane]
    return canvas.point_of((voxel[0], voxel[1], voxel[2])).toPoint()


def add_map(view: SlicesView, name: str, values: np.ndarray) -> str:
    """A map as the worker answers it, laid over the picture."""
    session = view.session
    key = f"file:{name}"
    session.maps.add(OpenedMap(name, name, "MNI152NLin2009cAsym", values, "z", "map"))
    layers = (*session.state.slices.layers, Layer(key, key, name, top_share=1.0))
    session.change("Layer added", "slices", layers=layers)
    return key


# coordinates ---------------------------------------------------------------------------


def test_that_a_typed_place_moves_every_view_and_is_copied_whole(
    explain: SlicesView, window: MainWindow, qtbot: Any
) -> None:
    field = explain.place.field
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton)
    qtbot.keyClicks(field, "-4 26 40")
    qtbot.keyClick(field, Key.Key_Return)
    session = window.session
    assert session.crosshair_mm == (-4.0, 26.0, 40.0)
    assert session.case is not None
    assert session.parcel == session.case.parcel_at((-4.0, 26.0, 40.0))
    for canvas in explain.stage.canvases.values():
        assert canvas.voxel == (46.0, 79.0, 59.0)
    qtbot.mouseClick(explain.copy, Qt.MouseButton.LeftButton)
    copied = QGuiApplication.clipboard().text()
    assert "L 4.0 A 26.0 S 40.0 mm (MNI152NLin2009cAsym)" in copied
    assert "voxel 46,79,59 (first = 0)" in copied
    assert session.case.case.signals is not None
    assert session.parcel is not None
    assert session.case.case.signals.networks[session.parcel] in copied


def test_that_what_is_no_place_is_said_and_moves_nothing(explain: SlicesView, qtbot: Any) -> None:
    before = explain.session.crosshair_mm
    qtbot.keyClicks(explain.place.field, "here")
    qtbot.keyClick(explain.place.field, Key.Key_Return)
    assert explain.place.words.text() == "This is no place."
    assert explain.place.field.property("refused")
    assert explain.session.crosshair_mm == before


def test_that_places_keep_notes_and_are_saved_as_text(
    explain: SlicesView, tmp_path: Path, qtbot: Any
) -> None:
    explain.session.select_point(PCC_MM)
    explain.place.show_places()
    panel = explain.place.panel
    assert panel is not None
    qtbot.mouseClick(panel.keep, Qt.MouseButton.LeftButton)
    panel.table.item(0, 4).setText("watch this")
    explain.session.select_point((20.0, 0.0, 10.0))
    panel.table.setCurrentCell(0, 0)
    qtbot.mouseClick(panel.go, Qt.MouseButton.LeftButton)
    assert explain.session.crosshair_mm == PCC_MM
    assert panel.save_text(tmp_path / "places.tsv")
    lines = (tmp_path / "places.tsv").read_text().splitlines()
    assert lines[0].split("\t")[3:] == ["space", "region", "note"]
    assert lines[1].startswith("-4.0\t-52.0\t26.0\tMNI152NLin2009cAsym\t")
    assert lines[1].endswith("\twatch this")
    explain.session.history.stack.undo()
    assert panel.table.item(0, 4).text() == ""
    panel.close()


# mouse and keys ----------------------------------------------------------------------


def test_that_keys_move_step_and_switch_what_they_say(explain: SlicesView, qtbot: Any) -> None:
    session = explain.session
    session.select_point(PCC_MM)
    canvas = focused(explain, qtbot)
    x, y, z = session.crosshair_mm
    qtbot.keyClick(canvas, Key.Key_Right)  # radiological: the screen's right is the left
    assert session.crosshair_mm == (x - 2, y, z)
    qtbot.keyClick(canvas, Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert session.crosshair_mm == (x - 2, y + 10, z)
    qtbot.keyClick(canvas, Key.Key_PageUp)
    assert session.crosshair_mm == (x - 2, y + 10, z + 2)
    qtbot.keyClick(canvas, Key.Key_L)
    assert not session.display.secondary_letters
    qtbot.keyClick(canvas, Key.Key_O)
    assert not session.state.slices.shared.visible
    assert explain.stage.content is not None
    assert explain.stage.content.paints == ()
    qtbot.keyClick(canvas, Key.Key_O)
    assert session.state.slices.shared.visible
    qtbot.keyPress(canvas, Key.Key_Space)
    assert all(c.blink for c in explain.stage.canvases.values())
    qtbot.keyRelease(canvas, Key.Key_Space)
    assert not any(c.blink for c in explain.stage.canvases.values())
    session.select_point(PCC_MM)
    qtbot.keyClick(canvas, Key.Key_T)
    assert session.state.plots.held == (f"parcel:{session.parcel}",)
    frame = session.frame
    qtbot.keyClick(canvas, Key.Key_Period)
    qtbot.keyClick(canvas, Key.Key_Period)
    qtbot.keyClick(canvas, Key.Key_Comma)
    assert session.frame == frame + 1
    qtbot.keyClick(canvas, Key.Key_Return)
    assert [name for name, c in explain.stage.canvases.items() if c.isVisible()] == ["axial"]
    qtbot.keyClick(canvas, Key.Key_R)
    assert all(c.isVisible() for c in explain.stage.canvases.values())


def test_that_wheel_drag_and_shift_click_do_what_they_say(explain: SlicesView, qtbot: Any) -> None:
    session = explain.session
    session.select_point(PCC_MM)
    canvas = explain.stage.canvases["axial"]
    at = spot(explain, "axial", (30.0, -20.0, 26.0))
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
    assert np.abs(np.array(session.crosshair_mm) - (30, -20, 26)).max() <= 2.0
    where = session.crosshair_mm
    wheel(canvas, 120)
    assert session.crosshair_mm == (where[0], where[1], where[2] + 2)
    zoom = explain.stage.zoom
    wheel(canvas, 120, Qt.KeyboardModifier.ControlModifier)
    assert explain.stage.zoom > zoom
    left = Qt.MouseButton.LeftButton
    qtbot.mouseClick(canvas, left, Qt.KeyboardModifier.ShiftModifier, pos=at)
    assert len(session.state.plots.held) == 1


def wheel(canvas: SliceCanvas, turned: int, keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
    middle = QPointF(canvas.rect().center())
    event = QWheelEvent(
        middle, canvas.mapToGlobal(middle), QPoint(), QPoint(0, turned), Qt.MouseButton.NoButton,
        keys, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


def test_that_window_and_level_are_shown_undone_and_taken_from_a_region(
    explain: SlicesView, qtbot: Any
) -> None:
    session, canvas = explain.session, focused(explain, qtbot)
    assert explain.stage.content is not None
    start = explain.stage.content.levels
    qtbot.keyClick(canvas, Key.Key_W)
    assert "Arrows" in explain.place.words.text()
    for _ in range(5):
        qtbot.keyClick(canvas, Key.Key_Right)
    qtbot.keyClick(canvas, Key.Key_Return)
    assert explain.place.words.text() == ""
    wide = explain.stage.content.levels
    assert wide[1] - wide[0] == pytest.approx((start[1] - start[0]) * 1.02**5)
    assert explain.stage.content.window_text.startswith("window ")
    session.history.stack.undo()
    assert explain.stage.content.levels == pytest.approx(start)
    first, last = QPoint(80, 60), QPoint(110, 100)
    right, ctrl = Qt.MouseButton.RightButton, Qt.KeyboardModifier.ControlModifier
    qtbot.mousePress(canvas, right, ctrl, pos=first)
    qtbot.mouseMove(canvas, last)
    qtbot.mouseRelease(canvas, right, ctrl, pos=last)
    ends = np.rint([canvas.voxel_at(QPointF(p)) for p in (first, last)]).astype(int)
    below, above = ends.min(axis=0), ends.max(axis=0) + 1
    assert session.case is not None
    assert session.case.view.template is not None
    part = session.case.view.template[tuple(map(slice, below, above))]
    expected = np.percentile(part, (2, 98))
    assert explain.stage.content.levels == pytest.approx(tuple(expected))


# layers --------------------------------------------------------------------------------


def two_maps(view: SlicesView) -> tuple[np.ndarray, np.ndarray]:
    assert view.session.case is not None
    shape = view.session.case.view.labels.shape
    first, second = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    first[40:50, 50:60, 50:60] = 3.0
    first[20:22, 50, 50] = -2.0  # two voxels
    first[45, 55, 55] = 7.0
    second[45:60, 50:60, 50:60] = 1.0
    return first, second


def test_that_two_maps_are_styled_and_five_undos_lead_back(
    explain: SlicesView, window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    session = explain.session
    start = session.state.slices
    worker.answers["open_maps"] = lambda job, _on_event: open_maps(job.arguments, Progress())
    paths = []
    for name, values in zip(("one", "two"), two_maps(explain), strict=True):
        image = nibabel.Nifti1Image(values, GRID_AFFINE)
        image.set_sform(GRID_AFFINE, 4)
        paths.append(tmp_path / f"space-MNI152NLin2009cAsym_desc-{name}_map.nii.gz")
        image.to_filename(paths[-1])
    window.exports.maps.actions.open_maps(paths)
    qtbot.waitUntil(lambda: len(session.state.slices.layers) == 2)
    one, two = session.state.slices.layers
    assert (one.symmetric, one.colour_map) == (True, "RdBu_r")  # it has negative values
    assert (two.symmetric, two.colour_map) == (False, "cividis")
    assert session.files[one.key.removeprefix("file:")] == paths[0]
    qtbot.mouseClick(explain.layers_button, Qt.MouseButton.LeftButton)
    panel = explain.panel
    panel.list.setCurrentRow(1)
    assert panel.key == one.key
    value(panel.high, 5.0)
    drawn = stack_of(session).find(one.key, "template")
    assert drawn is not None
    assert (drawn.scale.low, drawn.scale.high) == (-5.0, 5.0)
    assert drawn.clipped == (False, True)  # one voxel is 7
    session.end_merge()
    panel.by.setCurrentIndex(panel.by.findData("value"))
    panel.by.activated.emit(panel.by.currentIndex())
    value(panel.opacity.box, 40.0)
    value(panel.cluster, 3)
    drawn = stack_of(session).find(one.key, "template")
    assert drawn is not None
    assert drawn.layer.opacity == pytest.approx(0.4)
    assert not drawn.shown[20:22, 50, 50].any()  # two voxels are fewer than three
    assert drawn.shown.sum() == 1000
    assert drawn.hidden_text == "2 of 1002 voxels hidden"
    for _ in range(5):
        session.history.stack.undo()
    assert session.state.slices == start
    assert panel.list.count() == 1


def value(box: Any, number: float) -> None:
    box.setFocus()
    box.setValue(number)


def test_that_slider_and_number_box_say_the_same(explain: SlicesView, qtbot: Any) -> None:
    qtbot.mouseClick(explain.layers_button, Qt.MouseButton.LeftButton)
    panel = explain.panel
    panel.opacity.slider.setValue(100)
    assert panel.opacity.box.value() == pytest.approx(50.0)
    assert explain.session.display.opacity == pytest.approx(0.5)
    value(panel.threshold.box, 25.0)
    assert panel.threshold.slider.value() == 50
    assert explain.session.display.hidden_share == pytest.approx(0.75)
    assert explain.threshold.value() == 75
    assert "320 of 426 parcels" in explain.hidden.text()


def test_that_a_layer_is_clipped_by_another(explain: SlicesView) -> None:
    session = explain.session
    first, second = two_maps(explain)
    key = add_map(explain, "one", first)
    other = add_map(explain, "two", second)
    layers = tuple(
        Layer(key, key, "one", top_share=1.0, clip_by=other) if one.key == key else one
        for one in session.state.slices.layers
    )
    session.change("Clip", "slices", layers=layers)
    drawn = stack_of(session).find(key, "template")
    assert drawn is not None
    np.testing.assert_array_equal(drawn.shown, (first != 0) & (second != 0))


def test_that_every_visible_layer_has_its_bar(explain: SlicesView) -> None:
    add_map(explain, "one", two_maps(explain)[0])
    bars = [bar for bar in explain.bar_row.bars if bar.isVisible()]
    assert len(bars) == 2
    assert bars[1].scale is not None
    assert bars[1].scale.unit == "z"
    assert "one +3.000 z" not in explain.read_out.full_text()
    explain.session.select_point((-2.0, -30.0, 24.0))  # voxel 47,51,51
    assert "one +3.000 z" in explain.read_out.full_text()
    toggle_layers(explain.session)
    assert not explain.bar_row.isVisible()
    assert explain.hidden.text() == "layers hidden"


def test_that_undo_works_while_the_keyboard_is_in_a_number_of_the_layers(
    explain: SlicesView, qtbot: Any
) -> None:
    session, panel = explain.session, explain.panel
    explain.layers_button.click()
    before = session.state.slices
    qtbot.waitUntil(panel.isVisible)
    panel.cluster.setFocus()
    panel.cluster.selectAll()
    qtbot.keyClicks(panel.cluster, "30")
    qtbot.keyClick(panel.cluster, Key.Key_Return)
    assert session.state.slices.shared.smallest_cluster == 30
    qtbot.keyClick(panel.cluster, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.state.slices == before
    assert panel.cluster.value() == 0


def test_that_both_ways_of_hiding_layers_are_one(explain: SlicesView, window: MainWindow) -> None:
    session, action = explain.session, window.menus.actions["view.overlay"]
    session.set_display(overlay="branches")
    action.trigger()
    assert explain.hidden.text() == "layers hidden"
    assert not action.isChecked()
    explain.toggle_overlay()
    assert session.display.overlay == "branches"
    assert explain.overlay is not None
    window.menus.follow()
    assert action.isChecked()
    session.set_display(overlay="none")
    action.trigger()  # nothing was drawn: something comes
    assert explain.overlay is not None


def test_that_a_layer_is_painted_in_its_colour_where_it_lies(explain: SlicesView) -> None:
    add_map(explain, "one", two_maps(explain)[0])
    session = explain.session
    session.select_point((-2.0, -30.0, 24.0))
    canvas = explain.stage.canvases["axial"]
    at = spot(explain, "axial", (-10.0, -26.0, 24.0))  # inside the block, beside the crosshair
    red = canvas.grab().toImage().pixelColor(at * canvas.devicePixelRatioF())
    assert red.red() > red.blue() + 60
    canvas.blink = True
    grey = canvas.grab().toImage().pixelColor(at * canvas.devicePixelRatioF())
    assert abs(grey.red() - grey.blue()) < 6


def test_that_a_layer_is_written_for_other_programs(
    explain: SlicesView, window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    worker.answers["export_map"] = lambda job, _on_event: export_map(job.arguments, Progress())
    session = explain.session
    session.select_point(PCC_MM)
    qtbot.keyClick(focused(explain, qtbot), Key.Key_S)
    (layer,) = session.state.slices.layers
    window.exports.maps.actions.export_layer(layer.key, tmp_path / "out")
    qtbot.waitUntil(lambda: len(list(tmp_path.glob("out/*.json"))) == 4)
    (path,) = tmp_path.glob("out/*_map.nii.gz")
    assert "_desc-seedAreaDorsal23ABLeft_" in path.name
    data, drawn = nibabel.load(path).get_fdata(), stack_of(session).find(layer.key, "template")
    assert drawn is not None
    np.testing.assert_allclose(data, drawn.values, atol=1e-6)


# seed map and clusters --------------------------------------------------------------------


def test_that_s_shows_the_seed_map_of_the_posterior_cingulate(
    explain: SlicesView, window: MainWindow, qtbot: Any
) -> None:
    session = explain.session
    session.select_point(PCC_MM)
    parcel = session.parcel
    assert parcel is not None
    assert session.case is not None
    qtbot.keyClick(focused(explain, qtbot), Key.Key_S)
    (layer,) = session.state.slices.layers
    drawn = stack_of(session).find(layer.key, "template")
    assert drawn is not None
    assert drawn.overlay is not None
    assert session.case.case.connectome is not None
    np.testing.assert_array_equal(
        drawn.overlay.values, np.asarray(session.case.case.connectome.matrix)[parcel]
    )
    assert drawn.title == "Seed: Area dorsal 23 a+b, left"
    assert explain.region.full_text().endswith("the seed itself")
    assert explain.hidden.text().startswith("Seed: Area dorsal 23 a+b, left: ")
    (bar,) = [bar for bar in explain.bar_row.bars if bar.isVisible()]
    assert bar.scale is not None
    assert bar.scale.unit == "Pearson r"
    assert bar.scale.threshold > 0
    assert "parcels below threshold" in explain.hidden.text()
    session.history.stack.undo()
    assert session.state.slices.layers == ()
    assert session.state.slices.shared.visible


def test_that_row_3_of_the_clusters_by_peak_is_where_the_crosshair_goes(
    explain: SlicesView, window: MainWindow, qtbot: Any
) -> None:
    (view,) = window.page("explain").findChildren(ClustersView)
    tabs = view.parentWidget().parentWidget()
    assert isinstance(tabs, QTabWidget)
    tabs.setCurrentWidget(view)
    column = 2  # the peak
    view.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    row = view.proxy.index(2, column)
    middle = view.table.visualRect(row).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=middle)
    table = view.as_table()
    assert table is not None
    chosen = dict(zip(table.columns, table.rows[2], strict=True))
    at = (chosen["x, mm"], chosen["y, mm"], chosen["z, mm"])
    assert explain.session.crosshair_mm == at
    peaks = [abs(r[2]) for r in table.rows]
    assert peaks == sorted(peaks, reverse=True)
    assert str(chosen["Region"]).split(",")[0] in explain.region.full_text()
    drawn = stack_of(explain.session).find(SHARED, "template")
    assert drawn is not None
    voxel = np.rint(np.linalg.solve(GRID_AFFINE, np.append(at, 1.0))[:3]).astype(int)
    assert drawn.values[tuple(voxel)] == pytest.approx(chosen["Peak, log-odds"])


# volumes -------------------------------------------------------------------------------------


def test_that_a_decoded_run_is_read_volume_by_volume(tmp_path: Path) -> None:
    stored = np.arange(3 * 4 * 5 * 6, dtype=np.int16).reshape(3, 4, 5, 6)
    np.save(tmp_path / "run.npy", stored)
    facts = {"affine": np.eye(4).tolist(), "slope": 0.5, "intercept": 2.0, "scan_sha256": "ab"}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    answer = {"volumes": str(tmp_path / "run.npy"), "facts": str(tmp_path / "run.json")}
    found = scan_volumes(answer, "ab")
    assert found is not None
    assert found.count == 6
    np.testing.assert_allclose(found.volume(4), stored[..., 4] * 0.5 + 2.0)
    np.testing.assert_allclose(found.series((1, 2, 3)), stored[1, 2, 3] * 0.5 + 2.0)
    assert scan_volumes(answer, "cd") is None  # another scan's


@pytest.fixture
def volumes(window: MainWindow, case_folders: dict[str, Path]) -> Callable[[int], float]:
    """Volumes of the sample scan whose value is ten times their number."""
    window.actions_.open_path(case_folders["result"])
    opened = window.session.case
    assert opened is not None
    assert opened.view.native_affine is not None
    stored = np.zeros((64, 64, 36, 240), np.int16)
    stored[...] = 10 * np.arange(240)
    window.session.show_volumes(
        ScanVolumes(opened.case.scan.sha256, stored, opened.view.native_affine, 0.5, 1.0)
    )
    return lambda volume: 5.0 * volume + 1.0


def test_that_a_chosen_frame_brings_its_volume_into_the_slices(
    window: MainWindow, volumes: Callable[[int], float], qtbot: Any
) -> None:
    window.show_step("check")
    (view,) = window.page("check").findChildren(SlicesView)
    assert not view.isVisible()  # behind the registration
    window.session.select_frame(50)  # what a click on the carpet does
    assert view.isVisible()
    assert view.stage.content is not None
    assert float(view.stage.content.volume[3, 4, 5]) == volumes(54)
    assert "vol 54 (first = 0)" in view.read_out.full_text()
    assert view.stage.content.caption == "vol 54 (first = 0)"
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    canvas = focused(view, qtbot)
    qtbot.keyClick(canvas, Key.Key_Period)
    assert float(view.stage.content.volume[3, 4, 5]) == volumes(55)
    qtbot.keyClick(canvas, Key.Key_M)
    qtbot.waitUntil(lambda: window.session.frame > 53)
    qtbot.keyClick(canvas, Key.Key_M)
    assert not view.player.playing


def test_that_s_on_the_scan_correlates_a_sphere_of_it(
    window: MainWindow, case_folders: dict[str, Path], worker: FakeWorker, tmp_path: Path,
    qtbot: Any,
) -> None:  # fmt: skip
    worker.answers["seed_map"] = lambda job, _on_event: seed_map(job.arguments, Progress())
    window.actions_.open_path(case_folders["result"])
    opened = window.session.case
    assert opened is not None
    assert opened.view.native_affine is not None
    stored = np.random.default_rng(4).normal(800, 9, (64, 64, 36, 12)).astype(np.float32)
    np.save(tmp_path / "run.npy", stored)
    sha, affine = opened.case.scan.sha256, opened.view.native_affine
    window.session.show_volumes(ScanVolumes(sha, stored, affine, 1.0, 0.0, tmp_path / "run.npy"))
    window.show_step("load")
    (view,) = window.page("load").findChildren(SlicesView)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(focused(view, qtbot), Key.Key_S)
    qtbot.waitUntil(lambda: len(window.session.state.slices.layers) == 1)
    drawn = stack_of(window.session).find(window.session.state.slices.layers[0].key, "scanner")
    assert drawn is not None
    assert drawn.title.startswith("Seed: 6 mm around")
    assert (drawn.scale.low, drawn.scale.high, drawn.scale.unit) == (-1.0, 1.0, "Pearson r")
    assert "Signal as scanned" in drawn.notes[0]
    assert [bar.isVisible() for bar in view.bar_row.bars] == [True]


def test_that_volumes_of_another_scan_are_never_shown(window: MainWindow, volumes: Any) -> None:
    held = window.session.volumes
    assert held is not None
    window.session.show_case(None)
    assert window.session.volumes is None


def test_that_a_picture_keeps_all_letters_and_no_controls(
    explain: SlicesView, tmp_path: Path, qtbot: Any
) -> None:
    canvas = explain.stage.canvases["axial"]
    explain.session.set_display(secondary_letters=False)
    before = canvas.drawn
    qtbot.waitUntil(lambda: canvas.drawn > before)
    seen: list[tuple[bool, bool]] = []
    words = canvas._paint_words

    def noted(painter: Any) -> None:
        assert canvas.content is not None
        seen.append((canvas.content.secondary_letters, explain.place.field.isHidden()))
        words(painter)

    canvas._paint_words = noted  # type: ignore[method-assign]
    assert explain.save_picture(tmp_path / "slices.png")
    assert seen[0] == (True, True)
    assert not explain.place.field.isHidden()
    assert canvas.content is not None
    assert not canvas.content.secondary_letters


def test_that_words_and_controls_follow_the_seed_map_that_is_painted(
    explain: SlicesView, qtbot: Any
) -> None:
    session, page = explain.session, explain.window()
    (caption,) = page.findChildren(ExplanationCaption)
    session.set_display(overlay="series")
    (shared,) = explain._drawn
    session.select_point(PCC_MM)
    assert explain.overlay_box.currentText() == "(a) time series part"
    assert "Seed" not in caption.words.text()
    hidden, opacity = session.display.hidden_share, session.display.opacity
    qtbot.keyClick(focused(explain, qtbot), Key.Key_S)
    (seed,) = session.state.slices.layers
    assert seed.name.startswith("Seed: ")
    assert explain.overlay_box.currentText() == seed.name
    assert caption.words.text().startswith(f"Slices and surface show {seed.name}: the Pearson")
    assert (explain.threshold.value(), explain.opacity.value()) == (90, 85)
    explain.threshold.setValue(60)
    explain.opacity.setValue(40)
    (seed,) = session.state.slices.layers
    assert (seed.top_share, seed.opacity) == pytest.approx((0.4, 0.4))
    assert (session.display.hidden_share, session.display.opacity) == (hidden, opacity)
    (drawn,) = explain._drawn
    assert drawn.overlay is not None
    assert drawn.overlay.kind == "seed"
    assert int((~drawn.overlay.shown).sum()) == pytest.approx(0.6 * 426, abs=2)
    session.history.stack.undo()
    session.history.stack.undo()
    assert (explain.threshold.value(), explain.opacity.value()) == (90, 85)
    toggle_layers(session)
    assert explain.overlay_box.currentData() == "none"
    assert not explain.threshold.isEnabled()
    assert "Seed" not in caption.words.text()
    toggle_layers(session)
    # An attribution that is chosen takes the seed map's place: never two maps in the same colours.
    explain.overlay_box.activated.emit(explain.overlay_box.findData("series"))
    (again,) = explain._drawn
    assert again.title == shared.title
    assert explain.overlay_box.currentText() == "(a) time series part"
    assert "Correlation with" in explain.overlay_box.itemText(explain.overlay_box.findData("seed"))
    explain.threshold.setValue(50)
    assert session.display.hidden_share == pytest.approx(0.5)
    session.set_display(overlay="seed")
    assert caption.words.text().startswith("Slices and surface show Seed: ")
