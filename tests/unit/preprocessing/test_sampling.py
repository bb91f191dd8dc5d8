"""Parcel series by one composed map against the same thing done step by step with scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from app.core.errors import CancelledError, PreprocessingError
from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.geometry import apply_affine, grid_points_mm, rigid_matrices
from app.preprocessing.sampling import ScannerPoints, sample_parcels
from app.preprocessing.spatial_map import to_scanner

SHAPE, FRAMES, PARCELS = (17, 19, 14), 6, 5


@pytest.fixture
def run() -> Image4D:
    rng = np.random.default_rng(0)
    data = ndimage.gaussian_filter(rng.normal(size=(*SHAPE, FRAMES)), (1.2, 1.2, 1.2, 0)) * 3000
    affine = np.diag([3.0, 3.2, 4.0, 1.0])
    affine[:3, 3] = [-25.0, -30.0, -24.0]
    stored = np.asfortranarray((data + 900).astype(np.int16))
    return Image4D(stored, affine, 2.0, slope=0.5, intercept=7.0)


@pytest.fixture
def motion() -> Motion:
    rng = np.random.default_rng(1)
    parameters = rng.normal(size=(FRAMES, 6)) * [0.8, 0.8, 0.8, 0.02, 0.02, 0.02]
    nothing = np.zeros(FRAMES)
    return Motion(parameters, np.array([2.0, -1.0, 3.0]), nothing, nothing, nothing, 0)


@pytest.fixture
def bent() -> SpatialMap:
    affine = np.eye(4)
    affine[:3, 3] = [1.0, -2.0, 0.5]
    affine[0, 1] = 0.1
    grid = np.diag([6.0, 6.0, 6.0, 1.0])
    grid[:3, 3] = -30.0
    points = grid_points_mm((11, 12, 13), grid).reshape(11, 12, 13, 3)
    return SpatialMap(
        "T", affine, np.sin(points / 9.0), grid, "affine+warp", 0.5, 0.6, 0.9, (0.8, 1.2)
    )


@pytest.fixture
def points() -> ParcelPoints:
    rng = np.random.default_rng(2)
    positions = rng.uniform(-14.0, 14.0, (400, 3))
    return ParcelPoints("A", "T", positions, rng.integers(0, PARCELS, 400), PARCELS)


def whole(run: Image4D) -> Image3D:
    return Image3D(np.ones(SHAPE, bool), run.affine, "scanner")


def by_hand(run: Image4D, motion: Motion, positions_mm: np.ndarray) -> np.ndarray:
    """Values (frame, point) of scanner-space positions, one scipy call a frame."""
    values = []
    for frame, matrix in enumerate(rigid_matrices(motion)):
        voxels = apply_affine(np.linalg.inv(run.affine) @ matrix, positions_mm)
        volume = run.data[..., frame].astype(np.float64) * run.slope + run.intercept
        values.append(ndimage.map_coordinates(volume, voxels.T, order=3, mode="mirror"))
    return np.array(values)


def test_that_parcel_means_equal_scipy_step_by_step(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    found = sample_parcels(run, motion, bent, points, whole(run))
    assert (found.coverage == 1.0).all()
    values = by_hand(run, motion, to_scanner(bent, np.asarray(points.points_mm)))
    expected = np.stack(
        [values[:, points.parcel_of_point == parcel].mean(axis=1) for parcel in range(PARCELS)], 1
    )
    np.testing.assert_allclose(found.series, expected, rtol=1e-6)


def test_that_first_frame_and_threads_change_rows_but_not_bits(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    extra = ScannerPoints(np.array([[0.0, 1.0, 2.0], [3.0, 2.0, 1.0]]), np.array([0, 0]), 1)
    full = sample_parcels(run, motion, bent, points, whole(run), tissues=extra)
    late = sample_parcels(
        run, motion, bent, points, whole(run), first_frame=2, tissues=extra, threads=3
    )
    np.testing.assert_array_equal(late.series, full.series[2:])
    np.testing.assert_array_equal(late.tissue, full.tissue[2:])


def test_that_tissue_means_and_voxels_are_read_in_the_same_pass(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    places = np.array([[0.0, 1.0, 2.0], [3.0, 2.0, 1.0], [-5.0, 4.0, 3.0]])
    extra = ScannerPoints(places, np.array([0, 1, 1]), 2)
    found = sample_parcels(
        run, motion, bent, points, whole(run), tissues=extra, voxel_points_mm=places
    )
    expected = by_hand(run, motion, places)
    np.testing.assert_allclose(found.voxels, expected, rtol=1e-5)
    np.testing.assert_allclose(found.tissue[:, 1], expected[:, 1:].mean(axis=1), rtol=1e-9)


def test_that_points_outside_mask_or_any_counted_frame_are_left_out(
    run: Image4D, motion: Motion, points: ParcelPoints, bent: SpatialMap
) -> None:
    half = np.ones(SHAPE, bool)
    half[:8] = False
    far = motion.parameters.copy()
    far[3, 2] = 20.0  # this frame's slab misses the top
    moved = replace(motion, parameters=far)
    positions = to_scanner(bent, np.asarray(points.points_mm))
    inside = half[tuple(np.rint(apply_affine(np.linalg.inv(run.affine), positions)).astype(int).T)]
    seen = np.ones(len(positions), bool)
    for matrix in rigid_matrices(moved):
        voxels = apply_affine(np.linalg.inv(run.affine) @ matrix, positions)
        seen &= ((voxels >= 0) & (voxels <= np.array(SHAPE) - 1)).all(axis=1)
    mask = Image3D(half, run.affine, "scanner")
    found = sample_parcels(run, moved, bent, points, mask)
    expected = np.bincount(points.parcel_of_point[inside & seen], minlength=PARCELS)
    np.testing.assert_array_equal(found.points_used, expected)
    assert seen.sum() < len(seen)
    counted = np.ones(FRAMES, bool)
    counted[3] = False
    lenient = sample_parcels(run, moved, bent, points, mask, counted_frames=counted)
    np.testing.assert_array_equal(
        lenient.points_used, np.bincount(points.parcel_of_point[inside], minlength=PARCELS)
    )


def test_that_a_parcel_without_points_is_nan_with_zero_coverage(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    away = np.asarray(points.points_mm).copy()
    away[points.parcel_of_point == 2] += 300.0
    found = sample_parcels(run, motion, bent, replace(points, points_mm=away), whole(run))
    assert np.isnan(found.series[:, 2]).all() and found.coverage[2] == 0.0
    assert np.isfinite(np.delete(found.series, 2, axis=1)).all()


def test_that_another_template_is_refused(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    with pytest.raises(PreprocessingError, match="T2"):
        sample_parcels(run, motion, replace(bent, template="T2"), points, whole(run))


def test_that_cancel_stops_sampling(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    with pytest.raises(CancelledError):
        sample_parcels(
            run, motion, bent, points, whole(run), progress=Progress(cancelled=lambda: True)
        )


def test_that_all_points_count_and_those_outside_the_view_are_zero_as_trained(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    far = np.asarray(points.points_mm).copy()
    far[:40, 2] += 60.0  # above the slab
    found = sample_parcels(
        run, motion, bent, replace(points, points_mm=far), whole(run), parcel_mean="all"
    )
    on_reference = to_scanner(bent, far)
    values = by_hand(run, motion, on_reference)
    for frame, matrix in enumerate(rigid_matrices(motion)):
        voxels = apply_affine(np.linalg.inv(run.affine) @ matrix, on_reference)
        outside = ((voxels < 0) | (voxels > np.array(SHAPE) - 1)).any(axis=1)
        values[frame, outside] = 0.0
    expected = np.stack(
        [values[:, points.parcel_of_point == parcel].mean(axis=1) for parcel in range(PARCELS)], 1
    )
    np.testing.assert_allclose(found.series, expected, rtol=1e-6)
    assert (found.coverage < 1.0).any()


def test_that_the_trilinear_fallback_says_so_and_equals_scipy(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    places = np.array([[0.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    found = sample_parcels(
        run, motion, bent, points, whole(run), interpolation="linear",
        tissues=ScannerPoints(places, np.array([0, 0]), 1), voxel_points_mm=places,
    )  # fmt: skip
    assert found.interpolation == "trilinear"
    matrix = np.linalg.inv(run.affine) @ rigid_matrices(motion)[1]
    volume = run.data[..., 1].astype(np.float64) * run.slope + run.intercept
    expected = ndimage.map_coordinates(volume, apply_affine(matrix, places).T, order=1)
    np.testing.assert_allclose(found.voxels[1], expected, rtol=1e-5)
    np.testing.assert_allclose(found.tissue[1, 0], expected.mean(), rtol=1e-6)


def test_that_moments_give_mean_and_sums_of_the_counted_frames(
    run: Image4D, motion: Motion, bent: SpatialMap, points: ParcelPoints
) -> None:
    places = np.array([[0.0, 1.0, 2.0], [3.0, 2.0, 1.0]])
    counted = np.ones(FRAMES, bool)
    counted[1] = False
    found = sample_parcels(
        run, motion, bent, points, whole(run), counted_frames=counted,
        moment_points_mm=places,
    )  # fmt: skip
    values = by_hand(run, motion, places)[counted]
    time = np.linspace(-1, 1, FRAMES)[counted]
    assert found.moments is not None
    assert found.moments.frame_count == FRAMES - 1
    expected = [values.sum(0), (values**2).sum(0), time @ values, time**2 @ values]
    np.testing.assert_allclose(found.moments.sums, expected, rtol=1e-6, atol=1e-3)
