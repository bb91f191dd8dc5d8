"""Compiled loops against scipy."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from app.preprocessing import kernels


def coefficients_of(volume: np.ndarray) -> np.ndarray:
    filtered = ndimage.spline_filter(volume, order=3, mode="mirror")
    out = np.empty([count + 3 for count in volume.shape])
    kernels.padded(filtered, out)
    return out


def test_that_the_cubic_spline_equals_scipy_everywhere_inside() -> None:
    rng = np.random.default_rng(0)
    volume = rng.normal(size=(7, 9, 8))
    points = rng.uniform(0, 1, (500, 3)) * [6.0, 8.0, 7.0]
    points[:8] = np.array(np.meshgrid([0.0, 6.0], [0.0, 8.0], [0.0, 7.0])).reshape(3, -1).T
    out = np.empty(500)
    kernels.cubic_values(coefficients_of(volume), np.eye(4)[:3], points, out)
    np.testing.assert_allclose(
        out, ndimage.map_coordinates(volume, points.T, order=3, mode="mirror"), atol=1e-12
    )


def test_that_group_sums_equal_sums_of_values() -> None:
    rng = np.random.default_rng(1)
    coefficients = coefficients_of(rng.normal(size=(6, 8, 7)))
    matrix = np.array([[0.5, 0.1, 0.0, 1.0], [0.0, 0.4, 0.1, 2.0], [0.1, 0.0, 0.6, 0.5]])
    points = rng.uniform(0, 6, (300, 3))
    group = rng.integers(0, 5, 300).astype(np.int32)
    values, sums = np.empty(300), np.zeros(5)
    kernels.cubic_values(coefficients, matrix, points, values)
    kernels.cubic_group_sums(coefficients, matrix, points, group, sums)
    np.testing.assert_allclose(sums, np.bincount(group, values), atol=1e-12)


def test_that_smoothing_equals_scipy_for_a_fortran_int16_volume() -> None:
    volume = np.asfortranarray(
        np.random.default_rng(2).integers(0, 900, (11, 8, 9)).astype(np.int16)
    )
    offsets = np.arange(-3, 4)
    line = np.exp(-0.5 * offsets**2)
    weights = np.tile((line / line.sum()).astype(np.float32), (3, 1))
    out, spare = np.empty(volume.shape, np.float32), np.empty(volume.shape, np.float32)
    kernels.smooth_volume(volume, weights, np.array([3, 3, 3]), out, spare)
    expected = ndimage.gaussian_filter(volume.astype(np.float64), 1.0, truncate=3, mode="nearest")
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_that_points_leaving_the_grid_are_cleared() -> None:
    inside = np.ones(3, bool)
    points = np.array([[0.0, 0.0, 0.0], [4.1, 1.0, 1.0], [4.0, 5.0, 6.0]])
    kernels.inside_grid(np.eye(4)[:3], points, np.array([5.0, 6.0, 7.0]), inside)
    assert inside.tolist() == [True, False, True]
