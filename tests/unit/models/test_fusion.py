"""Fusions and shares of branches, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.models.fusion import Concat, make_fusion, shapley

WIDTHS = {"series": 3, "connectivity": 5}


def _features(people: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {n: torch.randn(people, w, generator=generator) for n, w in WIDTHS.items()}


def _random(fusion: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.normal_(generator=generator)
    return fusion


@pytest.mark.parametrize(("kind", "outputs"), [("concat", 1), ("concat", 2), ("late", 1)])
def test_that_parts_of_a_sum_add_up(kind, outputs):
    fusion = _random(make_fusion(kind, WIDTHS, outputs=outputs))
    features = _features()
    parts = fusion.parts(features)
    torch.testing.assert_close(sum(parts.values()), fusion(features))
    moved = features | {"series": features["series"] + 1.0}
    torch.testing.assert_close(fusion.parts(moved)["connectivity"], parts["connectivity"])


def test_that_two_logits_give_their_difference_and_cross_entropy():
    fusion = _random(Concat(WIDTHS, outputs=2))
    features, labels = _features(), torch.tensor([1.0, 0.0, 1.0, 1.0])
    logits = fusion.linear(torch.cat(list(features.values()), dim=1))
    probability = torch.softmax(logits, dim=1)[:, 1]
    torch.testing.assert_close(torch.sigmoid(fusion(features)), probability)
    chosen = torch.where(labels > 0, probability, 1 - probability)
    torch.testing.assert_close(fusion.loss(features, labels), -chosen.log().mean())


def test_that_late_fusion_trains_each_branch_by_itself():
    fusion = _random(make_fusion("late", WIDTHS))
    features, labels = _features(), torch.tensor([1.0, 0.0, 1.0, 1.0])
    moved = features | {"series": 3.0 * features["series"]}
    slopes = [
        torch.autograd.grad(fusion.loss(one, labels), fusion.heads["connectivity"].weight)[0]
        for one in (features, moved)
    ]
    torch.testing.assert_close(*slopes)
    each = [fusion.heads[n](features[n])[:, 0] for n in WIDTHS]
    torch.testing.assert_close(fusion(features), (each[0] + each[1]) / 2)


def test_that_the_gate_sees_all_branches_and_sums_to_one():
    fusion = _random(make_fusion("gated", WIDTHS))
    features = _features()
    weights = fusion.weights(features)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4))
    moved = fusion.weights(features | {"series": -features["series"]})
    assert not torch.allclose(weights, moved)
    assert not fusion.additive
    fresh = make_fusion("gated", WIDTHS).weights(features)
    torch.testing.assert_close(fresh, torch.full((4, 2), 0.5))


def test_that_nothing_is_known_before_training():
    for kind in ("concat", "late"):
        np.testing.assert_array_equal(make_fusion(kind, WIDTHS)(_features()).detach(), 0.0)


def test_that_shapley_values_of_a_known_game_are_right():
    worth = {
        frozenset(): 1.0,
        frozenset("a"): 3.0,
        frozenset("b"): 2.0,
        frozenset("ab"): 8.0,
    }
    found = shapley(["a", "b"], worth.__getitem__)
    assert found == {"a": pytest.approx(4.0), "b": pytest.approx(3.0)}
    # three players, one of them idle, two that only work together
    three = shapley(["a", "b", "c"], lambda s: 6.0 if {"a", "b"} <= s else 0.0)
    assert three == {"a": pytest.approx(3.0), "b": pytest.approx(3.0), "c": pytest.approx(0.0)}
