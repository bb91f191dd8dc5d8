"""Figures of the primary, continuous outcome: the baseline-adjusted improvement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from app.cohort.learn.continuous import Adjustment
from app.cohort.learn.evaluate import Evaluation, ModelScores
from app.cohort.learn.figures import around, draws_of, interval_of
from app.core.arrays import Floats, Ints


def continuous_figures(evaluation: Evaluation, draws: Ints) -> dict[str, Any] | None:
    """Each model's figures; None where the outcome holds labels alone.

    Regressions (linear models) give r, R^2 against the mean of the training side, and the mean
    absolute error of what they predict; every model gives the rank correlation of its log-odds
    with the adjusted improvement. Persons are resampled; means over repeats.
    """
    cohort = evaluation.cohort
    continuous = cohort.outcome.continuous()
    if continuous is None:
        return None
    name, improvement = continuous
    baseline = cohort.outcome.baseline
    adjusted = Adjustment.fit(improvement, baseline).left(improvement, baseline)
    rows = np.flatnonzero(np.isfinite(adjusted))
    names = [cohort.identifiers[i] for i in rows]
    drawn = draws_of(names, len(draws), cohort.plan.protocol.seed)
    return {
        "outcome": name,
        "adjusted_for_baseline": baseline is not None,
        "mean": float(np.nanmean(improvement)),
        "sd": float(np.nanstd(improvement, ddof=1)),
        "known": len(rows),
        "models": {key: _of(one, adjusted, rows, drawn) for key, one in evaluation.models.items()},
    }


def _of(model: ModelScores, adjusted: Floats, rows: Ints, draws: Ints) -> dict[str, Any]:
    scores = model.scores.log_odds[:, rows]
    truth = np.broadcast_to(adjusted[rows], scores.shape)
    found = _figure("rank_correlation", rank_correlation, scores, truth, draws)
    if model.predicted is None or model.target is None:
        return found
    predicted, target = model.predicted[:, rows], model.target[:, rows]
    for name, batch in (("r", correlation), ("r_squared", r_squared), ("absolute_error", error)):
        found |= _figure(name, batch, predicted, target, draws)
    return found


def _figure(
    name: str, batch: Callable[[Floats, Floats], Floats], one: Floats, other: Floats, draws: Ints
) -> dict[str, Any]:
    value = float(batch(one, other).mean())
    drawn = np.mean([batch(a[draws], b[draws]) for a, b in zip(one, other, strict=True)], axis=0)
    interval = around(value, interval_of(np.asarray(drawn)))
    return {name: value if np.isfinite(value) else None, f"{name}_interval": interval}


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


def error(predicted: Floats, target: Floats) -> Floats:
    """Mean absolute error."""
    return np.asarray(np.abs(predicted - target).mean(axis=1))
