"""Voxels on the scan are those of the file as stored, as nibabel counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from app.gui.main_window.window import MainWindow
from app.gui.opened_maps import ScanVolumes
from app.gui.session import ScanPreview
from app.gui.traces import trace_of, voxel_key
from app.gui.views import SlicesView
from app.gui.views.header import scan_rows
from app.scans.nifti import read_nifti

Key = Qt.Key
FRAMES = 21
SIDES = (7, 10, 12)  # of the file, as stored
# A slight tilt of the head, in radians about x, then z: no axis of the grid is one of the world.
_TILT_X = np.array([[1, 0, 0], [0, np.cos(0.2), -np.sin(0.2)], [0, np.sin(0.2), np.cos(0.2)]])
_TILT_Z = np.array([[np.cos(0.1), -np.sin(0.1), 0], [np.sin(0.1), np.cos(0.1), 0], [0, 0, 1]])
LAS = np.array([[-3.4, 0, 0], [0, 3.0, 0], [0, 0, 4.0]])
PIR = np.array([[0, 0, 4.0], [-3.4, 0, 0], [0, -3.0, 0]])  # storage axes run to P, I and R
STORED = {"LAS": LAS, "PIR": PIR, "oblique PIR": _TILT_Z @ _TILT_X @ PIR}


@pytest.fixture(params=STORED)
def run(request: Any, tmp_path: Path) -> Any:
    """A run whose every voxel has a series of its own."""
    data = np.random.default_rng(8).integers(200, 3000, (*SIDES, FRAMES)).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = STORED[request.param], (11.0, -7.0, 5.0)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_slope_inter(1.5, -20.0)
    image.header["pixdim"][4] = 2.0
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "sub-1_task-rest_bold.nii")
    found = nibabel.load(tmp_path / "sub-1_task-rest_bold.nii")
    assert request.param.endswith("".join(nibabel.aff2axcodes(found.affine)))
    return found


@pytest.fixture
def scan_view(run: Any, window: MainWindow, tmp_path: Path, qtbot: Any) -> SlicesView:
    """The scan as the program's own reader opens it, with its volumes."""
    cache = tmp_path / "cache"
    cache.mkdir()
    loaded = read_nifti(Path(run.get_filename()), cache_dir=cache)
    image, scan = loaded.image, loaded.scan
    volumes = ScanVolumes(scan.sha256, image.data, scan.affine, image.slope, image.intercept)
    window.session.show_preview(ScanPreview(tmp_path, scan, (), volumes.volume(3)))
    window.session.show_volumes(volumes)
    window.show_step("load")
    (view,) = window.page("load").findChildren(SlicesView)
    view.show_picture("one")
    return view


def millimetres(run: Any, voxel: tuple[int, ...]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in nibabel.affines.apply_affine(run.affine, voxel))
    return (x, y, z)


VOXELS = ((1, 2, 3), (6, 0, 11), (0, 9, 5))


def test_that_read_out_copy_and_series_name_the_voxel_of_the_file(
    run: Any, scan_view: SlicesView
) -> None:
    session, truth = scan_view.session, run.get_fdata()
    for i, j, k in VOXELS:
        session.select_native_point(millimetres(run, (i, j, k)))
        scan_view.copy.click()
        copied = QGuiApplication.clipboard().text()
        for text in (copied, scan_view.read_out.full_text()):
            assert f"voxel {i},{j},{k} (first = 0)" in text
            assert scan_view.value_text(float(truth[i, j, k, 3])) in text
        scan_view.hold_here()
        trace = trace_of(session, session.state.plots.held[-1])
        assert trace is not None
        assert trace.name == f"voxel {i},{j},{k}"  # what a column of the exported table is called
        np.testing.assert_allclose(trace.raw, truth[i, j, k], rtol=1e-12)
    assert len(session.state.plots.held) == len(VOXELS)


def test_that_a_typed_voxel_is_that_of_the_file(
    run: Any, scan_view: SlicesView, qtbot: Any
) -> None:
    field = scan_view.place.field
    for i, j, k in VOXELS:
        field.setText(f"voxel {i} {j} {k}")
        qtbot.keyClick(field, Key.Key_Return)
        assert scan_view.session.native_mm == pytest.approx(millimetres(run, (i, j, k)), abs=1e-4)
        assert f"voxel {i},{j},{k} (first = 0)" in scan_view.read_out.full_text()
    field.setText("voxel 6 9 12")  # one slice too far along the last axis
    qtbot.keyClick(field, Key.Key_Return)
    assert scan_view.place.refused


def test_that_each_picture_counts_the_slices_of_the_file(run: Any, scan_view: SlicesView) -> None:
    codes = nibabel.aff2axcodes(run.affine)
    for voxel in VOXELS:
        scan_view.session.select_native_point(millimetres(run, voxel))
        names = {
            canvas.plane.through: canvas.slice_name()
            for canvas in scan_view.stage.canvases.values()
        }
        letters = ("LR", "PA", "IS")
        stored = {axis: [c in letters[axis] for c in codes].index(True) for axis in names}
        assert names == {axis: f"slice {voxel[at]}" for axis, at in stored.items()}
        assert len(names) == 3


def test_that_the_header_tells_sides_as_stored(run: Any, scan_view: SlicesView) -> None:
    preview = scan_view.session.preview
    assert preview is not None
    rows = dict(scan_rows(preview.scan))
    assert rows["Size"] == f"7 × 10 × 12 voxels, {FRAMES} volumes"
    sizes = run.header.get_zooms()[:3]
    assert rows["Voxel"] == " × ".join(f"{size:.2f}" for size in sizes) + " mm"


def test_that_no_series_lies_outside_the_scan(scan_view: SlicesView) -> None:
    assert trace_of(scan_view.session, voxel_key((0, 99, 0))) is None


def test_that_voxels_of_the_template_count_on_its_own_grid(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    opened = window.session.case
    assert opened is not None
    assert opened.case.scan.storage_orientation == "LAS"  # of the scan, not of the template
    assert opened.view.affine is not None
    window.show_step("explain")
    (view,) = window.page("explain").findChildren(SlicesView)
    for voxel in ((40, 60, 30), (50, 20, 44)):
        x, y, z = (float(v) for v in nibabel.affines.apply_affine(opened.view.affine, voxel))
        window.session.select_point((x, y, z))
        i, j, k = voxel
        assert f"voxel {i},{j},{k} (first = 0)" in view.read_out.full_text()
