"""Features of one outer fold in as many columns as there are training people, nothing lost.

Everything here is fitted on training rows alone. An L2 penalty does not change under rotation
(Hastie, Tibshirani and Friedman, Elements of Statistical Learning, 18.3.5), so a classifier on the
rotated rows answers as one on all features; 90,000 connections of 80 people become 80 columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.models.baselines.linear import fit_scaling

SMALLEST = 1e-10  # of the largest singular value


@dataclass(frozen=True, slots=True)
class Reduced:
    """Rows of one outer fold, rotated; inner folds centre and scale them as they would features."""

    training: Floats  # (training row, column)
    test: Floats  # (test row, column)
    standardise: bool


def reduced(training: Floats, test: Floats, *, standardise: bool) -> Reduced:
    """Rotate where there are more features than rows and the features share one unit.

    Unknown values become the training mean. Features that are standardised one by one keep their
    columns: each inner fold has its own spreads.
    """
    if standardise or training.shape[1] <= len(training):
        return Reduced(training, test, standardise)
    scaling = fit_scaling(training, standardise=False)
    # one common factor: it is undone, so that inner folds see the features' own unit
    inside, outside = scaling.apply(training), scaling.apply(test)
    values, vectors = np.linalg.eigh(inside @ inside.T)
    sizes = np.sqrt(np.maximum(values, 0.0))
    kept = sizes > SMALLEST * max(float(sizes[-1]), 1e-300)
    basis = vectors[:, kept] / sizes[kept]
    return Reduced(vectors[:, kept] * sizes[kept], (outside @ inside.T) @ basis, standardise=False)
