"""One model against another on the same people and folds.

Two answers: a paired bootstrap over persons of out-of-fold predictions (AUROC within folds, as
`figures` says), and the corrected repeated cross-validation test, whose variance counts that
training sets overlap (Nadeau and Bengio 2003, Machine Learning 52; Bouckaert and Frank 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.cohort.learn.contenders import COVARIATE_RIVALS
from app.cohort.learn.evaluate import Evaluation, ModelScores
from app.cohort.learn.figures import (
    Scores,
    around,
    drawn_of,
    edge_reach,
    figure_of,
    figures_of,
    interval_of,
    value_of,
)
from app.cohort.learn.splits import Splits
from app.core.arrays import Bools, Floats, Ints

BY_FOLD = ("auroc", "balanced_accuracy", "mcc", "brier", "log_loss")
FEWEST_DIFFERENCES = 3
RANGES = {"auroc": (0.0, 1.0), "balanced_accuracy": (0.0, 1.0), "mcc": (-1.0, 1.0),
          "brier": (0.0, 1.0)}  # what a figure can be  # fmt: skip


def differences_by_fold(
    name: str, one: ModelScores, other: ModelScores, labels: Bools, splits: Splits, cutoff: float
) -> Floats:
    """(fold,) figure of `one` minus that of `other` on each outer fold; NaN where undefined."""
    return values_by_fold(name, one.scores, labels, splits, cutoff) - values_by_fold(
        name, other.scores, labels, splits, cutoff
    )


def values_by_fold(
    name: str, scores: Scores, labels: Bools, splits: Splits, cutoff: float
) -> Floats:
    """(fold,) one figure on each outer fold; NaN where undefined."""
    batch = figure_of(name, cutoff)
    values = scores.log_odds if name == "auroc" else scores.probability
    return np.array([
        float(batch(values[fold.repeat, fold.test][None], labels[fold.test][None])[0])
        for fold in splits
    ])  # fmt: skip


def own_figures(
    scores: Scores, labels: Bools, draws: Ints, names: Sequence[str], cutoff: float, splits: Splits
) -> dict[str, Any]:
    """As `figures_of`; the interval of what a fold has of its own is the wider of two.

    The bootstrap holds the models fixed. Of models that learnt nothing it leaves 0.5 out three
    times as often as it says, since every set of training people gives another model; the corrected
    test over folds counts that.
    """
    found, share = figures_of(scores, labels, draws, names, cutoff), test_share_of(splits)
    for name in names:
        if name in BY_FOLD:
            tested = corrected_test(values_by_fold(name, scores, labels, splits, cutoff), share)
            key = f"{name}_interval"
            found[key] = wider_of(found[key], tested, RANGES.get(name, (0.0, np.inf)))
    return found


def corrected_test(differences: Floats, test_share: float) -> dict[str, float] | None:
    """Corrected resampled t-test of repeated cross-validation.

    Parameters
    ----------
    differences
        (repeat x fold,) of one figure; NaN are left out.
    test_share
        Test rows over training rows of a fold, 1 / (k - 1) for k folds.

    Returns
    -------
    Mean difference, its 95 % interval, t and two-sided p with one degree of freedom less than
    differences; None where there are fewer than three, or none differs.
    """
    from scipy.stats import t as student

    known = differences[np.isfinite(differences)]
    count = len(known)
    if count < FEWEST_DIFFERENCES:
        return None
    mean, variance = float(known.mean()), float(known.var(ddof=1))
    error = float(np.sqrt((1.0 / count + test_share) * variance))
    if error <= 0.0:
        return None
    value = mean / error
    reach = float(student.ppf(0.975, count - 1)) * error
    return {
        "mean": mean,
        "low": mean - reach,
        "high": mean + reach,
        "t": value,
        "p_value": float(2.0 * student.sf(abs(value), count - 1)),
        "folds": float(count),
    }


def wider_of(
    interval: list[float] | None,
    tested: dict[str, float] | None,
    possible: tuple[float, float] = (-np.inf, np.inf),
) -> list[float] | None:
    """On either side the wider of a bootstrap interval and that of the corrected test.

    With few folds Student's t reaches beyond what the figure can be: its side is cut at
    `possible`, lowest and highest; the bootstrap's is never narrowed.
    """
    if interval is None or tested is None:
        return interval
    low, high = possible
    return [
        min(interval[0], max(tested["low"], low)), max(interval[1], min(tested["high"], high))
    ]  # fmt: skip


def paired_difference(
    name: str,
    one: ModelScores,
    other: ModelScores,
    labels: Bools,
    draws: Ints,
    cutoff: float,
    *,
    least: float = -np.inf,
) -> dict[str, Any]:
    """Difference of one figure, with the same persons drawn for both.

    `least` is what the other's figure counts as where it is lower: 0.5 keeps a rival that ranks
    worse than nobody from flattering the model.
    """
    theirs = value_of(name, other.scores, labels, cutoff)
    own = value_of(name, one.scores, labels, cutoff)
    value = own - max(theirs, least)
    rival = drawn_of(name, other.scores, labels, draws, cutoff)
    with np.errstate(invalid="ignore"):  # slopes of two that both tell everybody apart
        drawn = drawn_of(name, one.scores, labels, draws, cutoff) - np.maximum(rival, least)
    (below, above), (low, high) = (
        edge_reach(name, figure, labels) for figure in (own, max(theirs, least))
    )
    reach = max(below, high), max(above, low)
    return {
        "difference": value if np.isfinite(value) else None,
        "interval": around(value, interval_of(drawn), reach),
    }


def possible_difference(
    name: str,
    other: ModelScores,
    labels: Bools,
    draws: Ints,
    cutoff: float,
    *,
    least: float = -np.inf,
) -> tuple[float, float]:
    """How far a figure can be from the other's, which lies where the bootstrap puts it.

    A rival that counts at least as 0.5 leaves 0.5 to be gained, and no more.
    """
    worst, best = RANGES.get(name, (-np.inf, np.inf))
    ends = interval_of(drawn_of(name, other.scores, labels, draws, cutoff)) or [worst, best]
    low, high = (max(one, least) for one in ends)
    return worst - high, best - low


def compare(
    evaluation: Evaluation, one: str, other: str, draws: Ints, names: Sequence[str]
) -> dict[str, Any]:
    """All figures of one pair of models.

    ``interval`` is the wider of ``bootstrap_interval``, which holds the models fixed, and of the
    corrected test's, cut as `possible_difference` says.
    """
    cohort, splits = evaluation.cohort, evaluation.splits
    cutoff = cohort.plan.protocol.cutoff
    mine, theirs = evaluation.models[one], evaluation.models[other]
    share = test_share_of(splits)
    found: dict[str, Any] = {}
    for name in names:
        entry = paired_difference(name, mine, theirs, cohort.labels, draws, cutoff)
        entry["corrected_test"] = (
            corrected_test(
                differences_by_fold(name, mine, theirs, cohort.labels, splits, cutoff), share
            )
            if name in BY_FOLD
            else None  # a fold of a few people has no calibration of its own
        )
        entry["bootstrap_interval"] = entry["interval"]
        possible = possible_difference(name, theirs, cohort.labels, draws, cutoff)
        if name == "log_loss":  # 0 at least, so a difference is no more than one side's own loss
            ends = [
                interval_of(drawn_of(name, side.scores, cohort.labels, draws, cutoff))
                for side in (theirs, mine)
            ]
            possible = (
                -np.inf if ends[0] is None else -ends[0][1],
                np.inf if ends[1] is None else ends[1][1],
            )
        entry["interval"] = wider_of(entry["interval"], entry["corrected_test"], possible)
        found[name] = entry
    return found


def test_share_of(splits: Splits) -> float:
    """Mean over folds of test rows over training rows."""
    return float(np.mean([len(fold.test) / len(fold.training) for fold in splits]))


def best_covariate_rival(evaluation: Evaluation) -> str | None:
    """The covariate-only model with the highest out-of-fold AUROC; None where none was judged."""
    labels = evaluation.cohort.labels
    found = {
        name: value_of("auroc", one.scores, labels, 0.5)
        for name, one in evaluation.models.items()
        if name in COVARIATE_RIVALS
    }
    return max(found, key=lambda name: found[name]) if found else None
