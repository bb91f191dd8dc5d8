"""Refits on resampled people, calibration included: the interval of a person's own probability.

People are drawn with replacement; the head is fitted on them, and its calibration on their
out-of-fold log-odds, a person drawn twice lying in one fold with both copies. The penalty and the
label-free features (tangent reference, encoder) stay as delivered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.calibration import FITS, Method
from app.cohort.learn.contender import AnyModel, Inputs
from app.cohort.learn.fast_logistic import solve_logistic
from app.cohort.training import folds_of
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.models.baselines.linear import Classifier, fit_scaling, solve
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import MINIMUM_PER_CLASS, People

FOLDS = 5
MOST_TRIES = 50  # draws that leave too few of a class, for one refit


@dataclass(frozen=True, slots=True)
class Refits:
    """Heads alone; nobody's features."""

    weights: Floats  # (refit, feature), of centred features, float32
    bias: Floats  # (refit,)
    calibration: Floats  # (refit, 2) slope and intercept


def refit_heads(
    model: LinearRival,
    people: People,
    labels: Bools,
    identifiers: Sequence[str],
    *,
    repeats: int,
    seed: int,
    progress: Progress,
    calibration: Method = "platt",
) -> Refits:
    """Refit a fitted model's head on resampled people.

    Parameters
    ----------
    model
        Fitted on all of these people.
    people, labels, identifiers
        Of the training; rows of one person are drawn together.
    repeats, seed
        How many refits, and where the draws come from.
    progress
        Told after each.
    calibration
        How each refit's out-of-fold log-odds become probabilities.
    """
    assert model.linear is not None
    rows = model.features_of(people)
    scaling = fit_scaling(rows, standardise=model.standardise)
    scaled = scaling.apply(rows)
    basis = _basis(scaled)
    small = scaled if basis is None else scaled @ basis.T
    strength, kind = model.linear.strength, model.classifier
    draws = person_draws(identifiers, labels, repeats, seed)
    weights, bias, calibrations = [], [], []
    fold = person_folds(identifiers, labels, seed)
    for number, drawn in enumerate(draws):
        head, shift = _solved(kind, small[drawn], labels[drawn], strength)
        weights.append(head)
        bias.append(shift)
        scores = np.zeros(len(drawn))
        for place in range(FOLDS):
            inside, outside = fold[drawn] != place, fold[drawn] == place
            inner, moved = _solved(kind, small[drawn[inside]], labels[drawn[inside]], strength)
            scores[outside] = small[drawn[outside]] @ inner + moved
        found = FITS[calibration](scores, labels[drawn])
        calibrations.append((found.slope, found.intercept))
        progress.step((number + 1) / len(draws), f"refit {number + 1} of {len(draws)}")
    heads = np.stack(weights)
    full = heads if basis is None else heads @ basis
    return Refits(
        np.asarray(full * scaling.factor, np.float32), np.array(bias), np.array(calibrations)
    )


def person_draws(
    identifiers: Sequence[str], labels: Bools, repeats: int, seed: int
) -> tuple[Ints, ...]:
    """Rows of people drawn with replacement; draws that hold too few of a class are drawn again."""
    names = list(dict.fromkeys(identifiers))
    rows = {name: [i for i, one in enumerate(identifiers) if one == name] for name in names}
    rng = np.random.default_rng([seed, 707])
    found = []
    for _ in range(repeats):
        for _ in range(MOST_TRIES):
            taken = rng.integers(0, len(names), len(names))
            drawn = np.array([row for person in taken for row in rows[names[int(person)]]])
            kept = np.unique(drawn)
            if min(labels[kept].sum(), (~labels[kept]).sum()) >= MINIMUM_PER_CLASS + 2:
                found.append(drawn)
                break
    return tuple(found)


def person_folds(identifiers: Sequence[str], labels: Bools, seed: int) -> Ints:
    """(row,) fold of each row's person, classes spread evenly."""
    first: dict[str, int] = {}
    for index, name in enumerate(identifiers):
        first.setdefault(name, index)
    own = np.array([bool(labels[index]) for index in first.values()])
    fold = dict(zip(first, folds_of(own, FOLDS, seed), strict=True))
    return np.array([int(fold[name]) for name in identifiers])


def spread_of_refits(
    contender: AnyModel,
    inputs: Inputs,
    identifiers: Sequence[str],
    *,
    repeats: int,
    seed: int,
    progress: Progress,
) -> float:
    """Standard deviation of a person's log-odds over whole refits, mean over people left out.

    For models whose refits are as large as the model. Each person counts where a draw left them
    out of training.
    """
    labels = inputs.labels
    found = np.full((repeats, len(labels)), np.nan)
    for number, drawn in enumerate(person_draws(identifiers, labels, repeats, seed)):
        kept = np.unique(drawn)  # each once: a copy in an inner fold would be seen in training
        outside = np.setdiff1d(np.arange(len(labels)), kept)
        people, asked = inputs.people.rows(kept), inputs.people.rows(outside)
        model = contender.fresh().fit(
            people.series, people.connectivity, people.covariates, labels[kept],
            seed=seed + number, progress=Progress(),
        )  # fmt: skip
        found[number, outside] = model.predict_log_odds(
            asked.series, asked.connectivity, asked.covariates
        )
        progress.step((number + 1) / repeats, f"refit {number + 1} of {repeats}")
    there = np.isfinite(found)
    enough = there.sum(axis=0) >= 2
    if not enough.any():
        return 0.0
    columns = [row[ok].var(ddof=1) for row, ok in zip(found.T, there.T, strict=True)
               if ok.sum() >= 2]  # fmt: skip
    return float(np.sqrt(np.mean(columns)))


def _solved(kind: Classifier, rows: Floats, labels: Bools, strength: float) -> tuple[Floats, float]:
    if kind.name in ("logistic", "plain"):
        return solve_logistic(rows, labels, strength)
    return solve(kind, rows, labels, strength)


def _basis(scaled: Floats) -> Floats | None:
    """(rank, feature) orthonormal rows that hold all people; None where nothing is gained."""
    if scaled.shape[1] <= len(scaled):
        return None
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    kept = values > 1e-12 * max(float(values[-1]), 1e-300)
    return np.asarray((vectors[:, kept] / np.sqrt(values[kept])).T @ scaled)
