"""Logistic regression, metrics, calibration and novelty against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    matthews_corrcoef,
    roc_auc_score,
)
from sklearn.metrics import (
    log_loss as sklearn_log_loss,
)

from app.cohort.calibration import STEEPEST, calibrated, fit_platt, fit_temperature
from app.cohort.logistic import fit_dual_logistic
from app.cohort.metrics import (
    auroc,
    balanced_accuracy,
    bootstrap_interval,
    brier,
    log_loss,
    matthews,
)
from app.cohort.novelty import distance, fit_novelty


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    labels = rng.random(60) < 0.4
    return np.round(rng.standard_normal(60) + labels, 1), labels


def test_that_the_dual_fit_is_the_primal_one(scores):
    rng = np.random.default_rng(1)
    features = rng.standard_normal((60, 90))
    labels = features[:, 0] + rng.standard_normal(60) > 0.3
    counts = rng.integers(0, 3, 60).astype(float)
    alpha, bias = fit_dual_logistic(features @ features.T, labels, counts)
    primal = LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit(features, labels, counts)
    np.testing.assert_allclose(features.T @ alpha, primal.coef_[0], atol=1e-4)
    assert bias == pytest.approx(primal.intercept_[0], abs=1e-4)


def test_that_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="both classes"):
        fit_dual_logistic(np.eye(3), np.array([True, True, True]))


def test_that_metrics_agree_with_scikit_learn(scores):
    values, labels = scores
    probability = 1 / (1 + np.exp(-values))
    assert auroc(values, labels) == pytest.approx(roc_auc_score(labels, values))
    called = probability >= 0.5
    assert balanced_accuracy(probability, labels) == pytest.approx(
        balanced_accuracy_score(labels, called)
    )
    assert matthews(probability, labels) == pytest.approx(matthews_corrcoef(labels, called))
    assert brier(probability, labels) == pytest.approx(brier_score_loss(labels, probability))
    assert log_loss(probability, labels) == pytest.approx(sklearn_log_loss(labels, probability))


def test_that_degenerate_metrics_are_defined():
    assert matthews(np.array([0.9, 0.8]), np.array([True, False])) == 0.0
    assert np.isnan(auroc(np.array([1.0]), np.array([True])))


def test_that_the_bootstrap_interval_holds_the_value_and_repeats(scores):
    values, labels = scores
    low, high = bootstrap_interval(auroc, values, labels, seed=2, repeats=300)
    assert low < auroc(values, labels) < high
    assert (low, high) == bootstrap_interval(auroc, values, labels, seed=2, repeats=300)


def test_that_platt_scaling_undoes_a_stretched_scale():
    rng = np.random.default_rng(5)
    true = 1.5 * rng.standard_normal(20000) - 0.4
    labels = rng.random(20000) < 1 / (1 + np.exp(-true))
    fitted = fit_platt(3.0 * true + 1.0, labels)
    assert fitted.slope == pytest.approx(1 / 3, rel=0.05)
    assert fitted.intercept == pytest.approx(-1 / 3, abs=0.05)


def test_that_platt_stays_finite_when_classes_separate_and_flat_when_ranking_is_wrong():
    labels = np.array([True, True, False, False])
    separated = fit_platt(np.array([2.0, 1.0, -1.0, -2.0]), labels)
    assert 0 < separated.slope < 10
    wrong = fit_platt(np.array([-2.0, -1.0, 1.0, 2.0]), labels)
    np.testing.assert_allclose(calibrated(wrong, np.array([-9.0, 9.0])), 0.5)


@pytest.mark.parametrize(("count", "positive"), [(30, 18), (33, 17), (47, 9)])
@pytest.mark.parametrize("rounding", [0.0, 1e-15, 1e-7])
def test_that_equal_log_odds_give_everybody_the_base_rate(count, positive, rounding):
    labels = np.arange(count) < positive
    equal = np.full(count, np.log(positive / (count - positive)))
    fitted = fit_platt(equal + rounding * labels, labels)
    assert fitted.slope == 0.0
    target = np.where(labels, (positive + 1) / (positive + 2), 1 / (count - positive + 2))
    np.testing.assert_allclose(calibrated(fitted, np.array([-3.0, 0.0, 3.0])), target.mean())
    assert abs(target.mean() - positive / count) < 0.025  # Platt's targets, near the share


def test_that_tiny_differences_that_rank_well_do_not_become_certainty():
    labels = np.arange(30) < 18
    log_odds = np.where(labels, 0.008, 0.003) + 0.003 * np.sin(np.arange(30.0))
    for fit in (fit_platt, fit_temperature):
        fitted = fit(log_odds, labels)
        assert fitted.slope == STEEPEST
        elsewhere = calibrated(fitted, np.array([-0.05, 0.05]))
        assert 0.2 < elsewhere[0] < 0.6 < elsewhere[1] < 0.85
    # the intercept that goes with the bound keeps the mean of Platt's targets
    fitted = fit_platt(log_odds, labels)
    mean = (18 * 19 / 20 + 12 / 14) / 30
    assert calibrated(fitted, log_odds).mean() == pytest.approx(mean, abs=1e-12)


def test_that_a_slope_inside_the_bound_is_the_unbounded_one():
    from scipy.optimize import minimize

    rng = np.random.default_rng(8)
    labels = rng.random(70) < 0.4
    log_odds = 0.1 * rng.standard_normal(70) + 0.06 * labels
    n, p = int((~labels).sum()), int(labels.sum())
    target = np.where(labels, (p + 1) / (p + 2), 1 / (n + 2))

    def loss(weights):
        rows = weights[0] * log_odds + weights[1]
        return float((np.logaddexp(0.0, rows) - target * rows).sum())

    best = minimize(loss, [1.0, 0.0], method="BFGS").x
    fitted = fit_platt(log_odds, labels)
    assert 1.0 < best[0] < STEEPEST
    assert [fitted.slope, fitted.intercept] == pytest.approx(list(best), rel=1e-3)


def test_that_a_temperature_undoes_a_stretched_scale_and_keeps_the_base_rate():
    rng = np.random.default_rng(11)
    true = 1.3 * rng.standard_normal(200_000)
    labels = rng.random(len(true)) < 1 / (1 + np.exp(-true))
    fitted = fit_temperature(2.5 * true, labels)
    assert 1 / fitted.slope == pytest.approx(2.5, rel=0.02)
    assert fitted.intercept == pytest.approx(0.0, abs=0.02)
    # one in five responds; log-likelihood ratios, as of a model that weighs both classes the same
    rare = rng.random(200_000) < 0.2
    ratio = 1.2 * rng.standard_normal(len(rare)) + 0.5 * 1.2**2 * np.where(rare, 1.0, -1.0)
    told = fit_temperature(2.5 * ratio, rare)
    assert 1 / told.slope == pytest.approx(2.5, rel=0.02)
    assert told.intercept == pytest.approx(np.log(rare.mean() / (1 - rare.mean())))
    assert calibrated(told, 2.5 * ratio).mean() == pytest.approx(rare.mean(), abs=0.01)


def test_that_a_temperature_is_the_best_slope_and_finite_or_flat_where_it_must_be():
    from scipy.optimize import minimize_scalar

    rng = np.random.default_rng(12)
    log_odds = rng.standard_normal(60)
    labels = rng.random(60) < 1 / (1 + np.exp(-0.7 * log_odds))
    n, p = int((~labels).sum()), int(labels.sum())
    target = np.where(labels, (p + 1) / (p + 2), 1 / (n + 2))

    def loss(slope: float) -> float:
        x = slope * log_odds + np.log(p / n)
        return float((np.logaddexp(0, x) - target * x).sum())

    best = minimize_scalar(loss, bounds=(0, 20), method="bounded", options={"xatol": 1e-10}).x
    assert fit_temperature(log_odds, labels).slope == pytest.approx(best, abs=1e-6)
    separated = fit_temperature(np.array([2.0, 1.0, -1.0, -2.0]), np.array([1, 1, 0, 0], bool))
    assert 0 < separated.slope < 100
    wrong = fit_temperature(np.array([-2.0, -1.0, 1.0, 2.0, 3.0]), np.array([1, 1, 0, 0, 0], bool))
    assert wrong.slope == 0.0
    np.testing.assert_allclose(calibrated(wrong, np.array([-3.0, 4.0])), 0.4)


def test_that_newcomers_of_the_same_population_are_rarely_strange():
    rng = np.random.default_rng(7)
    mixing = rng.standard_normal((30, 30))
    fit = fit_novelty(rng.standard_normal((60, 30)) @ mixing)
    limit = fit.quantiles[-3]  # 99th percentile
    newcomers = rng.standard_normal((400, 30)) @ mixing
    beyond = np.mean([distance(fit.mean, fit.precision, row) > limit for row in newcomers])
    assert beyond < 0.06
    assert distance(fit.mean, fit.precision, newcomers[0] + 10 * mixing[0]) > limit
