"""Leakage traps: what must be 0.5, disjoint or unchanged, is."""

from __future__ import annotations

import numpy as np
import pytest

from app.cohort.cross_validation import nested_cross_validation, refuse_overlap
from app.cohort.evaluation import Contender, Protocol, evaluate, null_figures, score_histogram
from app.cohort.health_arrays import resampled_models
from app.cohort.metrics import auroc
from app.cohort.training import (
    Block,
    choose_strengths,
    fit_head,
    fit_scaling,
    folds_of,
)


def _people(count: int, seed: int, effect: float) -> tuple[tuple[Block, Block], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random(count) < 0.45
    first, second = rng.standard_normal((count, 17)), rng.standard_normal((count, 9))
    first[:, 3] += effect * labels
    second[:, 5] += effect * labels
    return (Block("a", first, np.ones(17)), Block("b", 3 + second, np.full(9, 2.0))), labels


def _names(count: int) -> list[str]:
    return [f"p{i}" for i in range(count)]


def test_that_a_planted_effect_is_found_out_of_fold():
    blocks, labels = _people(120, 1, 1.5)
    found = nested_cross_validation(
        blocks, labels, _names(120), outer_folds=4, inner_folds=3, seed=2
    )
    assert auroc(found.log_odds, labels) > 0.8


def test_that_permuted_labels_give_half_on_average():
    scores = []
    for seed in range(8):
        blocks, labels = _people(60, seed, 1.5)
        shuffled = np.random.default_rng(seed + 100).permutation(labels)
        found = nested_cross_validation(
            blocks[:1], shuffled, _names(60), outer_folds=4, inner_folds=3, seed=seed
        )
        scores.append(auroc(found.log_odds, shuffled))
    standard_error = np.std(scores) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - 0.5) < 3 * standard_error + 0.02


def test_that_nobody_is_on_both_sides():
    refuse_overlap(["a", "b"], ["c"])
    with pytest.raises(ValueError, match="1 people"):
        refuse_overlap(["a", "b"], ["b"])
    blocks, labels = _people(20, 0, 0.0)
    with pytest.raises(ValueError, match="both sides"):
        nested_cross_validation(blocks, labels, ["same"] * 20, outer_folds=4, inner_folds=2, seed=0)


def test_that_folds_are_even_in_size_and_class_and_repeat():
    labels = np.array([True] * 11 + [False] * 17)
    folds = folds_of(labels, 5, 3)
    assert np.ptp(np.bincount(folds)) <= 1
    assert np.ptp(np.bincount(folds[labels])) <= 1
    np.testing.assert_array_equal(folds, folds_of(labels, 5, 3))
    assert not np.array_equal(folds, np.sort(folds))  # never in file order


def test_that_changing_test_values_leaves_training_statistics_bit_identical():
    (block, _), _labels = _people(40, 3, 0.0)
    changed = block.values.copy()
    changed[30:] *= 100.0
    inside = np.arange(30)
    before = fit_scaling(block.rows(inside))
    after = fit_scaling(Block("a", changed, block.factors).rows(inside))
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.multiplier, after.multiplier)


def test_that_held_out_values_do_not_touch_the_fitted_model():
    blocks, labels = _people(60, 4, 1.0)
    inside, outside = np.arange(40), np.arange(40, 60)
    protocol = Protocol(3, 3, 1, 0.5, bootstrap_repeats=50)

    def fitted(scale: float):
        held_out = tuple(Block(b.name, b.values[outside] * scale, b.factors) for b in blocks)
        contender = Contender("x", tuple(b.rows(inside) for b in blocks), held_out)
        return evaluate(contender, labels[inside], labels[outside], _names(40), protocol)

    first, second = fitted(1.0), fitted(50.0)
    np.testing.assert_array_equal(first.head.weights[0], second.head.weights[0])
    assert first.calibration == second.calibration
    assert first.figures["auroc_interval"][0] <= first.figures["auroc"]


def test_that_the_head_is_linear_in_raw_features():
    blocks, labels = _people(50, 5, 1.0)
    head = fit_head(blocks, labels, (1.0, 3.0))
    by_hand = head.bias + sum(
        (b.values - m) @ w for b, m, w in zip(blocks, head.means, head.weights, strict=True)
    )
    np.testing.assert_allclose(head.log_odds(blocks), by_hand)
    # the mean training person sits at the bias
    middle = tuple(Block(b.name, b.values.mean(0)[None], b.factors) for b in blocks)
    assert head.log_odds(middle)[0] == pytest.approx(head.bias)


def test_that_noise_gets_the_stronger_penalty():
    blocks, labels = _people(150, 6, 2.0)
    noise = Block("n", np.random.default_rng(1).standard_normal((150, 40)), np.ones(40))
    strengths = choose_strengths((blocks[0], noise), labels, 4, 1)
    assert strengths[0] > strengths[1]


def test_that_bootstrap_heads_spread_around_the_head_and_repeat():
    blocks, labels = _people(80, 7, 1.0)
    heads, _ = resampled_models(blocks, labels, (1.0, 1.0), repeats=25, seed=9)
    again, _ = resampled_models(blocks, labels, (1.0, 1.0), repeats=25, seed=9)
    values = np.array([head.log_odds(blocks)[0] for head in heads])
    assert values.std() > 0.05
    assert values[3] == again[3].log_odds(blocks)[0]


def test_that_null_cohorts_stay_at_half():
    blocks, labels = _people(90, 8, 2.0)
    inside, outside = np.arange(60), np.arange(60, 90)
    contender = Contender(
        "x", tuple(b.rows(inside) for b in blocks), tuple(b.rows(outside) for b in blocks)
    )
    figures = null_figures(
        contender, labels[inside], labels[outside], (1.0, 1.0), repeats=40, seed=1
    )
    assert abs(figures["auroc_mean"] - 0.5) < 4 * figures["auroc_standard_error"]


def test_that_the_histogram_counts_everybody_once():
    probability = np.array([0.0, 0.05, 0.5, 0.99, 1.0])
    labels = np.array([False, True, True, True, False])
    edges, responders, others = score_histogram(probability, labels)
    assert edges.shape == (11,)
    assert responders.sum() == 3
    assert others.sum() == 2
