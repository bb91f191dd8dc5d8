"""Features with truths known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.core.errors import ModelError
from app.models.features import (
    connectivity_features,
    correlation_of,
    pooling_weights,
    prepared_series,
    window_starts,
)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(200, (0,)), (236, (0, 36)), (300, (0, 100)), (410, (0, 100, 200, 210))],
)
def test_that_windows_overlap_by_half_and_the_last_is_flush_right(frames, expected):
    assert window_starts(frames, 200) == expected


def test_that_a_scan_shorter_than_a_window_is_refused():
    with pytest.raises(ModelError):
        window_starts(199, 200)


def test_that_connectivity_features_are_correlations_of_network_means():
    rng = np.random.default_rng(3)
    series = rng.standard_normal((50, 7)) + rng.standard_normal((50, 1))
    groups = np.array([0, 1, 1, 2, 0, 2, 2])
    z = (series - series.mean(0)) / series.std(0)
    means = np.stack([z[:, groups == g].mean(1) for g in range(3)])
    expected = np.arctanh(np.corrcoef(means)[np.triu_indices(3, 1)])
    correlation = torch.from_numpy(np.corrcoef(series.T)).float()
    pooling = pooling_weights(groups, 3, torch.ones(7, dtype=torch.bool))
    np.testing.assert_allclose(connectivity_features(correlation, pooling), expected, atol=1e-5)


def test_that_missing_parcels_do_not_count_in_their_network():
    present = torch.tensor([True, False, True, True])
    weights = pooling_weights(np.array([0, 0, 0, 1]), 3, present)
    np.testing.assert_allclose(weights, [[0.5, 0, 0.5, 0], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_that_nan_and_constant_parcels_are_missing():
    cleaned = np.random.default_rng(0).standard_normal((9, 4))
    cleaned[3, 1] = np.nan
    cleaned[:, 2] = 5.0
    series, present = prepared_series(cleaned, 0.5)
    assert present.tolist() == [True, False, False, True]
    assert float(series[:, 1:3].abs().max()) == 0.0
    np.testing.assert_allclose(series[:, 0], 2 * cleaned[:, 0], rtol=1e-6)


def test_that_recomputed_correlation_uses_good_frames_only():
    rng = np.random.default_rng(1)
    series = rng.standard_normal((20, 5))
    good = np.ones(20, bool)
    good[[3, 7]] = False
    present = torch.tensor([True, True, True, False, True])
    found = correlation_of(torch.from_numpy(series), torch.from_numpy(good), present).numpy()
    expected = np.corrcoef(series[good].T)
    np.fill_diagonal(expected, 0)
    expected[3] = expected[:, 3] = 0
    np.testing.assert_allclose(found, expected, atol=1e-12)
