"""Figures of the primary, continuous outcome: the baseline-adjusted improvement.

All models predict what an analysis of covariance on the score before treatment leaves; the rival
that knows this score alone predicts 0. R^2 is the share of that rest which a model explains, so a
model worse than the score alone is below 0. Models are trained and asked on the same folds;
persons are resampled, the same persons in all repeats and for both sides of a difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cohort.learn.comparison import corrected_test, test_share_of, wider_of
from app.cohort.learn.contenders import COVARIATE_RIVALS
from app.cohort.learn.continuous import Adjustment
from app.cohort.learn.evaluate import Evaluation, ModelScores
from app.cohort.learn.figures import around, draws_of, interval_of
from app.cohort.learn.primary_words import BASELINE_ONLY
from app.cohort.learn.splits import Splits
from app.core.arrays import Floats, Ints

BASELINE_LABEL = "Score before treatment alone"
MEAN_LABEL = "Mean improvement alone"
RIDGE, MAPPED = (
    "ridge regression on the same features",
    "log-odds of the responder model, mapped by the inner folds",
)
MOST_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Errors:
    """One model's errors beside the target, for any draw of persons."""

    squared: Floats  # (repeat, row)
    absolute: Floats  # (repeat, row)
    whole: Floats  # (repeat, row) squared target: the error of the score before treatment alone

    @classmethod
    def of(cls, predicted: Floats, target: Floats) -> Errors:
        off = predicted - target
        return cls(off**2, np.abs(off), target**2)

    def r_squared(self, counts: Floats) -> Floats:
        """(draw,) mean over repeats; `counts` (draw, row) says how often a person was drawn."""
        whole = counts @ self.whole.T
        return np.asarray((1.0 - (counts @ self.squared.T) / np.maximum(whole, 1e-12)).mean(axis=1))

    def absolute_error(self, counts: Floats) -> Floats:
        """(draw,) mean over repeats."""
        people = np.maximum(counts.sum(axis=1), 1.0)
        return np.asarray((counts @ self.absolute.T).mean(axis=1) / people)


def continuous_figures(evaluation: Evaluation, draws: Ints) -> dict[str, Any] | None:
    """Each model's figures and differences; None where the columns tell no change.

    A model's R^2 is its difference to the score before treatment alone, whose R^2 is 0, so that
    both have one interval, the wider; those of correlations and absolute errors are bootstraps
    over persons, which hold the models fixed.

    Linear models regress the improvement itself. Models that give log-odds alone are mapped to
    it by their inner folds; ``by`` says which. Every model also has the rank correlation of its
    log-odds with the adjusted improvement.
    """
    cohort = evaluation.cohort
    change = cohort.change
    if change is None:
        return None
    name, improvement = change
    baseline = cohort.outcome.baseline
    adjusted = Adjustment.fit(improvement, baseline).left(improvement, baseline)
    rows = np.flatnonzero(np.isfinite(adjusted))
    names = [cohort.identifiers[i] for i in rows]
    drawn = draws_of(names, min(len(draws), MOST_DRAWS), cohort.plan.protocol.seed)
    counts = np.stack([np.bincount(one, minlength=len(rows)) for one in drawn]).astype(float)
    errors = {key: _errors(one, rows) for key, one in evaluation.models.items()}
    alone = _alone(evaluation.headline, rows)
    models = {
        BASELINE_ONLY: {
            "label": MEAN_LABEL if baseline is None else BASELINE_LABEL,
            "by": "a line fitted in the training fold",
            "r_squared": 0.0,
            "r_squared_interval": None,
        }
        | _figure("absolute_error", alone.absolute_error, counts)
    }
    for key, one in evaluation.models.items():
        models[key] = {
            "label": one.label,
            "by": RIDGE if one.regression else MAPPED,
        } | _of(one, errors[key], adjusted, rows, drawn, counts)
        beyond = _difference(errors[key], alone, counts, evaluation.splits, rows)
        models[key]["r_squared_interval"] = beyond["r_squared"]["interval"]
    head = errors[evaluation.headline.id]
    others = {BASELINE_ONLY: alone} | {
        key: one for key, one in errors.items() if key != evaluation.headline.id
    }
    compared = {
        key: _difference(head, one, counts, evaluation.splits, rows) for key, one in others.items()
    }
    return {
        "outcome": name,
        "scale": cohort.plan.outcome.scale,
        "adjusted_for_baseline": baseline is not None,
        "mean": float(np.nanmean(improvement)),
        "sd": float(np.nanstd(improvement, ddof=1)),
        "people": len(cohort),
        "known": len(rows),
        "headline": evaluation.headline.id,
        "models": models,
        "comparisons": compared,
        "gain_over_covariates": _gain(evaluation, errors, alone, counts, rows),
    }


def _errors(model: ModelScores, rows: Ints) -> Errors:
    assert model.predicted is not None
    assert model.target is not None
    return Errors.of(model.predicted[:, rows], model.target[:, rows])


def _alone(model: ModelScores, rows: Ints) -> Errors:
    """The score before treatment alone: everybody at the training side's line."""
    assert model.target is not None
    target = model.target[:, rows]
    return Errors.of(np.zeros_like(target), target)


def _of(
    model: ModelScores, errors: Errors, adjusted: Floats, rows: Ints, drawn: Ints, counts: Floats
) -> dict[str, Any]:
    assert model.predicted is not None
    assert model.target is not None
    predicted, target = model.predicted[:, rows], model.target[:, rows]
    scores = model.scores.log_odds[:, rows]
    truth = np.broadcast_to(adjusted[rows], scores.shape)
    return (
        _figure("r_squared", errors.r_squared, counts)
        | _resampled("r", correlation, predicted, target, drawn)
        | _figure("absolute_error", errors.absolute_error, counts)
        | _resampled("rank_correlation", rank_correlation, scores, truth, drawn)
    )


def _figure(name: str, batch: Callable[[Floats], Floats], counts: Floats) -> dict[str, Any]:
    value = float(batch(np.ones((1, counts.shape[1])))[0])
    return {name: value, f"{name}_interval": around(value, interval_of(batch(counts)))}


def _resampled(
    name: str, batch: Callable[[Floats, Floats], Floats], one: Floats, other: Floats, draws: Ints
) -> dict[str, Any]:
    value = float(batch(one, other).mean())
    drawn = np.mean([batch(a[draws], b[draws]) for a, b in zip(one, other, strict=True)], axis=0)
    interval = around(value, interval_of(np.asarray(drawn)))
    return {name: value if np.isfinite(value) else None, f"{name}_interval": interval}


def _difference(
    one: Errors,
    other: Errors,
    counts: Floats,
    splits: Splits,
    rows: Ints,
    *,
    least: float = -np.inf,
) -> dict[str, Any]:
    """The headline minus another: R^2 (more is better) and absolute error (less is better).

    Intervals are the wider of the bootstrap over persons and the corrected repeated-CV test, the
    latter cut at what is possible: R^2 is 1 at most, and an absolute error 0 at least, which leaves
    a difference no more than one side's best possible figure against the other's lowest in the
    bootstrap. Both ends are cut alike, so the reverse difference has the reverse interval.
    """
    everybody = np.ones((1, counts.shape[1]))
    share, found = test_share_of(splits), dict[str, Any]()
    scale = max(float(one.whole.mean()), 1e-12)
    for name, mine, theirs, batch, floor in (
        ("r_squared", -one.squared / scale, -other.squared / scale, Errors.r_squared, least),
        ("absolute_error", one.absolute, other.absolute, Errors.absolute_error, -np.inf),
    ):
        value = float(batch(one, everybody)[0] - max(batch(other, everybody)[0], floor))
        drawn = batch(one, counts) - np.maximum(batch(other, counts), floor)
        tested = corrected_test(by_fold(mine - theirs, splits, rows), share)
        interval = around(value, interval_of(drawn))
        if name == "r_squared":
            possible = (
                _reach(batch(one, counts))[0] - 1.0,
                1.0 - max(_reach(batch(other, counts))[0], floor),
            )
        else:
            possible = (-_reach(batch(other, counts))[1], _reach(batch(one, counts))[1])
        found[name] = {
            "difference": value,
            "bootstrap_interval": interval,
            "interval": wider_of(interval, tested, possible),
            "corrected_test": tested,
        }
    return found


def _reach(drawn: Floats) -> tuple[float, float]:
    """Bootstrap interval of one side; without limits where there is none."""
    found = interval_of(drawn)
    return (-np.inf, np.inf) if found is None else (found[0], found[1])


def by_fold(values: Floats, splits: Splits, rows: Ints) -> Floats:
    """(fold,) mean of (repeat, row of `rows`) values over each fold's test people; NaN if none."""
    place = {int(row): number for number, row in enumerate(rows)}
    found = []
    for fold in splits:
        there = [place[int(row)] for row in fold.test if int(row) in place]
        found.append(float(values[fold.repeat, there].mean()) if there else float("nan"))
    return np.array(found)


def _gain(
    evaluation: Evaluation, errors: dict[str, Errors], alone: Errors, counts: Floats, rows: Ints
) -> dict[str, Any]:
    """Over the best covariate-only rival; one worse than the score alone counts as that score."""
    everybody = np.ones((1, counts.shape[1]))
    found = {
        key: float(one.r_squared(everybody)[0])
        for key, one in errors.items()
        if key in COVARIATE_RIVALS and key != evaluation.headline.id
    }
    best = max(found, key=lambda key: found[key]) if found else None
    rival = BASELINE_ONLY if best is None or found[best] < 0.0 else best
    other = alone if rival == BASELINE_ONLY else errors[rival]
    gained = _difference(
        errors[evaluation.headline.id], other, counts, evaluation.splits, rows, least=0.0
    )
    return {"rival": rival, "best_covariate_rival": best, "of": sorted(found), **gained}


def correlation(one: Floats, other: Floats) -> Floats:
    """Pearson's r of each draw, (draw, row) -> (draw,); 0 where one side never varies."""
    x = one - one.mean(axis=1, keepdims=True)
    y = other - other.mean(axis=1, keepdims=True)
    size = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.where(size > 1e-12, (x * y).sum(axis=1) / np.maximum(size, 1e-12), 0.0)


def rank_correlation(one: Floats, other: Floats) -> Floats:
    """Spearman's rho of each draw."""
    from scipy.stats import rankdata

    return correlation(rankdata(one, axis=1), rankdata(other, axis=1))


def r_squared(predicted: Floats, target: Floats) -> Floats:
    """1 - squared error / squared error of the training side's line, which predicts 0."""
    whole = (target**2).sum(axis=1)
    return np.asarray(1.0 - ((predicted - target) ** 2).sum(axis=1) / np.maximum(whole, 1e-12))
