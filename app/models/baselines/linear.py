"""Linear classifiers on a table of features: imputation, scaling, strength, exact reduction.

Scaling and imputation are fitted on the training people: the mean of each feature over those in
whom it is known (an unknown value becomes that mean, hence 0 after centring), optionally each
feature's standard deviation, and one number that makes the mean squared length of a training
person 1, so that one grid of strengths serves 3 covariates and 90,000 connections.

With fewer people than features the scaled rows are rotated onto their own singular vectors
first. An L2 penalty does not change under rotation (Hastie, Tibshirani and Friedman, Elements of
Statistical Learning, 18.3.5), so the answer is that of scikit-learn on all features. Both
classes weigh the same (scikit-learn's "balanced").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

from app.core.arrays import Bools, Floats
from app.core.progress import Progress
from app.models.baselines.people import class_weights, inner_folds, log_loss


@dataclass(frozen=True, slots=True)
class Classifier:
    """One kind of linear classifier; larger strengths bend more to the training people."""

    name: str
    strengths: tuple[float, ...]
    estimator: Callable[[float], Any]
    loss: Callable[[Floats, Bools], float]  # (scores, labels) of validation people


def _squared(scores: Floats, labels: Bools) -> float:
    return float(np.mean(class_weights(labels) * (scores - np.where(labels, 1.0, -1.0)) ** 2))


def _hinge(scores: Floats, labels: Bools) -> float:
    missed = np.maximum(0.0, 1.0 - np.where(labels, scores, -scores))
    return float(np.mean(class_weights(labels) * missed))


LOGISTIC = Classifier(
    "logistic",
    (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
    lambda strength: LogisticRegression(
        C=strength, solver="newton-cholesky", tol=1e-8, max_iter=200
    ),
    log_loss,
)
PLAIN = Classifier("plain", (1.0,), LOGISTIC.estimator, log_loss)  # a handful of covariates
RIDGE = Classifier(
    "ridge",
    (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0),
    lambda strength: Ridge(alpha=1.0 / strength),
    _squared,
)
SVM = Classifier(
    "svm",
    (0.01, 0.1, 1.0, 10.0, 100.0),
    lambda strength: SVC(C=strength, kernel="linear", tol=1e-6),
    _hinge,
)
CLASSIFIERS = {one.name: one for one in (LOGISTIC, PLAIN, RIDGE, SVM)}


@dataclass(frozen=True, slots=True)
class Scaling:
    """Training statistics of a table."""

    mean: Floats  # (feature,), 0 where nobody's value is known
    factor: Floats  # (feature,), 0 where nobody's value is known or all are equal
    imputed: int  # values of training people that were unknown

    def apply(self, rows: Floats) -> Floats:
        """Centred and scaled rows; unknown values become 0."""
        centred = np.where(np.isfinite(rows), rows - self.mean, 0.0)
        return np.asarray(centred * self.factor)


def fit_scaling(rows: Floats, *, standardise: bool) -> Scaling:
    """Statistics of (person, feature) rows with NaN where unknown."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    mean = np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1)
    centred = np.where(known, rows - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(count, 1))
    # Of equal values in floating point the spread is not exactly 0.
    varies = spread > 1e-10 * np.maximum(np.abs(mean), 1e-10)
    factor = np.zeros(rows.shape[1])
    factor[varies] = 1.0 / spread[varies] if standardise else 1.0
    length = float(np.sqrt(((centred * factor) ** 2).sum(axis=1).mean()))
    return Scaling(mean, factor / max(length, 1e-12), int((~known).sum()))


@dataclass(frozen=True, slots=True)
class LinearFit:
    """log-odds = bias + (value - mean) . weights, unknown values as the mean."""

    mean: Floats  # (feature,)
    weights: Floats  # (feature,), for values in their own units
    bias: float
    strength: float
    imputed: int

    def log_odds(self, row: Floats) -> float:
        """Of one person's (feature,)."""
        centred = np.where(np.isfinite(row), row - self.mean, 0.0)
        return float(np.dot(centred, self.weights) + self.bias)


def fit_linear(
    rows: Floats,
    labels: Bools,
    classifier: Classifier,
    *,
    standardise: bool,
    seed: int,
    progress: Progress,
) -> LinearFit:
    """Choose the strength by inner folds, then fit on everybody given.

    Parameters
    ----------
    rows
        (person, feature), NaN where unknown.
    labels
        (person,).
    classifier
        One of `CLASSIFIERS`.
    standardise
        Divide each feature by its own standard deviation (covariates, volumes, CLS); features
        of one common unit (connections) are only centred.
    seed
        Of the inner folds.
    progress
        Told between folds.
    """
    strength = _chosen_strength(rows, labels, classifier, standardise, seed, progress)
    scaling = fit_scaling(rows, standardise=standardise)
    scaled = scaling.apply(rows)
    basis = _basis(scaled)
    weights, bias = solve(classifier, scaled @ basis.T if basis.size else scaled, labels, strength)
    if basis.size:
        weights = basis.T @ weights
    return LinearFit(scaling.mean, weights * scaling.factor, bias, strength, scaling.imputed)


def _chosen_strength(
    rows: Floats,
    labels: Bools,
    classifier: Classifier,
    standardise: bool,
    seed: int,
    progress: Progress,
) -> float:
    """Least mean loss over inner validation people; of equals the smallest."""
    if len(classifier.strengths) == 1:
        return classifier.strengths[0]
    scores = np.empty((len(classifier.strengths), len(labels)))
    folds = inner_folds(labels, seed)
    for number, (inside, outside) in enumerate(folds):
        progress.step(number / len(folds), "choosing the strength")
        scaling = fit_scaling(rows[inside], standardise=standardise)
        training, validation = scaling.apply(rows[inside]), scaling.apply(rows[outside])
        basis = _basis(training)
        if basis.size:
            training, validation = training @ basis.T, validation @ basis.T
        for place, strength in enumerate(classifier.strengths):
            weights, bias = solve(classifier, training, labels[inside], strength)
            scores[place, outside] = validation @ weights + bias
    losses = np.array([classifier.loss(row, labels) for row in scores])
    best = int(np.flatnonzero(losses <= losses.min() + 1e-12)[0])
    return classifier.strengths[best]


def _basis(scaled: Floats) -> Floats:
    """Right singular vectors (rank, feature) that hold all rows; empty when nothing is gained."""
    if scaled.shape[1] <= len(scaled):
        return np.empty((0, 0))
    _, sizes, vectors = np.linalg.svd(scaled, full_matrices=False)
    return np.asarray(vectors[sizes > 1e-10 * max(float(sizes[0]), 1e-300)])


def solve(
    classifier: Classifier, rows: Floats, labels: Bools, strength: float
) -> tuple[Floats, float]:
    """Weights (feature,) and bias of one fit on scaled rows, both classes weighing the same."""
    target = np.where(labels, 1.0, -1.0)
    with warnings.catch_warnings():
        # At the optimum Newton's line search may find nothing smaller; scikit-learn then goes on
        # with another solver by itself.
        warnings.filterwarnings("ignore", "Line search of Newton", ConvergenceWarning)
        fitted = classifier.estimator(strength).fit(
            rows, target, sample_weight=class_weights(labels)
        )
    return np.ravel(fitted.coef_).astype(float), float(np.ravel(fitted.intercept_)[0])
