from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.results import Motion
from app.preprocessing.carpet import carpet_rows
from app.preprocessing.confounds import (
    brain_voxels,
    compute_confounds,
    cosines,
    temporal_snr,
    tissue_points,
)
from app.preprocessing.presets import MOTION_24
from app.preprocessing.sampling import SampledSeries

SHIFT = np.array([[1.0, 0, 0, 5], [0, 1, 0, -3], [0, 0, 1, 2], [0, 0, 0, 1]])
MAP = SpatialMap("T", SHIFT, None, None, "affine", 0.8, 0.8, 0.95, (1.0, 1.0))


def _sampled(frames: int, voxels: int = 50) -> SampledSeries:
    rng = np.random.default_rng(0)
    return SampledSeries(
        series=np.ones((frames, 3)),
        coverage=np.ones(3),
        points_used=np.ones(3, int),
        tissue=rng.normal(size=(frames, 2)) + np.array([600.0, 900.0]),
        voxels=(1000 + rng.normal(size=(frames, voxels))).astype(np.float32),
    )


def _motion(frames: int) -> Motion:
    parameters = np.random.default_rng(1).normal(size=(frames, 6))
    jumps = np.r_[np.nan, np.arange(1.0, frames)]
    return Motion(parameters, np.zeros(3), jumps, jumps * 2, np.zeros(frames), 0)


def _tissue(where: tuple[slice, slice, slice]) -> Image3D:
    data = np.zeros((21, 22, 23), np.float32)
    data[where] = 1.0
    return Image3D(data, np.diag([2.0, 2, 2, 1]), "T")


def test_that_columns_have_the_names_and_rows_that_cleaning_asks_for() -> None:
    motion = _motion(60)
    columns = compute_confounds(motion, _sampled(57), first_frame=3, repetition_time_s=2.5)
    assert set(MOTION_24) <= set(columns)
    assert {len(values) for values in columns.values()} == {57}
    np.testing.assert_array_equal(columns["trans_y"], motion.parameters[3:, 1])
    assert columns["rot_z_derivative1"][4] == pytest.approx(
        motion.parameters[7, 5] - motion.parameters[6, 5]
    )
    assert columns["framewise_displacement"][1] == 4.0
    assert np.isnan(columns["framewise_displacement"][0])
    assert np.isnan(columns["trans_x_derivative1"][0])
    assert columns["white_matter"].mean() < 700 < columns["csf"].mean()


def test_that_white_matter_and_csf_points_land_where_the_map_puts_them() -> None:
    white = _tissue((slice(2, 9), slice(3, 10), slice(4, 11)))
    csf = _tissue((slice(12, 18), slice(12, 17), slice(12, 18)))
    mask = Image3D(np.ones((60, 60, 60), bool), np.diag([2.0, 2, 2, 1]), "scanner")
    points = tissue_points(white, csf, MAP, mask)
    mean = np.array([points.points_mm[points.group_of_point == g].mean(axis=0) for g in (0, 1)])
    # the map lies half a voxel off the grid: which neighbour is nearest is a tie
    np.testing.assert_allclose(mean[0], [15.0, 9.0, 16.0], atol=1.01)
    np.testing.assert_allclose(mean[1], [34.0, 25.0, 31.0], atol=1.01)
    assert (points.group_of_point == 0).sum() == 3**3
    assert (points.group_of_point == 1).sum() == 4 * 3 * 4


def test_that_a_scan_without_csf_in_view_is_refused_by_name() -> None:
    white = _tissue((slice(2, 9), slice(3, 10), slice(4, 11)))
    csf = _tissue((slice(0, 1), slice(0, 1), slice(0, 1)))
    mask = Image3D(np.ones((60, 60, 60), bool), np.diag([2.0, 2, 2, 1]), "scanner")
    with pytest.raises(PreprocessingError, match="csf"):
        tissue_points(white, csf, MAP, mask)


def test_that_cosines_are_orthonormal_and_slower_than_128_s() -> None:
    columns = np.column_stack(list(cosines(240, 2.0).values()))
    assert columns.shape == (240, 7)
    np.testing.assert_allclose(columns.T @ columns, np.eye(7), atol=1e-12)


def test_that_tsnr_is_mean_over_sd_about_the_trend_on_good_frames() -> None:
    rng = np.random.default_rng(5)
    voxels = 500 + 10 * rng.normal(size=(400, 300)) + np.linspace(-50, 50, 400)[:, None]
    good = np.ones(400, bool)
    good[7] = False
    voxels[7] += 1e4
    assert temporal_snr(voxels, good) == pytest.approx(50.0, rel=0.03)


def test_that_brain_voxels_are_spread_over_the_whole_mask() -> None:
    mask = Image3D(np.ones((50, 40, 30), bool), np.diag([3.0, 3, 4, 1]), "scanner")
    points = brain_voxels(mask)
    assert len(points) <= 10000
    np.testing.assert_allclose(points.mean(axis=0), [73.5, 58.5, 58.0], atol=1.5)


def test_that_carpet_rows_follow_the_order_and_a_flat_parcel_is_zero() -> None:
    series = np.column_stack([np.arange(9.0), np.full(9, 3.0), -np.arange(9.0)])
    rows = carpet_rows(series, np.array([2, 1, 0]))
    assert rows.shape == (3, 9)
    assert (rows[1] == 0).all()
    np.testing.assert_allclose(rows[0], -rows[2])
    np.testing.assert_allclose(rows[2].std(), 1.0, rtol=1e-6)
