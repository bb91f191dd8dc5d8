"""Integrated gradients on models whose answer is known by hand, and against captum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from app.attribution.integrated_gradients import (
    Batched,
    converged,
    gauss_legendre,
    integrated_gradients,
)


def test_that_gauss_legendre_is_exact_for_polynomials_of_degree_2n_minus_1():
    nodes, weights = gauss_legendre(3)
    assert sum(w * x**5 for x, w in zip(nodes, weights, strict=True)) == pytest.approx(1 / 6)
    assert sum(weights) == pytest.approx(1.0)


def test_that_a_linear_model_gives_weight_times_difference():
    weights = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    inputs, baseline = torch.arange(6.0).view(2, 3), torch.ones(2, 3)
    found = integrated_gradients(lambda x: (weights * x).sum(), inputs, baseline[None])
    np.testing.assert_allclose(found.values, weights * (inputs - baseline), atol=1e-6)
    assert found.converged
    assert found.nodes == 7


def test_that_a_product_splits_evenly_from_a_zero_baseline():
    inputs = torch.tensor([3.0, 5.0])
    found = integrated_gradients(lambda x: x[0] * x[1], inputs, torch.zeros(1, 2))
    np.testing.assert_allclose(found.values, [7.5, 7.5], atol=1e-6)
    assert found.difference == pytest.approx(15.0)


def test_that_the_mean_over_baselines_is_attributed():
    inputs = torch.tensor([2.0, 0.0])
    baselines = torch.tensor([[0.0, 0.0], [1.0, 4.0]])
    found = integrated_gradients(lambda x: x[0] ** 2 + x[1], inputs, baselines)
    np.testing.assert_allclose(found.values, [(4 + 3) / 2, -2.0], atol=1e-6)


def test_that_nodes_are_raised_until_the_sum_is_right():
    inputs = torch.tensor([1.0], dtype=torch.float64)

    def steep(x: torch.Tensor) -> torch.Tensor:
        return 3.0 * torch.sigmoid(60.0 * (x - 0.37)).sum()

    baseline = torch.zeros(1, 1, dtype=torch.float64)
    found = integrated_gradients(steep, inputs, baseline)
    assert found.nodes > 7
    assert found.converged
    coarse = integrated_gradients(steep, inputs, baseline, node_counts=(2,))
    assert not coarse.converged
    assert coarse.error > 0.03


@pytest.mark.parametrize(
    ("error", "difference", "change", "expected"),
    [
        (0.0099, 0.0, 0.0, True),
        (0.011, 0.5, 0.0, False),
        (0.019, -2.0, 0.049, True),
        (0.021, 2.0, 0.0, False),
        (0.0, 2.0, 0.051, False),  # right by accident: single values still move
        (0.0, 2.0, None, False),  # nothing to compare with
    ],
)
def test_that_the_sum_must_be_right_and_two_maps_must_agree(error, difference, change, expected):
    assert converged(error, difference, change) is expected


def test_that_a_sum_that_is_right_by_accident_is_not_called_converged():
    # f = g(x0) - g(x1) from 0 to (1, 1): the sum is 0 whatever the nodes, both parts are wrong
    def score(x: torch.Tensor) -> torch.Tensor:
        bumps = torch.sigmoid(80.0 * (x - 0.31))
        return bumps[0] - bumps[1]

    inputs = torch.ones(2, dtype=torch.float64)
    found = integrated_gradients(score, inputs, torch.zeros(1, 2, dtype=torch.float64))
    few = integrated_gradients(
        score, inputs, torch.zeros(1, 2, dtype=torch.float64), node_counts=(3, 7)
    )
    assert few.error < 1e-9
    assert not few.converged
    assert found.nodes > 7
    np.testing.assert_allclose(found.values, [1.0, -1.0], atol=0.06)


def test_that_gradients_of_fewer_nodes_are_used_again():
    calls = []

    def score(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return (x**9).sum()

    found = integrated_gradients(score, torch.ones(1).double(), torch.zeros(1, 1).double())
    assert found.nodes == 7
    assert len(calls) == 2 + 7  # both ends, then 3 nodes and 4 new ones


def test_that_captum_agrees_on_a_small_network():
    from captum.attr import IntegratedGradients

    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Linear(7, 9), torch.nn.Tanh(), torch.nn.Linear(9, 1)
    ).double()
    inputs, baseline = torch.randn(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64)
    ours = integrated_gradients(lambda x: network(x).sum(), inputs, baseline[None])
    theirs = IntegratedGradients(network).attribute(
        inputs[None], baseline[None], n_steps=50, method="gausslegendre"
    )
    np.testing.assert_allclose(ours.values, theirs[0].detach(), atol=1e-4)


def test_that_a_cancel_takes_hold_between_paths():
    def told(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        integrated_gradients(lambda x: x.sum(), torch.ones(2), torch.zeros(1, 2), told=told)


def test_that_two_runs_give_the_same_bits():
    torch.manual_seed(1)
    weights = torch.randn(40, 40)

    def score(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(weights @ x).sum()

    inputs, baseline = torch.randn(40), torch.zeros(1, 40)
    first = integrated_gradients(score, inputs, baseline).values
    second = integrated_gradients(score, inputs, baseline).values
    assert math.isfinite(float(first.sum()))
    assert torch.equal(first, second)


@pytest.mark.parametrize("at_once", [1, 3, 8, 50])
def test_that_nodes_in_batches_give_the_same_but_for_rounding(at_once):
    generator = torch.Generator().manual_seed(2)
    weights = torch.randn(11, 7, generator=generator)
    inputs, baselines = torch.randn(7, generator=generator), torch.zeros(1, 7)

    def scores(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(x @ weights.T).sum(dim=-1)

    one_by_one = integrated_gradients(scores, inputs, baselines)
    together = integrated_gradients(scores, inputs, baselines, batched=Batched(scores, at_once))
    assert together.nodes == one_by_one.nodes
    np.testing.assert_allclose(together.values, one_by_one.values, rtol=0, atol=2e-7)
