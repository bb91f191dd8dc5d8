"""Refits on resampled people, calibration included: the interval of a person's own probability.

People are drawn with replacement; the head is fitted on them, and its calibration on their
out-of-fold log-odds, a person drawn twice lying in one fold with both copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cohort.calibration import FITS, Method
from app.cohort.learn.contender import AnyModel, Inputs
from app.cohort.learn.heads import Heads
from app.cohort.learn.people_folds import person_draws, person_folds
from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.people import MINIMUM_PER_CLASS
from app.models.card import Calibration

FOLDS = 5
WHOLE_FOLDS = 3  # of whole models, each of which takes minutes
Arrays = Mapping[str, Any]
Calibrate = Callable[[Floats, Bools], Calibration]
Keep = Callable[[int, Callable[[], Arrays]], Arrays]  # number, how to compute it


def keep_nothing(_number: int, compute: Callable[[], Arrays]) -> Arrays:
    """For refits that take no time."""
    return compute()


@dataclass(frozen=True, slots=True)
class Refits:
    """Heads alone; nobody's features."""

    weights: Floats  # (refit, feature), of centred features, float32
    bias: Floats  # (refit,)
    calibration: Floats  # (refit, 2) slope and intercept


def refit_heads(
    heads: Heads,
    labels: Bools,
    identifiers: Sequence[str],
    *,
    repeats: int,
    seed: int,
    progress: Progress,
    keep: Keep = keep_nothing,
    calibration: Method = "platt",
) -> Refits:
    """Refit a fitted model's head on resampled people.

    Parameters
    ----------
    heads
        Of the model that was fitted on all of these people.
    labels, identifiers
        Of the training; rows of one person are drawn together.
    repeats, seed
        How many refits, and where the draws come from.
    progress
        Told after each.
    calibration
        How each refit's out-of-fold log-odds become probabilities.
    keep
        Gives a finished refit back instead of computing it.

    Raises
    ------
    ModelError
        ``model.refits`` where too few people of a class are left in every draw.
    """
    draws = person_draws(identifiers, labels, repeats, seed, heads.fewest)
    fold = person_folds(identifiers, labels, seed, FOLDS)
    weights, bias, calibrations = [], [], []
    for number, drawn in enumerate(draws):

        def compute(drawn: Ints = drawn, number: int = number) -> Arrays:
            return _refit(
                heads, drawn, labels[drawn], fold[drawn], seed + number, FITS[calibration]
            )

        found = keep(number, compute)
        weights.append(np.asarray(found["weights"]))
        bias.append(float(found["bias"]))
        calibrations.append(np.asarray(found["calibration"], float))
        progress.step((number + 1) / len(draws), f"refit {number + 1} of {len(draws)}")
    if not weights:
        raise _too_few()
    full = heads.whole(np.stack(weights))
    return Refits(np.asarray(full, np.float32), np.array(bias), np.stack(calibrations))


def _refit(
    heads: Heads, drawn: Ints, labels: Bools, fold: Ints, seed: int, calibrate: Calibrate
) -> Arrays:
    weights, bias = heads.fit(drawn, seed)
    scores = np.zeros(len(drawn))
    for place in range(FOLDS):
        inside, outside = fold != place, fold == place
        inner, moved = heads.fit(drawn[inside], seed)
        scores[outside] = heads.rows[drawn[outside]] @ inner + moved
    found = calibrate(scores, labels)
    return {"weights": weights, "bias": bias, "calibration": [found.slope, found.intercept]}


@dataclass(frozen=True, slots=True)
class WholeModels:
    """Small models stored whole."""

    values: Floats  # (refit, value), float32
    calibration: Floats  # (refit, 2) slope and intercept


def whole_refits(
    contender: AnyModel,
    inputs: Inputs,
    identifiers: Sequence[str],
    *,
    repeats: int,
    seed: int,
    progress: Progress,
    keep: Keep = keep_nothing,
    calibration: Method = "platt",
) -> WholeModels:
    """Refit small models whole, each with a calibration of its own.

    A person drawn twice counts once: such a model splits its people by itself, and a copy would
    lie on both sides.
    """
    labels, values, calibrations = inputs.labels, [], []
    fewest = MINIMUM_PER_CLASS + WHOLE_FOLDS
    draws = person_draws(identifiers, labels, repeats, seed, fewest)
    fold = person_folds(identifiers, labels, seed, WHOLE_FOLDS)

    for number, drawn in enumerate(draws):
        kept = np.unique(drawn)

        def compute(kept: Ints = kept, number: int = number) -> Arrays:
            scores = np.zeros(len(kept))
            for place in range(WHOLE_FOLDS):
                outside = fold[kept] == place
                model = _fitted(contender, inputs, kept[~outside], seed + number)
                scores[outside] = _asked(model, inputs, kept[outside])
            found = FITS[calibration](scores, labels[kept])
            return {
                "values": _fitted(contender, inputs, kept, seed + number).trained_values(),
                "calibration": [found.slope, found.intercept],
            }

        one = keep(number, compute)
        values.append(np.asarray(one["values"], np.float32))
        calibrations.append(np.asarray(one["calibration"], float))
        progress.step((number + 1) / len(draws), f"refit {number + 1} of {len(draws)}")
    if not values:
        raise _too_few()
    return WholeModels(np.stack(values), np.stack(calibrations))


def spread_of_refits(
    contender: AnyModel,
    inputs: Inputs,
    identifiers: Sequence[str],
    *,
    repeats: int,
    seed: int,
    progress: Progress,
    keep: Keep = keep_nothing,
) -> float:
    """Standard deviation of a person's log-odds over whole refits, mean over people left out.

    For models whose refits are as large as the model. Each person counts where a draw left them
    out of training.
    """
    labels = inputs.labels
    found = np.full((repeats, len(labels)), np.nan)
    fewest = MINIMUM_PER_CLASS + 2
    for number, drawn in enumerate(person_draws(identifiers, labels, repeats, seed, fewest)):
        kept = np.unique(drawn)  # each once: a copy in an inner fold would be seen in training
        outside = np.setdiff1d(np.arange(len(labels)), kept)

        def compute(kept: Ints = kept, outside: Ints = outside, number: int = number) -> Arrays:
            model = _fitted(contender, inputs, kept, seed + number)
            return {"log_odds": _asked(model, inputs, outside)}

        found[number, outside] = keep(number, compute)["log_odds"]
        progress.step((number + 1) / repeats, f"refit {number + 1} of {repeats}")
    there = np.isfinite(found)
    enough = there.sum(axis=0) >= 2
    if not enough.any():
        return 0.0
    columns = [row[ok].var(ddof=1) for row, ok in zip(found.T, there.T, strict=True)
               if ok.sum() >= 2]  # fmt: skip
    return float(np.sqrt(np.mean(columns)))


def _fitted(contender: AnyModel, inputs: Inputs, rows: Ints, seed: int) -> Any:
    """A whole model, fitted on some people."""
    people = inputs.people.rows(rows)
    return contender.fresh().fit(
        people.series, people.connectivity, people.covariates, inputs.labels[rows],
        seed=seed, progress=Progress(),
    )  # fmt: skip


def _asked(model: Any, inputs: Inputs, rows: Ints) -> Floats:
    """(row,) log-odds of some people."""
    people = inputs.people.rows(rows)
    return np.asarray(model.predict_log_odds(people.series, people.connectivity, people.covariates))


def _too_few() -> ModelError:
    return ModelError(
        "There are too few people of one class to resample.",
        "Train on more people: intervals come from refits on resampled ones.",
        code="model.refits",
    )
