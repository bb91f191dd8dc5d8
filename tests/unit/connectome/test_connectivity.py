"""Connectivity against numpy, on series whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from app.connectome.connectivity import fisher_z, gram_connectivity, pearson_connectivity
from app.core.errors import AppError

RNG = np.random.default_rng(3)
ALL = np.ones(50, bool)


def test_that_it_is_pearson_from_the_good_frames_only():
    series = RNG.standard_normal((50, 7))
    good = RNG.random(50) > 0.3
    spoiled = series.copy()
    spoiled[~good] = 1e6
    result = pearson_connectivity(spoiled, good)
    expected = np.corrcoef(series[good].T)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(result.matrix, expected, atol=1e-13)
    assert result.frame_count == good.sum()
    assert result.kind == "pearson"


def test_that_it_is_symmetric_to_the_bit_and_read_only():
    matrix = pearson_connectivity(RNG.standard_normal((50, 40)), ALL).matrix
    assert matrix.dtype == np.float64
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 0).all()
    assert not matrix.flags.writeable


def test_that_known_answers_come_out():
    wave = np.sin(np.arange(50.0))
    series = np.stack([wave, 3 * wave + 100, -wave, np.cos(np.arange(50.0))], axis=1)
    matrix = pearson_connectivity(series, ALL).matrix
    np.testing.assert_allclose(matrix[0, 1:3], [1, -1], atol=1e-12)
    assert np.abs(matrix).max() <= 1
    assert abs(matrix[0, 3]) < 0.05


def test_that_parcels_without_signal_are_not_covered():
    series = RNG.standard_normal((50, 6)) + 1e4
    series[:, 1] = np.nan
    series[7, 2] = np.nan
    series[:, 4] = 123456.789
    matrix = pearson_connectivity(series, ALL).matrix
    lost = [1, 2, 4]
    assert np.isnan(matrix[lost]).all()
    assert np.isnan(matrix[:, lost]).all()
    rest = [0, 3, 5]
    assert np.isfinite(matrix[np.ix_(rest, rest)]).all()
    good = ALL.copy()
    good[7] = False
    assert np.isfinite(pearson_connectivity(series, good).matrix[2, 0])


def test_that_shapes_and_lengths_are_judged():
    with pytest.raises(AppError) as caught:
        pearson_connectivity(RNG.standard_normal((50, 6)), np.ones(6, bool))
    assert caught.value.code == "connectome.shape"
    nothing = pearson_connectivity(RNG.standard_normal((50, 6)), np.arange(50) < 2)
    assert nothing.matrix.shape == (6, 6)
    assert np.isnan(nothing.matrix).all()  # two frames correlate at +-1 by construction


def test_that_fisher_z_is_artanh_and_stays_finite():
    np.testing.assert_allclose(fisher_z(np.array([0.5, -0.5])), [0.5493061443, -0.5493061443])
    assert np.isfinite(fisher_z(np.array([1.0, -1.0]))).all()


def test_that_gram_is_the_product_of_raw_series_and_kept_apart_by_its_kind() -> None:
    series = np.random.default_rng(9).normal(900.0, 9.0, (40, 5))
    found = gram_connectivity(series)
    assert found.kind == "gram"
    assert found.frame_count == 40
    np.testing.assert_allclose(found.matrix, series.T @ series, rtol=1e-13)
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    series[3, 2] = np.nan
    holes = gram_connectivity(series).matrix
    assert np.isnan(holes[2]).all()
    assert np.isfinite(np.delete(np.delete(holes, 2, 0), 2, 1)).all()
