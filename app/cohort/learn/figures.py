"""Figures of out-of-fold predictions, averaged over repeats, with intervals over persons.

A figure of several repeats is the mean of each repeat's. Its interval resamples persons, the same
persons in all repeats, so that repeating the split does not narrow it.

AUROC compares people of one outer fold, who were scored by one model, and no others. Scores of
different folds come from models whose intercepts lean against the people left out; pooling them
pushes the AUROC of a model that learnt nothing below 0.5 (Parker, Guenter and Bedo 2007, BMC
Bioinformatics 8), and would flatter whoever is compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cohort.logistic import sigmoid
from app.core.arrays import Bools, Floats, Ints

SMALLEST_PROBABILITY = 1e-12
MOST_AT_ONCE = 4_000_000  # numbers in one array
LARGEST_SLOPE = 100.0  # of a separable sample
EDGES = {
    "auroc": (0.0, 1.0), "balanced_accuracy": (0.0, 1.0), "sensitivity": (0.0, 1.0),
    "specificity": (0.0, 1.0), "mcc": (-1.0, 1.0),
}  # fmt: skip

# (draw, row) scores or probabilities and (draw, row) labels -> (draw,)
Batch = Callable[[Floats, Bools], Floats]


def auroc_of(scores: Floats, labels: Bools) -> Floats:
    """Area under the ROC curve of each draw, ties counted half; NaN with one class only."""
    from scipy.stats import rankdata

    ranks = rankdata(scores, axis=1)
    positive = labels.sum(axis=1).astype(float)
    negative = labels.shape[1] - positive
    wins = (ranks * labels).sum(axis=1) - 0.5 * positive * (positive + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(positive * negative > 0, wins / (positive * negative), np.nan))


def confusion(probability: Floats, labels: Bools, cutoff: float) -> tuple[Floats, ...]:
    """True and false positives, true and false negatives of each draw."""
    called = probability >= cutoff
    return (
        (called & labels).sum(axis=1).astype(float),
        (called & ~labels).sum(axis=1).astype(float),
        (~called & ~labels).sum(axis=1).astype(float),
        (~called & labels).sum(axis=1).astype(float),
    )


def sensitivity_of(probability: Floats, labels: Bools, cutoff: float) -> Floats:
    """Share of responders that are called."""
    tp, _, _, fn = confusion(probability, labels, cutoff)
    return _ratio(tp, tp + fn)


def specificity_of(probability: Floats, labels: Bools, cutoff: float) -> Floats:
    """Share of non-responders that are not."""
    _, fp, tn, _ = confusion(probability, labels, cutoff)
    return _ratio(tn, tn + fp)


def balanced_accuracy_of(probability: Floats, labels: Bools, cutoff: float) -> Floats:
    """Mean of sensitivity and specificity."""
    return 0.5 * (
        sensitivity_of(probability, labels, cutoff) + specificity_of(probability, labels, cutoff)
    )


def matthews_of(probability: Floats, labels: Bools, cutoff: float) -> Floats:
    """Matthews correlation; 0 where a row or column of the table is empty."""
    tp, fp, tn, fn = confusion(probability, labels, cutoff)
    scale = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return np.where(scale > 0, (tp * tn - fp * fn) / np.sqrt(np.maximum(scale, 1.0)), 0.0)


def brier_of(probability: Floats, labels: Bools) -> Floats:
    """Mean squared difference between probability and outcome."""
    return np.asarray(((probability - labels) ** 2).mean(axis=1))


def log_loss_of(probability: Floats, labels: Bools) -> Floats:
    """Mean negative log-likelihood, natural logarithm."""
    p = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.asarray(-np.where(labels, np.log(p), np.log1p(-p)).mean(axis=1))


def calibration_slope_of(probability: Floats, labels: Bools) -> Floats:
    """Slope of a logistic regression of the outcome on the predicted log-odds (Cox 1958).

    1 = neither too bold nor too timid; NaN where everybody has one probability, infinite where
    the probabilities tell the classes apart without a fault.
    """
    x = _logit(probability)
    centred = x - x.mean(axis=1, keepdims=True)
    spread = centred.std(axis=1)
    known = (spread > 1e-9) & (labels.any(axis=1)) & (~labels.all(axis=1))
    unit = centred / np.where(spread > 1e-9, spread, 1.0)[:, None]
    slope, intercept = np.zeros(len(x)), _logit(labels.mean(axis=1))
    for _ in range(50):
        fitted = sigmoid(slope[:, None] * unit + intercept[:, None])
        off, weight = labels - fitted, np.maximum(fitted * (1 - fitted), 1e-9)
        a, b, c = (weight * unit**2).sum(1), (weight * unit).sum(1), weight.sum(1)
        one, two = (off * unit).sum(1), off.sum(1)
        determinant = np.maximum(a * c - b * b, 1e-12)
        step = np.clip((c * one - b * two) / determinant, -2.0, 2.0)
        other = np.clip((a * two - b * one) / determinant, -2.0, 2.0)
        slope, intercept = np.clip(slope + step, -50.0, 50.0), intercept + other
        if float(np.abs(step[known]).max(initial=0.0)) < 1e-9:
            break
    found = slope / np.where(spread > 1e-9, spread, 1.0)
    clipped = np.clip(found, -LARGEST_SLOPE, LARGEST_SLOPE)
    lowest, highest = np.where(labels, x, np.inf).min(1), np.where(labels, x, -np.inf).max(1)
    above = lowest >= np.where(labels, -np.inf, x).max(1)
    below = highest <= np.where(labels, np.inf, x).min(1)
    bounded = np.where(above, np.inf, np.where(below, -np.inf, clipped))
    return np.where(known, bounded, np.nan)


def calibration_intercept_of(probability: Floats, labels: Bools) -> Floats:
    """Calibration in the large: what has to be added to all log-odds, slope 1; 0 is right."""
    x = _logit(probability)
    added = np.zeros(len(x))
    for _ in range(50):
        fitted = sigmoid(x + added[:, None])
        weight = np.maximum((fitted * (1 - fitted)).sum(1), 1e-9)
        step = np.clip((labels - fitted).sum(1) / weight, -2.0, 2.0)
        added = np.clip(added + step, -50.0, 50.0)
        if float(np.abs(step).max(initial=0.0)) < 1e-9:
            break
    both = labels.any(axis=1) & ~labels.all(axis=1)
    return np.where(both, added, np.nan)


def figure_of(name: str, cutoff: float) -> Batch:
    """The function of a figure; AUROC takes log-odds, all others probabilities."""
    with_cutoff: Mapping[str, Callable[[Floats, Bools, float], Floats]] = {
        "balanced_accuracy": balanced_accuracy_of,
        "mcc": matthews_of,
        "sensitivity": sensitivity_of,
        "specificity": specificity_of,
    }
    plain: Mapping[str, Batch] = {
        "auroc": auroc_of,
        "brier": brier_of,
        "log_loss": log_loss_of,
        "calibration_slope": calibration_slope_of,
        "calibration_intercept": calibration_intercept_of,
    }
    if name in plain:
        return plain[name]
    function = with_cutoff[name]
    return lambda probability, labels: function(probability, labels, cutoff)


@dataclass(frozen=True, slots=True)
class Scores:
    """Out-of-fold answers of one model."""

    log_odds: Floats  # (repeat, row), uncalibrated; NaN where a row was never tested
    probability: Floats  # (repeat, row), calibrated by the inner folds
    fold: Ints | None = None  # (repeat, row) whose model scored a row; None = one for all

    def rows(self, index: Ints) -> Scores:
        """The same for some people."""
        fold = None if self.fold is None else self.fold[:, index]
        return Scores(self.log_odds[:, index], self.probability[:, index], fold)


def value_of(name: str, scores: Scores, labels: Bools, cutoff: float) -> float:
    """One figure, mean over repeats; NaN where it cannot be computed."""
    if name == "auroc":
        found = np.array([_share(*wins) for wins in _wins(scores, labels)])
    else:
        batch, probability = figure_of(name, cutoff), _measurable(name, scores)
        found = batch(probability, np.broadcast_to(labels, probability.shape))
    return float(_mean_known(found))


def drawn_of(name: str, scores: Scores, labels: Bools, draws: Ints, cutoff: float) -> Floats:
    """(draw,) the same figure in each draw of persons; NaN where undefined."""
    if name != "auroc":
        return resampled(figure_of(name, cutoff), _measurable(name, scores), labels, draws)
    count = np.stack([np.bincount(rows, minlength=len(labels)) for rows in draws]).astype(float)
    one, other = count[:, labels], count[:, ~labels]
    each = []
    for won, pairs in _wins(scores, labels):
        whole = ((one @ pairs) * other).sum(axis=1)
        part = ((one @ won) * other).sum(axis=1)
        each.append(np.where(whole > 0, part / np.maximum(whole, 1.0), np.nan))
    return _mean_known(np.stack(each))


def _wins(scores: Scores, labels: Bools) -> list[tuple[Floats, Floats]]:
    """Of each repeat: (responder, other) 1 where the responder ranks higher, 0.5 for a tie; and 1
    where the two were scored by one model."""
    found = []
    for place, row in enumerate(scores.log_odds):
        one, other = row[labels][:, None], row[~labels][None, :]
        pairs = np.ones((one.size, other.size))
        if scores.fold is not None:
            fold = scores.fold[place]
            pairs = (fold[labels][:, None] == fold[~labels][None, :]).astype(float)
        won = ((one > other) + 0.5 * (one == other)) * pairs
        found.append((won, pairs))
    return found


def _share(won: Floats, pairs: Floats) -> float:
    return float(won.sum() / pairs.sum()) if pairs.sum() else float("nan")


def _measurable(name: str, scores: Scores) -> Floats:
    """(repeat, row) probabilities of repeats in which the figure means something.

    The calibration slope of one probability for all, or of one for all of a fold, would be that
    of the folds' base rates, which lean against the people left out.
    """
    if name != "calibration_slope" or scores.fold is None:
        return scores.probability
    kept = np.zeros(len(scores.probability), np.bool_)
    for place, (row, fold) in enumerate(zip(scores.probability, scores.fold, strict=True)):
        varied = [np.ptp(row[fold == one]) > 1e-9 for one in np.unique(fold)]
        kept[place] = np.array(varied)[np.unique(fold, return_inverse=True)[1]].mean() >= 0.5
    return scores.probability[kept]


def _mean_known(values: Floats) -> Floats:
    """Mean over the first axis of what is known, be it infinite; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        summed = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, summed / np.maximum(count, 1), np.nan))


def draws_of(people: Sequence[str], repeats: int, seed: int) -> Ints:
    """(draw, row) persons resampled with replacement, all rows of a person together.

    Where people differ in their number of rows, draws are cut or filled to one length.
    """
    names = list(dict.fromkeys(people))
    rng = np.random.default_rng([seed, 303])
    if len(names) == len(people):
        return np.asarray(rng.integers(0, len(people), (repeats, len(people))))
    rows = {name: [i for i, one in enumerate(people) if one == name] for name in names}
    found = np.empty((repeats, len(people)), int)
    for draw in range(repeats):
        taken: list[int] = []
        while len(taken) < len(people):
            taken += rows[names[int(rng.integers(len(names)))]]
        found[draw] = taken[: len(people)]
    return found


def resampled(batch: Batch, values: Floats, labels: Bools, draws: Ints) -> Floats:
    """(draw,) the figure's mean over repeats in each draw of persons; NaN where undefined."""
    found = np.full(len(draws), np.nan)
    if not len(values):
        return found
    at_once = max(1, MOST_AT_ONCE // max(1, values.size))
    for start in range(0, len(draws), at_once):
        rows = draws[start : start + at_once]
        drawn = labels[rows]
        found[start : start + at_once] = _mean_known(
            np.stack([batch(one[rows], drawn) for one in values])
        )
    return found


def interval_of(drawn: Floats, level: float = 0.95) -> list[float] | None:
    """Percentile interval of finite draws; None where too few are, or a limit is infinite."""
    if np.isinf(drawn).mean() > 0.5 * (1.0 - level):
        return None
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.5 * len(drawn):
        return None
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(known, [tail, 100.0 - tail])
    return [float(low), float(high)]


def figures_of(
    scores: Scores, labels: Bools, draws: Ints, names: Sequence[str], cutoff: float
) -> dict[str, Any]:
    """Each figure with its 95 % interval; None where it cannot be computed."""
    found: dict[str, Any] = {}
    for name in (*names, "sensitivity", "specificity"):
        value = value_of(name, scores, labels, cutoff)
        interval = interval_of(drawn_of(name, scores, labels, draws, cutoff))
        found[name] = value if np.isfinite(value) else None
        found[f"{name}_interval"] = around(value, interval, edge_reach(name, value, labels))
    return found


def edge_reach(name: str, value: float, labels: Bools) -> tuple[float, float]:
    """How far below and above a figure at its end the truth may lie, where no draw differs.

    A bootstrap of people who are all told apart has no width. Exact limits of n of n are those of
    Clopper and Pearson (1934); n is of the class that counts, or of the smaller one.
    """
    responders = int(labels.sum())
    smaller = min(responders, len(labels) - responders)
    people = {"sensitivity": responders, "specificity": len(labels) - responders}.get(name, smaller)
    if name not in EDGES or people < 1:
        return 0.0, 0.0
    low, high = EDGES[name]
    reach = (high - low) * (1.0 - 0.025 ** (1.0 / people))
    return (reach if value >= high - 1e-9 else 0.0), (reach if value <= low + 1e-9 else 0.0)


def around(
    value: float, interval: list[float] | None, reach: tuple[float, float] = (0.0, 0.0)
) -> list[float] | None:
    """The interval, widened to hold its own value where a percentile fell beside it, and what
    `reach` says lies below and above it."""
    if interval is None or not np.isfinite(value):
        return None
    return [min(interval[0], value - reach[0]), max(interval[1], value + reach[1])]


def _logit(probability: Floats) -> Floats:
    p = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.asarray(np.log(p) - np.log1p(-p))


def _ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan))
