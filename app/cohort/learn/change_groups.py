"""The continuous outcome within sites and sexes, and how it grows with the training people.

R^2 within a group is the share of what the training people's line on the score before treatment
leaves *of these people*: where a group changes more or less than the line says, both the line and
the model pay for it. Intervals are bootstraps over the group's persons, the model held fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.cohort.learn.continuous_figures import (
    MOST_DRAWS,
    Errors,
    correlation_within,
    folds_of,
)
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.figures import around, draws_of, interval_of
from app.core.arrays import Floats, Ints

FEWEST = 5  # people whose change is known, for a figure
TOO_FEW = "too few people with a known change for a figure"
FIGURES = ("r_squared", "r", "absolute_error")


def change_by_group(evaluation: Evaluation, groups: Sequence[str]) -> dict[str, Any]:
    """R^2, correlation and absolute error of the headline in each group; {} without a change.

    Parameters
    ----------
    groups
        (row,) site, sex and the like.
    """
    cohort, headline = evaluation.cohort, evaluation.headline
    if cohort.change is None or headline.predicted is None or headline.target is None:
        return {}
    place, known = np.asarray(groups), np.isfinite(headline.target).all(axis=0)
    protocol, found = cohort.plan.protocol, dict[str, Any]()
    for group in sorted(set(groups)):
        there = place == group
        rows = np.flatnonzero(there & known)
        entry: dict[str, Any] = {"people": int(there.sum()), "known": len(rows)}
        if len(rows) < FEWEST:
            entry["note"] = TOO_FEW
        else:
            names = [cohort.identifiers[int(i)] for i in rows]
            draws = draws_of(names, min(protocol.bootstrap_repeats, MOST_DRAWS), protocol.seed)
            entry |= figures_of_change(
                headline.predicted[:, rows], headline.target[:, rows], folds_of(headline, rows),
                draws,
            )  # fmt: skip
        found[group] = entry
    return found


def figures_of_change(predicted: Floats, target: Floats, fold: Ints, draws: Ints) -> dict[str, Any]:
    """R^2, correlation and absolute error with bootstrap intervals.

    Parameters
    ----------
    predicted, target
        (repeat, row), known of everybody.
    fold
        (repeat, row) outer fold, within which correlations are taken.
    draws
        (draw, row) as `draws_of` gives them.
    """
    count = target.shape[1]
    errors = Errors.of(predicted, target)
    counts = np.stack([np.bincount(one, minlength=count) for one in draws]).astype(float)
    everybody = np.ones((1, count))
    drawn = {
        "r_squared": errors.r_squared(counts),
        "r": correlation_within(predicted, target, fold, counts),
        "absolute_error": errors.absolute_error(counts),
    }
    values = {
        "r_squared": float(errors.r_squared(everybody)[0]),
        "r": float(correlation_within(predicted, target, fold, everybody)[0]),
        "absolute_error": float(errors.absolute_error(everybody)[0]),
    }
    found: dict[str, Any] = {}
    for name in FIGURES:
        interval = interval_of(np.asarray(drawn[name]))
        found |= {name: values[name], f"{name}_interval": around(values[name], interval)}
    return found
