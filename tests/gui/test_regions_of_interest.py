"""Spheres, masks and labels as regions of interest; surface maps from files: in the real window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from app.core.arrays import frozen
from app.core.progress import Progress
from app.gui.main_window.asking import open_dropped
from app.gui.main_window.window import MainWindow
from app.gui.map_actions import MapActions
from app.gui.open_case import ScanPreview
from app.gui.opened_maps import OpenedMap, ScanVolumes
from app.gui.view_state import Layer
from app.gui.views import SlicesView, SurfaceView, TimeSeriesView
from app.gui.widgets.trace_legend import look_of
from app.gui.widgets.vertex_values import face_values
from app.worker.map_jobs import MAP_JOBS
from tests.gui.conftest import FakeWorker
from tests.live_case import Key, case_of, view_of
from tests.sample_case import GRID_AFFINE, NATIVE_AFFINE, sample_case

SHAPE, FRAMES = (7, 8, 9), 21
AFFINE = np.array([[3.0, 0, 0, -9], [0, 3.5, 0, -14], [0, 0, 4.0, -16], [0, 0, 0, 1]])


@pytest.fixture
def scanned(window: MainWindow, tmp_path: Path, qtbot: Any) -> tuple[MainWindow, Any]:
    """A scan of unequal sides with its volumes, and the values as nibabel reads them."""
    data = np.random.default_rng(8).integers(200, 3000, (*SHAPE, FRAMES)).astype(np.int16)
    image = nibabel.Nifti1Image(data, AFFINE)
    image.header.set_slope_inter(1.5, -20.0)
    nibabel.save(image, tmp_path / "run.nii.gz")
    image = nibabel.load(tmp_path / "run.nii.gz")
    scan = replace(sample_case().scan, shape=(*SHAPE, FRAMES), affine=frozen(AFFINE))
    stored = np.asarray(image.dataobj.get_unscaled())
    volumes = ScanVolumes(scan.sha256, stored, frozen(AFFINE), 1.5, -20.0)
    window.session.show_preview(ScanPreview(tmp_path, scan, (), volumes.volume(3)))
    window.session.show_volumes(volumes)
    return window, image.get_fdata()


def columns_of(view: TimeSeriesView, path: Path) -> dict[str, Any]:
    view.export_to(path)
    header, *lines = path.read_text().splitlines()
    rows = zip(*(line.split("\t") for line in lines), strict=True)
    return dict(zip(header.split("\t"), rows, strict=True))


def test_that_a_sphere_at_the_crosshair_is_held_as_nibabel_reads_it(
    scanned: tuple[MainWindow, Any], tmp_path: Path, qtbot: Any
) -> None:
    window, whole = scanned
    session = window.session
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    view = view_of(window, "load", TimeSeriesView, qtbot)
    view.reader.inline = True
    session.select_native_point((1.0, -2.0, 3.0))
    view.graphics.setFocus()
    qtbot.keyClick(view.graphics, Key.Key_R)  # 6 mm, as delivered
    view.roi_button.menu().actions()[3].trigger()  # 10 mm
    dialog = view.roi_button.ask()
    dialog.setDoubleValue(4.5)
    dialog.accept()
    mm = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), -1)
    mm = mm @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    away = np.linalg.norm(mm - np.array([1.0, -2.0, 3.0]), axis=-1)
    columns = columns_of(view, tmp_path / "roi.tsv")
    for radius in (6.0, 10.0, 4.5):
        found = columns[f"sphere of {radius:g} mm at 1 -2 3 mm (scanner), raw"]
        wanted = whole[away <= radius].mean(axis=0)
        assert 1 < (away <= radius).sum() < 300
        np.testing.assert_allclose(np.array(found, dtype=float), wanted, rtol=1e-9)
    slices = view_of(window, "load", SlicesView, qtbot)
    assert slices.stage.content is not None
    first, second, _ = slices.stage.content.outlines
    np.testing.assert_array_equal(first.mask, away <= 6.0)
    np.testing.assert_array_equal(second.mask, away <= 10.0)
    assert f"#{first.colour[0]:02x}{first.colour[1]:02x}{first.colour[2]:02x}" == look_of(0)[0]
    session.history.stack.undo()
    assert len(slices.stage.content.outlines) == 2
    view.release()
    assert slices.stage.content.outlines == ()


def test_that_the_label_under_the_crosshair_is_held(
    scanned: tuple[MainWindow, Any], tmp_path: Path, qtbot: Any
) -> None:
    window, whole = scanned
    session = window.session
    labels = np.zeros(SHAPE, np.float32)
    labels[1:4, 2:5, 3], labels[5, 5:7, 6:8] = 4, 11
    sha256 = "ce" * 32
    session.maps.add(OpenedMap(sha256, "dseg", "scanner", labels, "", "labels"))
    layer = Layer("roi", f"file:{sha256}")
    session.change("Add layer", "slices", layers=(layer,))
    view = view_of(window, "load", TimeSeriesView, qtbot)
    view.reader.inline = True
    for voxel in ((5, 6, 7), (2, 3, 3)):
        x, y, z = (AFFINE @ np.append(voxel, 1.0))[:3].tolist()
        session.select_native_point((x, y, z))
        view.roi_button.menu().actions()[-1].trigger()
    session.select_native_point((-9.0, -14.0, -16.0))
    view.hold_mask()
    assert "put the crosshair on one" in view.parcel_label.full_text()
    assert session.state.plots.held == (f"mask:{sha256}:11", f"mask:{sha256}:4")
    columns = columns_of(view, tmp_path / "roi.tsv")
    for label in (4, 11):
        found = np.array(columns[f"mask dseg, label {label}, raw"], dtype=float)
        np.testing.assert_allclose(found, whole[labels == label].mean(axis=0), rtol=1e-9)


def test_that_a_sphere_of_the_template_is_read_in_the_scan(live: MainWindow, qtbot: Any) -> None:
    session, opened = live.session, case_of(live.session)
    shape = (64, 64, 36)
    stored = np.random.default_rng(3).integers(0, 900, (*shape, 5)).astype(np.int16)
    volumes = ScanVolumes(opened.case.scan.sha256, stored, frozen(NATIVE_AFFINE), 1.0, 0.0)
    session.show_volumes(volumes)
    if opened.scanner_point((0.0, 0.0, 0.0)) is None:  # this case has no transform: the identity
        opened.__dict__["_to_scanner"] = (np.eye(4), None, None)
    view = view_of(live, "explain", TimeSeriesView, qtbot)
    view.reader.inline = True
    session.select_point((10.0, -20.0, 16.0))
    view.hold_sphere()
    mm = np.argwhere(np.ones(opened.view.labels.shape, bool)) @ GRID_AFFINE[:3, :3].T  # type: ignore[union-attr]
    mm = mm + GRID_AFFINE[:3, 3]
    near = mm[np.linalg.norm(mm - np.array([10.0, -20.0, 16.0]), axis=1) <= 6.0]
    moved = np.array([opened.scanner_point(tuple(point)) for point in near.tolist()])
    voxels = np.rint((moved - NATIVE_AFFINE[:3, 3]) @ np.linalg.inv(NATIVE_AFFINE[:3, :3]).T)
    voxels = np.unique(voxels.astype(int), axis=0)
    (trace,) = (one for one in view._traces if one.key.startswith("sphere:template"))
    np.testing.assert_allclose(trace.raw, stored[tuple(voxels.T)].mean(axis=0))
    slices = view_of(live, "explain", SlicesView, qtbot)
    assert slices.stage.content is not None
    assert int(slices.stage.content.outlines[0].mask.sum()) == len(near)


# surface maps --------------------------------------------------------------------------


def write_side(path: Path, values: Any) -> None:
    gifti: Any = nibabel.gifti
    array = gifti.GiftiDataArray(np.asarray(values, np.float32), datatype="NIFTI_TYPE_FLOAT32")
    path.write_bytes(gifti.GiftiImage(darrays=[array]).to_bytes())


@pytest.fixture
def real_maps(worker: FakeWorker) -> Callable[[], None]:
    """The worker's own functions."""
    for name, work in MAP_JOBS.items():
        worker.answers[name] = lambda job, _tell, work=work: work(job.arguments, Progress())
    return lambda: None


def open_maps(window: MainWindow, paths: list[Path], qtbot: Any) -> MapActions:
    actions = window.exports.maps.actions
    before = window.session.state.slices.layers
    actions.open_maps(paths)
    qtbot.waitUntil(
        lambda: window.session.state.slices.layers != before or not window.errors.isHidden(),
        timeout=20_000,
    )
    return actions


def test_that_gifti_maps_become_a_layer_of_the_surface(
    live: MainWindow, real_maps: Any, tmp_path: Path, qtbot: Any
) -> None:
    session = live.session
    surfaces = case_of(session).view.surfaces
    values = {side: np.asarray(mesh.pial_mm)[:, 1] / 100.0 for side, mesh in surfaces.items()}
    for letter, side in (("L", "left"), ("R", "right")):
        write_side(tmp_path / f"hemi-{letter}_space-fsaverage5_y.func.gii", values[side])
    surface = view_of(live, "explain", SurfaceView, qtbot)
    surface.load_now()
    both = [tmp_path / f"hemi-{letter}_space-fsaverage5_y.func.gii" for letter in "LR"]
    open_dropped(live, both)
    qtbot.waitUntil(lambda: bool(session.state.slices.layers), timeout=20_000)
    (layer,) = session.state.slices.layers  # both files are one map
    drawn = surface.vertex_map
    assert drawn is not None
    assert [side for side, _ in drawn.vertices] == ["left", "right"]
    scene = surface.canvas.scene
    assert scene is not None
    session.change("Threshold", "slices", layers=(replace(layer, threshold=0.3, opacity=1.0),))
    drawn = surface.vertex_map
    assert drawn is not None
    for side in scene._sides:
        at_faces = values[side.side][side.faces].mean(axis=1)
        colours = side.mesh.GetCellData().GetScalars()
        front = int(np.argmax(at_faces))
        middle = int(np.argmin(np.abs(at_faces)))
        wanted = tuple(int(c) for c in drawn.scale.rgb(at_faces[[front]])[0])
        assert tuple(int(c) for c in colours.GetTuple(front)) == wanted
        assert len({int(c) for c in colours.GetTuple(middle)}) == 1  # below the threshold: grey
    table = surface.as_table()
    assert table is not None
    assert len(table.rows) == 2 * 10242
    assert table.rows[5] == ("left", 5, pytest.approx(float(np.float32(values["left"][5]))))
    assert surface.bar.scale is not None
    assert "space-fsaverage5_y" in surface.words.text()
    slices = view_of(live, "explain", SlicesView, qtbot)
    assert len(slices._drawn) == 1  # it lies on no slice
    session.history.stack.undo()
    session.history.stack.undo()
    assert surface.vertex_map is None
    assert surface.overlay is not None


def test_that_a_map_of_another_mesh_is_one_clear_error(
    live: MainWindow, real_maps: Any, tmp_path: Path, qtbot: Any
) -> None:
    write_side(tmp_path / "hemi-L_map.func.gii", np.ones(32492))
    open_maps(live, [tmp_path / "hemi-L_map.func.gii"], qtbot)
    assert live.session.state.slices.layers == ()
    assert "32492 vertices" in live.errors.message.text()
    assert "Resample it to fsaverage5" in live.errors.hint.text()


def test_that_faces_take_means_and_labels_majorities() -> None:
    faces = np.array([[0, 1, 2], [2, 3, 4], [0, 3, 4]])
    values = np.array([1.0, 1.0, 4.0, np.nan, np.nan])
    np.testing.assert_allclose(face_values(values, faces, labels=False), [2.0, 4.0, 1.0])
    labels = np.array([7.0, 7.0, 3.0, 5.0, 9.0])
    np.testing.assert_array_equal(face_values(labels, faces, labels=True), [7.0, np.nan, np.nan])
