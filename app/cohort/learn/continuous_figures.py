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
    both have one interval, the wider of two; those of correlations and absolute errors are the
    wider of a bootstrap over persons and of the corrected test over folds, too. Correlations are
    taken within outer folds: pooled ones of models that learnt nothing lie below 0, as AUROCs do
    below 0.5 (see `figures`).

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
        } | _of(one, errors[key], adjusted, rows, counts, evaluation.splits)
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
    model: ModelScores,
    errors: Errors,
    adjusted: Floats,
    rows: Ints,
    counts: Floats,
    splits: Splits,
) -> dict[str, Any]:
    assert model.predicted is not None
    assert model.target is not None
    predicted, target = model.predicted[:, rows], model.target[:, rows]
    scores = model.scores.log_odds[:, rows]
    truth = np.broadcast_to(adjusted[rows], scores.shape)
    fold, share = folds_of(model, rows), test_share_of(splits)
    error = _figure("absolute_error", errors.absolute_error, counts)
    tested = corrected_test(by_fold(errors.absolute, splits, rows), share)
    key = "absolute_error_interval"
    ranked = ranks_within(scores, fold), ranks_within(truth, fold)
    return (
        _figure("r_squared", errors.r_squared, counts)
        | correlated("r", predicted, target, fold, counts, share)
        | error
        | {key: wider_of(error[key], tested, (0.0, np.inf))}
        | correlated("rank_correlation", *ranked, fold, counts, share)
    )


def _figure(name: str, batch: Callable[[Floats], Floats], counts: Floats) -> dict[str, Any]:
    value = float(batch(np.ones((1, counts.shape[1])))[0])
    return {name: value, f"{name}_interval": around(value, interval_of(batch(counts)))}


def correlated(
    name: str, one: Floats, other: Floats, fold: Ints, counts: Floats, test_share: float
) -> dict[str, Any]:
    """`correlation_within` with the wider of two intervals; `test_share` as `corrected_test`."""
    value = float(correlation_within(one, other, fold, np.ones((1, counts.shape[1])))[0])
    interval = around(value, interval_of(correlation_within(one, other, fold, counts)))
    tested = corrected_test(_correlations(one, other, fold), test_share)
    return {name: value, f"{name}_interval": wider_of(interval, tested, (-1.0, 1.0))}


def _correlations(one: Floats, other: Floats, fold: Ints) -> Floats:
    """Pearson's r of each outer fold with three people or more."""
    found = []
    for x, y, place in zip(one, other, fold, strict=True):
        own = [place == number for number in np.unique(place)]
        found += [
            float(correlation(x[there][None], y[there][None])[0]) for there in own if sum(there) > 2
        ]
    return np.array(found)


def folds_of(model: ModelScores, rows: Ints) -> Ints:
    """(repeat, row) outer fold of these people; one for all where a single model scored them."""
    fold = model.scores.fold
    shape = model.scores.log_odds[:, rows].shape
    return np.zeros(shape, int) if fold is None else fold[:, rows]


def correlation_within(one: Floats, other: Floats, fold: Ints, counts: Floats) -> Floats:
    """Pearson's r of people beside those of their own outer fold, mean over repeats.

    Parameters
    ----------
    one, other
        (repeat, row).
    fold
        (repeat, row): every fold's mean is taken out of both sides first.
    counts
        (draw, row): how often a person was drawn.

    Returns
    -------
    (draw,); 0 where one side never varies.
    """
    found = []
    for x, y, place in zip(one, other, fold, strict=True):
        member = (place[:, None] == np.unique(place)[None, :]).astype(float)  # (row, fold)
        people = np.maximum(counts @ member, 1e-12)
        sums = [counts @ (member * values[:, None]) for values in (x, y)]
        xy, xx, yy = (
            counts @ (a * b) - (s * t / people).sum(axis=1)
            for a, b, s, t in (
                (x, y, *sums), (x, x, sums[0], sums[0]), (y, y, sums[1], sums[1])
            )
        )  # fmt: skip
        size = np.sqrt(np.maximum(xx, 0.0) * np.maximum(yy, 0.0))
        found.append(np.where(size > 1e-9, xy / np.maximum(size, 1e-9), 0.0))
    return np.asarray(np.mean(found, axis=0))


def ranks_within(values: Floats, fold: Ints) -> Floats:
    """(repeat, row) rank within the outer fold, 0 to 1, so that folds of any size weigh alike."""
    from scipy.stats import rankdata

    found = np.zeros(values.shape)
    for row, place, ranks in zip(values, fold, found, strict=True):
        for number in np.unique(place):
            own = place == number
            ranks[own] = (rankdata(row[own]) - 0.5) / own.sum()
    return found


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


def r_squared(predicted: Floats, target: Floats) -> Floats:
    """1 - squared error / squared error of the training side's line, which predicts 0."""
    whole = (target**2).sum(axis=1)
    return np.asarray(1.0 - ((predicted - target) ** 2).sum(axis=1) / np.maximum(whole, 1e-12))
