"""Depths of novelty: what each sees, missing parcels, and cards that ask for unknown ones."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app.core.errors import ModelError
from app.models.novelty_depths import IN_TIME, novelty_feature_count, novelty_vector

PARCELS, NETWORKS, FRAMES = 9, 3, 200
STATISTICS = {
    "mean_correlation": torch.full((PARCELS, PARCELS), 0.1),
    "network_of_parcel": torch.arange(PARCELS) % NETWORKS,
}
PAIRS = NETWORKS * (NETWORKS - 1) // 2


def vector(series, **more):
    matrix = np.corrcoef(series.T)
    np.fill_diagonal(matrix, 0.0)
    return novelty_vector(series, matrix, STATISTICS, NETWORKS, 1.0, **more)


@pytest.fixture
def series():
    return np.random.default_rng(0).standard_normal((FRAMES, PARCELS))


def parts(found):
    pairs, spread, rest = np.split(found, [PAIRS, PAIRS + NETWORKS])
    return pairs, spread, rest.reshape(IN_TIME, NETWORKS)


def test_that_each_depth_sees_its_own_change(series):
    pairs, spread, in_time = parts(vector(series, in_time=True))
    louder = parts(vector(3.0 * series, in_time=True))
    np.testing.assert_allclose(louder[1] - spread, np.log(9.0), atol=1e-4)
    np.testing.assert_allclose(louder[0], pairs, atol=1e-5)
    np.testing.assert_allclose(louder[2], in_time, atol=1e-4)
    slow = np.cumsum(series, axis=0)
    slow = slow / slow.std(axis=0)
    assert (parts(vector(slow, in_time=True))[2][0] < in_time[0] - 1.0).all()
    spiky = series.copy()
    spiky[50, :] += 15.0
    assert (parts(vector(spiky, in_time=True))[2][2] > in_time[2] + 0.5).all()


def test_that_white_noise_has_the_values_of_theory(series):
    long = np.random.default_rng(1).standard_normal((20_000, PARCELS))
    _, spread, in_time = parts(vector(long, in_time=True))
    np.testing.assert_allclose(spread, 0.0, atol=0.03)  # log of variance 1
    np.testing.assert_allclose(in_time[:2], np.log(2.0), atol=0.03)  # var of a step = 2
    np.testing.assert_allclose(in_time[2], np.log(3.0), atol=0.06)  # Gaussian kurtosis


def test_that_a_missing_parcel_leaves_finite_numbers(series):
    series[:, 4] = np.nan
    matrix = np.full((PARCELS, PARCELS), 0.1)
    matrix[4] = matrix[:, 4] = np.nan
    found = novelty_vector(
        series, matrix, STATISTICS, NETWORKS, 1.0, in_time=True, encoded=np.array([1.0, 2.0])
    )
    assert np.isfinite(found).all()
    assert found[-2:].tolist() == [1.0, 2.0]


def card_with(**sizes):
    return SimpleNamespace(fields=SimpleNamespace(sizes={"networks": NETWORKS} | sizes))


def test_that_a_card_counts_its_depths(series):
    assert novelty_feature_count(card_with()) == len(vector(series))
    sizes = {"novelty_in_time": IN_TIME, "novelty_encoded": 2}
    assert novelty_feature_count(card_with(**sizes)) == len(
        vector(series, in_time=True, encoded=np.zeros(2))
    )
    with pytest.raises(ModelError, match="novelty_in_time must be 0 or"):
        novelty_feature_count(card_with(novelty_in_time=99))
