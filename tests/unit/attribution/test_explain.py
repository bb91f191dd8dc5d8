"""Both views of a toy model with a planted parcel and a planted connection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from app.attribution.agreement import agreement_of, spearman
from app.attribution.brain_maps import parcels_to_vertices, parcels_to_volume
from app.attribution.explain import explain
from app.core.errors import CancelledError
from app.core.progress import Progress

FRAMES, PARCELS = 24, 6


@dataclass(frozen=True)
class Toy:
    series: Tensor
    correlation: Tensor
    present: Tensor
    baseline_series: Tensor
    baseline_correlation: Tensor
    references: Tensor
    reference_text: str = "made up"

    def series_log_odds(self, series: Tensor) -> Tensor:
        return series[:, 2].square().sum()

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        return 2.0 * correlation[1, 4] + correlation[4, 1]

    def correlation_of(self, series: Tensor) -> Tensor:
        centred = series - series.mean(0)
        unit = centred / centred.square().sum(0).sqrt()
        return unit.T @ unit * (1 - torch.eye(PARCELS))


@pytest.fixture
def toy():
    generator = torch.Generator().manual_seed(5)
    many = torch.randn(4, FRAMES, PARCELS, generator=generator)
    matrix = Toy.correlation_of(None, many[0])
    return Toy(
        many[0],
        matrix,
        torch.ones(PARCELS, dtype=torch.bool),
        torch.zeros(FRAMES, PARCELS),
        torch.zeros(PARCELS, PARCELS),
        0.5 * many[1:],
    )


def test_that_only_the_planted_parcel_and_connection_are_named(toy):
    found = explain(toy)
    for branch in (found.branches, found.scan):
        assert branch.converged
        assert branch.per_parcel_frame.shape == (PARCELS, FRAMES)
        assert set(np.flatnonzero(branch.per_parcel_series)) == {2}
        assert {tuple(pair) for pair in np.argwhere(branch.per_connection)} == {(1, 4), (4, 1)}
        np.testing.assert_array_equal(branch.per_connection, branch.per_connection.T)
        assert branch.per_parcel.sum() == pytest.approx(branch.output_difference, abs=0.02)
    expected = 3.0 * float(toy.correlation[1, 4])
    assert found.branches.per_connection[1, 4] == pytest.approx(expected, abs=1e-5)


def test_that_the_frame_map_sums_to_the_parcel_map(toy):
    found = explain(toy).branches
    np.testing.assert_allclose(found.per_parcel_frame.sum(1), found.per_parcel_series)
    np.testing.assert_allclose(found.per_parcel_frame[2], toy.series[:, 2].square(), atol=1e-5)


def test_that_arrays_are_read_only_and_bits_repeat(toy):
    first, second = explain(toy), explain(toy)
    with pytest.raises(ValueError):
        first.branches.per_connection[0, 0] = 1.0
    np.testing.assert_array_equal(first.scan.per_parcel_frame, second.scan.per_parcel_frame)


def test_that_a_cancel_ends_it(toy):
    with pytest.raises(CancelledError):
        explain(toy, progress=Progress(cancelled=lambda: True))


def test_that_agreement_is_rank_correlation_over_present_parcels():
    first = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    second = np.array([10.0, 20.0, 30.0, 40.0, -5.0])
    present = np.array([True, True, True, True, False])
    agreement, disagreeing = agreement_of(first, second, present)
    assert agreement == pytest.approx(1.0)
    assert not disagreeing.any()
    agreement, disagreeing = agreement_of(first, second, np.ones(5, bool))
    assert agreement == pytest.approx(0.0)
    assert disagreeing[4]


def test_that_spearman_handles_ties_as_scipy_does():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_that_parcels_are_painted_whole():
    labels = np.zeros((2, 3, 4), np.int16)
    labels[1, 2, 3], labels[0, 0, :2] = 2, 1
    volume = parcels_to_volume(np.array([0.5, -2.0]), labels)
    assert volume.dtype == np.float32
    assert volume[1, 2, 3] == -2.0
    assert volume[0, 0].tolist() == [0.5, 0.5, 0.0, 0.0]
    vertices = parcels_to_vertices(np.array([0.5, -2.0]), np.array([0, 2, 1]))
    np.testing.assert_array_equal(vertices, [np.nan, -2.0, 0.5])
    with pytest.raises(ValueError, match="2"):
        parcels_to_volume(np.array([1.0]), labels)
