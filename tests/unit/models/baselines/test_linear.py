"""The linear rivals beside scikit-learn, nilearn and a literal slow implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nilearn.connectome import ConnectivityMeasure
from scipy import linalg, stats
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.svm import SVC

from app.core.progress import Progress
from app.models.baselines.connections import fisher_pairs
from app.models.baselines.connectome_predictive import fit_networks
from app.models.baselines.linear import LOGISTIC, RIDGE, SVM, fit_linear, fit_scaling, solve
from app.models.baselines.people import class_weights, inner_folds, log_loss
from app.models.baselines.tangent import SHRINKAGE, SymmetricLogarithm, TangentLinear
from tests.unit.models.baselines.planted import PARCELS, cohort, make


@pytest.fixture(scope="module")
def table():
    """25 people, 60 features, some unknown."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.arange(25) < 11)
    rows = 3.0 + rng.standard_normal((25, 60)) * rng.uniform(0.5, 4.0, 60)
    rows[:, :6] += 1.5 * labels[:, None]
    rows[2, 7] = rows[9, 7] = rows[4, 30] = np.nan
    return rows, labels


SKLEARN = {
    "logistic": lambda c: LogisticRegression(
        C=c, class_weight="balanced", tol=1e-10, max_iter=20000
    ),
    "svm": lambda c: SVC(C=c, kernel="linear", class_weight="balanced", tol=1e-8),
    "ridge": lambda c: RidgeClassifier(alpha=1.0 / c, class_weight="balanced"),
}


@pytest.mark.parametrize("classifier", [LOGISTIC, RIDGE, SVM], ids=lambda one: one.name)
@pytest.mark.parametrize("standardise", [True, False])
def test_that_answers_are_those_of_scikit_learn_on_all_features(table, classifier, standardise):
    rows, labels = table
    found = fit_linear(
        rows, labels, classifier, standardise=standardise, seed=0, progress=Progress()
    )
    assert found.imputed == 3
    filled = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    scaled = filled - filled.mean(axis=0)
    if standardise:
        scaled = scaled / np.nanstd(rows, axis=0)
    scaled = scaled / np.sqrt((scaled**2).sum(axis=1).mean())
    model = SKLEARN[classifier.name](found.strength).fit(scaled, labels)
    ours = np.array([found.log_odds(row) for row in rows])
    np.testing.assert_allclose(ours, model.decision_function(scaled), atol=2e-4)


def test_that_the_strength_is_the_one_a_literal_search_finds(table):
    rows, labels = table
    losses = []
    for strength in LOGISTIC.strengths:
        scores = np.empty(25)
        for inside, outside in inner_folds(labels, 3):
            mean, spread = np.nanmean(rows[inside], 0), np.nanstd(rows[inside], 0)
            scaled = np.nan_to_num((rows - mean) / spread)
            scaled /= np.sqrt((scaled[inside] ** 2).sum(1).mean())
            model = SKLEARN["logistic"](strength).fit(scaled[inside], labels[inside])
            scores[outside] = model.decision_function(scaled[outside])
        losses.append(log_loss(scores, labels))
    found = fit_linear(rows, labels, LOGISTIC, standardise=True, seed=3, progress=Progress())
    assert found.strength == LOGISTIC.strengths[int(np.argmin(losses))]


def test_that_inner_folds_split_people_and_keep_both_classes():
    labels = np.arange(30) < 9
    folds = inner_folds(labels, 0)
    assert len(folds) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate([b for _, b in folds])), np.arange(30))
    for inside, outside in folds:
        assert not set(inside) & set(outside)
        assert 2 <= labels[outside].sum() <= 3
    assert len(inner_folds(np.arange(30) < 3, 0)) == 3


def test_that_both_classes_weigh_the_same():
    labels = np.array([True, False, False, False])
    np.testing.assert_allclose(class_weights(labels), [2.0, 2 / 3, 2 / 3, 2 / 3])
    assert log_loss(np.zeros(4), labels) == pytest.approx(np.log(2))


def test_that_an_unknown_or_constant_feature_weighs_nothing():
    rows = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, 5.0], [6.0, np.nan, 5.0]])
    scaling = fit_scaling(rows, standardise=True)
    np.testing.assert_array_equal(scaling.mean, [3.0, 0.0, 5.0])
    np.testing.assert_array_equal(scaling.factor[1:], [0.0, 0.0])
    assert scaling.factor[0] == pytest.approx(1 / np.std([1.0, 2.0, 6.0]))
    assert scaling.imputed == 3


def test_that_a_separating_feature_gives_the_answer_known_by_hand():
    # ridge on x = +-1 with balanced classes: w = n / (n + 1/strength)
    rows, labels = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([True, True, False, False])
    weights, bias = solve(RIDGE, rows, labels, 0.5)
    assert weights[0] == pytest.approx(4 / (4 + 2))
    assert bias == pytest.approx(0.0, abs=1e-12)


# ---------------------------------------------------------------------------- tangent


class Given(BaseEstimator):
    """nilearn's "covariance estimator" where the matrices exist already."""

    def fit(self, X):
        self.covariance_ = X
        return self


def test_that_tangent_features_are_those_of_nilearn(monkeypatch):
    monkeypatch.setattr("app.models.baselines.tangent.REFERENCE_TOLERANCE", 1e-9)
    people = cohort(12, 4, missing=False)
    model = people.fit(make("tangent-ridge"))
    assert isinstance(model, TangentLinear)
    eye = np.eye(PARCELS)
    shrunk = [(1 - SHRINKAGE) * (one + eye) + SHRINKAGE * eye for one in people.connectivity]
    measure = ConnectivityMeasure(cov_estimator=Given(), kind="tangent", vectorize=True)
    expected = measure.fit_transform(shrunk)
    rows, columns = np.triu_indices(PARCELS)
    order = [
        np.flatnonzero(np.all(np.tril_indices(PARCELS) == np.array([[c], [r]]), 0))[0]
        for r, c in zip(rows, columns, strict=True)
    ]
    for person in range(12):
        found = model._tangent(torch.from_numpy(people.connectivity[person]))
        np.testing.assert_allclose(found, expected[person][order], atol=1e-6)


def test_that_the_reference_is_of_training_people_only():
    people = cohort(24, 4, missing=False)
    model = people.rows(list(range(14))).fit(make("tangent-ridge"))
    assert isinstance(model, TangentLinear)
    features = np.stack(
        [model._tangent(torch.from_numpy(one)).numpy() for one in people.connectivity]
    )
    # the geometric mean is where the logarithms of its own people cancel
    np.testing.assert_allclose(features[:14].mean(axis=0), 0.0, atol=5e-4)
    assert np.abs(features[14:].mean(axis=0)).max() > 0.01


def test_that_the_matrix_logarithm_and_its_gradient_are_right_where_eigenvalues_coincide():
    generator = torch.Generator().manual_seed(0)
    mixed = torch.linalg.qr(torch.randn(5, 5, generator=generator, dtype=torch.float64))[0]
    values = torch.tensor([0.3, 0.3, 0.3, 1.7, 2.0], dtype=torch.float64)
    matrix = (mixed * values) @ mixed.T
    found = SymmetricLogarithm.apply(matrix)
    np.testing.assert_allclose(found, linalg.logm(matrix.numpy()), atol=1e-10)
    weights = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    at = matrix.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad((SymmetricLogarithm.apply(at) * weights).sum(), at)
    way = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    way = way + way.T

    def score(by: float) -> float:
        moved = linalg.logm((matrix + by * way).numpy())
        return float((torch.from_numpy(moved) * weights).sum())

    expected = (score(1e-5) - score(-1e-5)) / 2e-5
    assert float((gradient * way).sum()) == pytest.approx(expected, rel=1e-6)


# ---------------------------------------------------------------------------- predictive networks


@pytest.mark.parametrize("threshold", [0.05, 0.01])
def test_that_predictive_networks_are_those_of_a_literal_implementation(threshold):
    people = cohort(30, 6, missing=False)
    rows, labels = fisher_pairs(people.connectivity), people.labels
    found = fit_networks(rows, labels, threshold)
    positive, negative = [], []
    for pair in range(rows.shape[1]):
        r, p = stats.pearsonr(rows[:, pair], labels.astype(float))
        if p < threshold:
            (positive if r > 0 else negative).append(pair)
    assert positive
    np.testing.assert_array_equal(np.flatnonzero(found.signs > 0), positive)
    np.testing.assert_array_equal(np.flatnonzero(found.signs < 0), negative)
    sums = np.array([[row[positive].sum(), row[negative].sum()] for row in rows])
    spread = np.where(sums.std(0) > 0, sums.std(0), 1.0)
    line = SKLEARN["logistic"](1.0).fit((sums - sums.mean(0)) / spread, labels)
    expected = line.decision_function((sums - sums.mean(0)) / spread)
    ours = [found.log_odds(row) for row in rows]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_that_no_edge_means_even_odds_for_everybody():
    rows = np.random.default_rng(0).standard_normal((20, 3))
    found = fit_networks(rows, np.arange(20) % 2 == 0, 1e-12)
    assert not found.signs.any()
    assert [found.log_odds(row) for row in rows] == pytest.approx([0.0] * 20, abs=1e-6)
