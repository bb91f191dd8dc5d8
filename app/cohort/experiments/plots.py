"""Data of an evaluation's plots: calibration, decisions at the cut-off, decision curve.

Several repeats of the split are pooled, so that each person counts once in all: a share of
2 people in 20 repeats counts as 2 people, not 40.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats
from app.reporting.evaluation.facts import CalibrationPlot, Confusion, DecisionCurve

SMALLEST_GROUP = 10  # people
MOST_GROUPS = 10
THRESHOLDS = np.round(np.linspace(0.05, 0.95, 91), 2)


def exact_interval(successes: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share; counts may be means over repeats."""
    from scipy.stats import beta

    tail = 0.5 * (1.0 - level)
    low = 0.0 if successes <= 0 else float(beta.ppf(tail, successes, count - successes + 1))
    high = (
        1.0 if successes >= count else float(beta.ppf(1 - tail, successes + 1, count - successes))
    )
    return low, high


def calibration_plot(probability: Floats, labels: Bools) -> CalibrationPlot:
    """Groups of equal size by predicted probability.

    Parameters
    ----------
    probability
        (repeat, person), out of fold.
    labels
        (person,).
    """
    repeats, people = probability.shape
    groups = int(np.clip(people // SMALLEST_GROUP, 2, MOST_GROUPS))
    flat, outcome = probability.ravel(), np.broadcast_to(labels, probability.shape).ravel()
    order = np.argsort(flat, kind="stable")
    rows = []
    for members in np.array_split(order, groups):
        count, met = len(members) / repeats, float(outcome[members].sum()) / repeats
        low, high = exact_interval(met, count)
        rows.append((float(flat[members].mean()), met / count, low, high, count))
    found = np.array(rows)
    return CalibrationPlot(
        found[:, 0], found[:, 1], found[:, 2], found[:, 3], found[:, 4], probability.mean(axis=0)
    )


def confusion_at(probability: Floats, labels: Bools, cutoff: float, origin: str) -> Confusion:
    """Counts at the cut-off, mean over repeats."""
    called = probability >= cutoff
    return Confusion(
        float((called & labels).sum(axis=1).mean()),
        float((called & ~labels).sum(axis=1).mean()),
        float((~called & labels).sum(axis=1).mean()),
        float((~called & ~labels).sum(axis=1).mean()),
        cutoff,
        origin,
    )


def net_benefit(probability: Floats, labels: Bools, thresholds: Floats) -> Floats:
    """(threshold,) of Vickers and Elkin (2006): true positives minus weighted false ones, by n."""
    count = probability.size
    outcome = np.broadcast_to(labels, probability.shape)
    found = np.empty(len(thresholds))
    for place, threshold in enumerate(thresholds):
        called = probability >= threshold
        hits, misses = float((called & outcome).sum()), float((called & ~outcome).sum())
        found[place] = hits / count - misses / count * threshold / (1.0 - threshold)
    return found


def decision_curve(models: list[tuple[str, Floats]], labels: Bools) -> DecisionCurve:
    """Net benefit of some models, (repeat, person) probabilities each, beside everybody."""
    rate = float(labels.mean())
    everybody = rate - (1.0 - rate) * THRESHOLDS / (1.0 - THRESHOLDS)
    curves = tuple((label, net_benefit(one, labels, THRESHOLDS)) for label, one in models)
    return DecisionCurve(THRESHOLDS, everybody, curves)
