"""Nested cross-validation by person: penalties chosen inside, scores from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.training import Block, choose_strengths, fit_head, folds_of
from app.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Log-odds of people by models that did not see them."""

    log_odds: Floats  # (person,)
    fold: Ints  # (person,)
    strengths: tuple[tuple[float, ...], ...]  # chosen in each outer fold


def nested_cross_validation(
    blocks: Sequence[Block],
    labels: Bools,
    identifiers: Sequence[str],
    *,
    outer_folds: int,
    inner_folds: int,
    seed: int,
) -> OutOfFold:
    """Out-of-fold log-odds of everybody.

    Parameters
    ----------
    blocks, labels
        All people.
    identifiers
        One a person; checked to be disjoint between the training and test side of each fold.
    outer_folds, inner_folds, seed
        The split; the same seed gives the same folds.

    Raises
    ------
    ValueError
        When a person is on both sides of a fold.
    """
    fold = folds_of(labels, outer_folds, seed)
    scores = np.empty(len(labels))
    chosen = []
    for number in range(outer_folds):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        refuse_overlap([identifiers[i] for i in inside], [identifiers[i] for i in outside])
        training = [block.rows(inside) for block in blocks]
        strengths = choose_strengths(training, labels[inside], inner_folds, seed + 1)
        head = fit_head(training, labels[inside], strengths)
        scores[outside] = head.log_odds([block.rows(outside) for block in blocks])
        chosen.append(strengths)
    return OutOfFold(scores, fold, tuple(chosen))


def refuse_overlap(training: Sequence[str], test: Sequence[str]) -> None:
    """Nobody may be trained on and tested on.

    Raises
    ------
    ValueError
        Naming how many are on both sides.
    """
    both = set(training) & set(test)
    if both:
        raise ValueError(f"{len(both)} people are on both sides of the split.")
