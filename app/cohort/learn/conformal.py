"""Conformal sets of a binary answer: {R}, {NR}, {both} or {}, with what their size allows.

Cross-conformal (Vovk 2015, Annals of Mathematics and AI 74) by outer folds: a test person's
probability of each class is ranked among those of the other folds' people of that class, each of
whom was scored by a model that did not see them. Ranking within a class (Mondrian) keeps the
coverage of both classes. A p value beyond 1 - level puts a class into the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.arrays import Bools, Floats, Ints

SETS = ("{R}", "{NR}", "{both}", "{}")


@dataclass(frozen=True, slots=True)
class ConformalScores:
    """What a bundle stores: summary of calibration scores, nobody's own."""

    level: float
    responder_quantile: float  # a probability at least this puts R into the set
    non_responder_quantile: float  # one minus probability at least this puts NR into the set
    responders: int
    non_responders: int

    def set_of(self, probability: float) -> str:
        """One of `SETS`."""
        return set_name(
            probability >= self.responder_quantile,
            1.0 - probability >= self.non_responder_quantile,
        )


def set_name(responder: bool, non_responder: bool) -> str:
    """The set that holds these classes."""
    if responder:
        return SETS[2] if non_responder else SETS[0]
    return SETS[1] if non_responder else SETS[3]


def threshold_of(own: Floats, level: float) -> float:
    """Smallest own-class probability that still enters the set at this level.

    With n calibration people the p value of a newcomer is (1 + number not above) / (n + 1); it
    exceeds 1 - level where at least ``floor((1 - level) (n + 1))`` lie at or below. Below that many
    people every value enters (minus infinity): honest, not useful.
    """
    count = int(np.floor((1.0 - level) * (len(own) + 1) + 1e-9))
    return float(np.sort(own)[count - 1]) if count >= 1 else -np.inf


def conformal_scores(probability: Floats, labels: Bools, level: float) -> ConformalScores:
    """Thresholds from out-of-fold probabilities (person,)."""
    return ConformalScores(
        level,
        threshold_of(probability[labels], level),
        threshold_of(1.0 - probability[~labels], level),
        int(labels.sum()),
        int((~labels).sum()),
    )


def cross_conformal(probability: Floats, labels: Bools, fold: Ints, level: float) -> Ints:
    """(person,) index into `SETS`; each calibrated on the people of the other folds."""
    found = np.empty(len(labels), int)
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        scores = conformal_scores(probability[inside], labels[inside], level)
        found[outside] = [SETS.index(scores.set_of(float(one))) for one in probability[outside]]
    return found


def coverage_interval(count: int, level: float) -> list[float]:
    """95 % range of the coverage that one calibration set of this size realises.

    With n calibration people and k = ceil(level (n + 1)) the coverage given the set follows
    Beta(k, n + 1 - k) (Vovk 2012; Angelopoulos and Bates 2023, section 3.2).
    """
    from scipy.stats import beta

    k = int(np.ceil(level * (count + 1) - 1e-9))
    if k > count:
        return [1.0, 1.0]  # too few: every set holds both
    low, high = beta.ppf([0.025, 0.975], k, count + 1 - k)
    return [float(low), float(high)]


def conformal_figures(
    probability: Floats, labels: Bools, fold: Ints, level: float
) -> dict[str, Any]:
    """Shares of the four sets, coverage, and how often single answers are right.

    Parameters
    ----------
    probability, fold
        (repeat, person); figures are means over repeats.
    labels
        (person,).
    """
    shares, covered, single, by_class = [], [], [], []
    for row, folds in zip(probability, fold, strict=True):
        known = np.isfinite(row)
        sets = cross_conformal(row[known], labels[known], folds[known], level)
        y = labels[known]
        right = np.where(y, np.isin(sets, (0, 2)), np.isin(sets, (1, 2)))
        shares.append([float((sets == place).mean()) for place in range(len(SETS))])
        covered.append(float(right.mean()))
        by_class.append([float(right[y].mean()), float(right[~y].mean())])
        one = np.isin(sets, (0, 1))
        single.append(float(right[one].mean()) if one.any() else np.nan)
    smaller = int(min(labels.sum(), (~labels).sum()))
    largest = int(np.bincount(fold[0]).max())
    size = max(1, smaller - -(-largest * smaller // len(labels)))
    known_single = np.array(single)[np.isfinite(single)]
    mean = np.mean(shares, axis=0)
    return {
        "level": level,
        "share": {name: float(value) for name, value in zip(SETS, mean, strict=True)},
        "coverage": float(np.mean(covered)),
        "coverage_responders": float(np.mean(by_class, axis=0)[0]),
        "coverage_non_responders": float(np.mean(by_class, axis=0)[1]),
        "coverage_expected_interval": coverage_interval(size, level),
        "calibration_people_of_the_smaller_class": size,
        "singletons_right": float(known_single.mean()) if known_single.size else None,
    }
