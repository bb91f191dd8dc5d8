"""The logistic rival's fit, many times a second: the same convex problem by Newton's method.

`app.models.baselines.linear.fit_linear` asks scikit-learn; cross-validation and permutations ask
for tens of thousands of small fits, most of whose time there is overhead. Objective, class
weights, scaling, inner folds and choice of strength are the same, so is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.cohort.logistic import sigmoid
from app.core.arrays import Bools, Floats
from app.models.baselines.linear import Classifier, Scaling, fit_scaling
from app.models.baselines.people import class_weights, inner_folds, log_loss

MAX_STEPS = 100
TOLERANCE = 1e-10  # of the Newton decrement, relative


@dataclass(frozen=True, slots=True)
class FastFit:
    """log-odds = bias + scaled row . weights."""

    scaling: Scaling
    weights: Floats  # (column,), of scaled rows
    bias: float
    strength: float

    def log_odds(self, rows: Floats) -> Floats:
        """(row,)."""
        return np.asarray(self.scaling.apply(rows) @ self.weights + self.bias)


def fit_fast(
    rows: Floats, labels: Bools, classifier: Classifier, *, standardise: bool, seed: int
) -> FastFit:
    """As `fit_linear` with a logistic classifier, on rows that were reduced already."""
    strength = classifier.strengths[0]
    if len(classifier.strengths) > 1:
        strength = _chosen(rows, labels, classifier, standardise, seed)
    scaling = fit_scaling(rows, standardise=standardise)
    weights, bias = solve_logistic(scaling.apply(rows), labels, strength)
    return FastFit(scaling, weights, bias, strength)


def _chosen(
    rows: Floats, labels: Bools, classifier: Classifier, standardise: bool, seed: int
) -> float:
    scores = np.empty((len(classifier.strengths), len(labels)))
    for inside, outside in inner_folds(labels, seed):
        scaling = fit_scaling(rows[inside], standardise=standardise)
        training, validation = scaling.apply(rows[inside]), scaling.apply(rows[outside])
        start: tuple[Floats, float] | None = None
        for place, strength in enumerate(classifier.strengths):
            start = solve_logistic(training, labels[inside], strength, start)
            scores[place, outside] = validation @ start[0] + start[1]
    losses = np.array([log_loss(row, labels) for row in scores])
    return classifier.strengths[int(np.flatnonzero(losses <= losses.min() + 1e-12)[0])]


def solve_logistic(
    rows: Floats,
    labels: Bools,
    strength: float,
    start: tuple[Floats, float] | None = None,
    counts: Floats | None = None,
) -> tuple[Floats, float]:
    """Weights and bias of ``strength * sum(weight * loss) + 0.5 |w|^2``, the bias free.

    Parameters
    ----------
    rows
        (row, column), scaled.
    labels
        (row,).
    strength
        Inverse penalty.
    start
        Another strength's solution; changes nothing but the time.
    counts
        (row,) how often each counts (bootstrap); both classes weigh the same in all.
    """
    y = labels.astype(float)
    if counts is None:
        weight = strength * class_weights(labels)
    else:
        total, positive = float(counts.sum()), float(counts[labels].sum())
        share = np.where(labels, 0.5 * total / positive, 0.5 * total / (total - positive))
        weight = strength * counts * share
    columns = rows.shape[1]
    design = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    penalty = np.append(np.ones(columns), 0.0)
    found = np.zeros(columns + 1)
    if start is not None:
        found[:-1], found[-1] = start
    value = _objective(design, y, weight, penalty, found)
    for _ in range(MAX_STEPS):
        probability = sigmoid(design @ found)
        gradient = design.T @ (weight * (probability - y)) + penalty * found
        curvature = np.maximum(weight * probability * (1.0 - probability), 1e-12)
        hessian = (design * curvature[:, None]).T @ design
        hessian[np.diag_indices(columns + 1)] += penalty + 1e-12
        step = np.linalg.solve(hessian, gradient)
        decrement = float(gradient @ step)
        length = 1.0
        while True:
            trial = found - length * step
            reached = _objective(design, y, weight, penalty, trial)
            if reached <= value - 1e-4 * length * decrement or length < 1e-8:
                break
            length *= 0.5
        if reached <= value:
            found, value = trial, reached
        if decrement <= TOLERANCE * (1.0 + abs(value)):
            break
    return found[:-1], float(found[-1])


def _objective(design: Floats, y: Floats, weight: Floats, penalty: Floats, at: Floats) -> float:
    margins = design @ at
    loss = np.logaddexp(0.0, margins) - y * margins
    return float(weight @ loss + 0.5 * (penalty * at) @ at)
