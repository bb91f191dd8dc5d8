"""Seed correlation against numpy's own, on a small made-up run."""

from __future__ import annotations

import numpy as np
import pytest

from app.connectome.seed import bright, seed_correlation, sphere

AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -9], [0, 0, 4, -12], [0, 0, 0, 1]])
SHAPE = (7, 8, 9)


def run() -> np.ndarray:
    rng = np.random.default_rng(2)
    volumes = 500.0 + rng.normal(0, 5, (*SHAPE, 30))
    volumes[2:5, 2:5, 2:5] += 20.0 * np.sin(np.arange(30))  # a network
    volumes += 3.0 * np.arange(30)  # the scanner drifts
    return volumes.astype(np.float32)


def test_that_the_map_is_the_correlation_of_detrended_series() -> None:
    volumes = run()
    seed = sphere((0.0, 0.0, 0.0), 4.0, AFFINE, SHAPE)
    used = np.ones(30, dtype=bool)
    used[[0, 1, 17]] = False
    found = seed_correlation(volumes, seed, used, np.ones(SHAPE, dtype=bool))
    times = np.flatnonzero(used)

    def flat(series: np.ndarray) -> np.ndarray:
        return series - np.polyval(np.polyfit(times, series, 1), times)

    mean = flat(volumes[seed][:, used].mean(axis=0).astype(float))
    for voxel in ((0, 0, 0), (3, 3, 3), (6, 7, 8), (4, 2, 3)):
        expected = np.corrcoef(flat(volumes[voxel][used].astype(float)), mean)[0, 1]
        assert found[voxel] == pytest.approx(expected, abs=1e-5)
    assert found[2:5, 2:5, 2:5].min() > 0.8
    assert np.abs(found[6, 7]).max() < 0.6


def test_that_the_sphere_holds_the_voxels_within_its_radius() -> None:
    inside = sphere((0.0, 0.0, 0.0), 4.5, AFFINE, SHAPE)
    voxels = np.argwhere(np.ones(SHAPE))
    mm = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    expected = (np.linalg.norm(mm, axis=1) <= 4.5).reshape(SHAPE)
    np.testing.assert_array_equal(inside, expected)
    assert inside.sum() == 11
    assert sphere((1.4, 1.4, 1.9), 0.1, AFFINE, SHAPE).sum() == 1  # the nearest, at least
    with pytest.raises(ValueError, match="outside"):
        sphere((90.0, 0.0, 0.0), 4.0, AFFINE, SHAPE)


def test_that_nothing_is_painted_outside_the_brain_or_where_nothing_varies() -> None:
    volumes = run()
    volumes[0, 0, 0] = 7.0
    brain = np.ones(SHAPE, dtype=bool)
    brain[6] = False
    seed = sphere((0.0, 0.0, 0.0), 4.0, AFFINE, SHAPE)
    found = seed_correlation(volumes, seed, np.ones(30, dtype=bool), brain)
    assert not found[6].any()
    assert found[0, 0, 0] == 0.0
    with pytest.raises(ValueError, match="fewer than four"):
        seed_correlation(volumes, seed, np.arange(30) < 3, brain)
    with pytest.raises(ValueError, match="no voxel"):
        seed_correlation(volumes, seed & False, np.ones(30, dtype=bool), brain)


def test_that_air_is_left_out() -> None:
    volumes = run()
    volumes[0] = 10.0
    np.testing.assert_array_equal(bright(volumes)[0], False)
    assert bright(volumes)[1:].all()
