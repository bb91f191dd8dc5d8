"""The people that a rival learns from or is asked about: shapes checked once, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import StratifiedKFold

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError

MINIMUM_PER_CLASS = 4
INNER_FOLDS = 4
CORRELATION_SLACK = 1e-4  # a float32 correlation may exceed 1 by rounding


@dataclass(frozen=True, slots=True)
class People:
    """Inputs of some people, in one order."""

    series: tuple[Floats, ...]  # (frame, parcel) each
    connectivity: Floats  # (person, parcel, parcel)
    covariates: Floats  # (person, covariate)
    structural: Floats | None  # (person, volume)

    def __len__(self) -> int:
        return len(self.connectivity)

    def rows(self, index: Ints) -> People:
        """Some of them."""
        return People(
            tuple(self.series[int(i)] for i in index),
            self.connectivity[index],
            self.covariates[index],
            None if self.structural is None else self.structural[index],
        )


def people_of(
    series: Sequence[Floats],
    connectivity: Floats,
    covariates: Floats,
    structural: Floats | None,
) -> People:
    """Check shapes and ranges.

    Raises
    ------
    ModelError
        ``model.people`` with the first thing that does not fit.
    """
    matrices = np.asarray(connectivity, float)
    table = np.asarray(covariates, float)
    volumes = None if structural is None else np.asarray(structural, float)
    arrays = tuple(np.asarray(one, float) for one in series)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise _refused(
            f"Connectivity has the shape {matrices.shape} instead of (person, parcel, parcel)."
        )
    count, parcels = matrices.shape[:2]
    if table.ndim != 2 or (volumes is not None and volumes.ndim != 2):
        raise _refused("Covariates and volumes must be tables with one row a person.")
    counts = {count, len(arrays), len(table)} | (set() if volumes is None else {len(volumes)})
    if len(counts) > 1:
        raise _refused(
            f"There are {len(arrays)} series, {count} matrices and {len(table)} rows of covariates"
            + ("." if volumes is None else f", {len(volumes)} rows of volumes.")
        )
    for number, one in enumerate(arrays):
        if one.ndim != 2 or one.shape[1] != parcels:
            raise _refused(
                f"Series {number + 1} has the shape {one.shape} instead of (frame, {parcels})."
            )
    _refuse_infinite(arrays, matrices, table, volumes)
    _refuse_no_correlation(matrices)
    return People(arrays, matrices, table, volumes)


def _refuse_infinite(
    series: tuple[Floats, ...], matrices: Floats, table: Floats, volumes: Floats | None
) -> None:
    for name, arrays in (
        ("A series", series),
        ("A connectivity matrix", (matrices,)),
        ("A covariate", (table,)),
        ("A volume", () if volumes is None else (volumes,)),
    ):
        if any(np.isinf(one).any() for one in arrays):
            raise _refused(f"{name} holds an infinite value.")


def _refuse_no_correlation(matrices: Floats) -> None:
    """A Gram or covariance matrix in place of a correlation would be silently wrong."""
    if not matrices.size:
        return
    if np.nanmax(np.abs(matrices), initial=0.0) > 1.0 + CORRELATION_SLACK:
        raise _refused("Connectivity holds values beyond 1: these are no correlations.")
    difference = np.abs(matrices - matrices.transpose(0, 2, 1))
    if np.nanmax(difference, initial=0.0) > CORRELATION_SLACK:
        raise _refused("A connectivity matrix is not symmetric.")


def checked_labels(labels: Bools, count: int) -> Bools:
    """Labels of training people, both classes present and large enough to be split.

    Raises
    ------
    ModelError
        ``model.people``.
    """
    found = np.asarray(labels)
    if found.shape != (count,):
        raise _refused(f"There are {found.shape} labels for {count} people.")
    if found.dtype != np.bool_:
        raise _refused(f"Labels must be true or false, not {found.dtype}.")
    responders = int(found.sum())
    if responders in (0, count):
        only = "responders" if responders else "non-responders"
        raise _refused(f"All {count} people are {only}; a model needs both classes.")
    if min(responders, count - responders) < MINIMUM_PER_CLASS:
        raise _refused(
            f"{responders} responders and {count - responders} non-responders are too few; "
            f"at least {MINIMUM_PER_CLASS} of each are needed."
        )
    return found


def inner_folds(labels: Bools, seed: int, count: int = INNER_FOLDS) -> list[tuple[Ints, Ints]]:
    """(training, validation) positions inside the people given, classes spread evenly."""
    smallest = int(min(labels.sum(), (~labels).sum()))
    splitter = StratifiedKFold(min(count, smallest), shuffle=True, random_state=seed)
    return list(splitter.split(np.zeros(len(labels)), labels))


def class_weights(labels: Bools) -> Floats:
    """(person,) with mean 1; both classes weigh the same in all.

    Rivals answer as if both classes were equally frequent, and calibration adds the base rate
    afterwards. With the base rate inside, folds that differ in it by one person shift their
    answers, and scores pooled over folds look worse than chance where nothing was learned.
    """
    count, responders = len(labels), int(labels.sum())
    return np.where(labels, 0.5 * count / responders, 0.5 * count / (count - responders))


def log_loss(log_odds: Floats, labels: Bools) -> float:
    """Mean negative log-likelihood of log-odds, both classes weighing the same."""
    signed = np.where(labels, log_odds, -np.asarray(log_odds))
    return float((class_weights(labels) * np.logaddexp(0.0, -signed)).mean())


def _refused(message: str) -> ModelError:
    return ModelError(message, "Correct the table of people and try again.", code="model.people")
