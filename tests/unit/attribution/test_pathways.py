"""Interacting branches: answers known by hand, and agreement with the additive routes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from app.attribution.expected_gradients import expected_gradients
from app.attribution.explain import JointlyExplainable, explain
from app.attribution.integrated_gradients import integrated_gradients
from app.attribution.pathways import joint_expected_gradients, shapley_scores

FRAMES, PARCELS = 20, 4


def _correlation(series: Tensor) -> Tensor:
    centred = series - series.mean(0)
    unit = centred / centred.square().sum(0).sqrt()
    return unit.T @ unit * (1 - torch.eye(series.shape[1], dtype=series.dtype))


@pytest.fixture
def many():
    generator = torch.Generator().manual_seed(3)
    return torch.randn(4, FRAMES, PARCELS, generator=generator, dtype=torch.float64)


def test_that_a_product_of_branches_splits_by_shapley():
    # f = s * c from (1, 2) to (3, 5): phi_s = (3-1)(2+5)/2 = 7, phi_c = (5-2)(1+3)/2 = 6
    s, c = torch.tensor([3.0]), torch.tensor([5.0])
    s0, c0 = torch.tensor([1.0]), torch.tensor([2.0])
    of_series, of_matrix = shapley_scores(lambda a, b: (a * b).sum(), s, c, s0, c0)
    assert float(of_series(s) - of_series(s0)) == pytest.approx(7.0)
    assert float(of_matrix(c) - of_matrix(c0)) == pytest.approx(6.0)
    found = integrated_gradients(of_series, s, s0[None])
    assert float(found.values) == pytest.approx(7.0)


def test_that_a_sum_gives_what_the_additive_route_gives(many):
    weights = torch.linspace(-1, 1, PARCELS, dtype=torch.float64)
    pairs = torch.arange(16, dtype=torch.float64).view(4, 4) / 10

    def of_series(x):
        return (x.square().mean(0) * weights).sum()

    def of_matrix(c):
        return (torch.atanh(c) * pairs).sum()

    apart = expected_gradients(
        of_series, of_matrix, _correlation, many[0], many[1:], node_counts=(16,)
    )
    joint = joint_expected_gradients(
        lambda x, c: of_series(x) + of_matrix(c),
        _correlation,
        many[0],
        many[1:],
        node_counts=(16,),
    )
    torch.testing.assert_close(joint.series, apart.series, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(joint.connections, apart.connections, rtol=1e-2, atol=1e-4)
    assert joint.difference == pytest.approx(apart.difference)


def test_that_an_interaction_telescopes_along_the_path(many):
    def score(x, c):
        return x[:, 2].square().mean() * (2.0 + c[0, 1])

    found = joint_expected_gradients(score, _correlation, many[0], many[1:])
    ends = [float(score(x, _correlation(x))) for x in many]
    assert found.difference == pytest.approx(ends[0] - np.mean(ends[1:]))
    assert found.converged
    assert set(np.flatnonzero(found.series.abs().sum(0) > 1e-9)) == {2}
    moved = {tuple(pair) for pair in np.argwhere(found.connections.abs().numpy() > 1e-9)}
    assert moved == {(0, 1), (1, 0)}


def test_that_scaling_from_zero_through_a_gram_matrix_is_known_by_hand():
    # faithful mode: f = sum of X X^T over (i, j) from a zero series; along a x the Gram grows as
    # a^2, so each connection gets exactly its own entry
    series = torch.randn(9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = joint_expected_gradients(
        lambda x, c: 0.0 * x.sum() + c.sum(), lambda x: x.T @ x, series, 0.0 * series[None]
    )
    torch.testing.assert_close(found.connections, series.T @ series, rtol=1e-9, atol=1e-9)
    assert float(found.series.abs().max()) == 0.0
    assert found.converged


@dataclass(frozen=True)
class Interacting:
    series: Tensor
    correlation: Tensor
    present: Tensor
    baseline_series: Tensor
    baseline_correlation: Tensor
    references: Tensor
    reference_text: str = "made up"

    def series_log_odds(self, series: Tensor) -> Tensor:
        raise AssertionError("there is no part of the series")

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        raise AssertionError("there is no part of the matrix")

    def joint_log_odds(self, series: Tensor, correlation: Tensor) -> Tensor:
        return series[:, 2].square().mean() * (2.0 + correlation[0, 1] + correlation[1, 0])

    def correlation_of(self, series: Tensor) -> Tensor:
        return _correlation(series)


def test_that_a_model_with_interacting_branches_is_explained_whole(many):
    zero = torch.zeros(PARCELS, PARCELS, dtype=torch.float64)
    model = Interacting(
        many[0],
        _correlation(many[0]),
        torch.ones(PARCELS, dtype=torch.bool),
        torch.zeros_like(many[0]),
        zero,
        many[1:],
    )
    assert isinstance(model, JointlyExplainable)
    found = explain(model)
    power, link = float(many[0][:, 2].square().mean()), 2.0 * float(model.correlation[0, 1])
    # zero baseline: phi_s = p (2 + (2 + l)) / 2, phi_c = l (0 + p) / 2
    assert found.branches.per_parcel_series[2] == pytest.approx(power * (2 + link / 2))
    assert found.branches.per_connection[0, 1] == pytest.approx(power * link / 2)
    for branch in (found.branches, found.scan):
        assert branch.converged
        assert branch.per_parcel.sum() == pytest.approx(branch.output_difference, abs=0.02)


def test_that_a_parcels_own_power_counts_with_the_parcel(many):
    @dataclass(frozen=True)
    class Power(Interacting):
        def joint_log_odds(self, series: Tensor, correlation: Tensor) -> Tensor:
            return correlation[2, 2] + 3.0 * correlation[0, 1] + 0.0 * series.sum()

        def correlation_of(self, series: Tensor) -> Tensor:
            return series.T @ series

    zero = torch.zeros(PARCELS, PARCELS, dtype=torch.float64)
    gram = many[0].T @ many[0]
    present = torch.ones(PARCELS, dtype=torch.bool)
    nothing = torch.zeros_like(many[0])
    found = explain(Power(many[0], gram, present, nothing, zero, nothing[None]))
    for branch in (found.branches, found.scan):
        assert branch.per_parcel_series[2] == pytest.approx(float(gram[2, 2]), rel=1e-6)
        assert branch.per_connection[0, 1] == pytest.approx(3.0 * float(gram[0, 1]), rel=1e-6)
        assert branch.per_parcel.sum() == pytest.approx(branch.output_difference, rel=1e-6)
