"""Figures against scikit-learn, statsmodels, scipy, and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

from app.cohort.learn.clinical import (
    decision_curve,
    interaction,
    net_benefit,
    people_per_arm,
    sample_size_saving,
    screening,
)
from app.cohort.learn.comparison import corrected_test, wider_of
from app.cohort.learn.conformal import (
    SETS,
    conformal_figures,
    conformal_scores,
    coverage_interval,
    cross_conformal,
)
from app.cohort.learn.confounds import auroc_within, covariate_check
from app.cohort.learn.continuous import Adjustment, answer_continuous
from app.cohort.learn.continuous_figures import (
    correlation,
    correlation_within,
    r_squared,
    ranks_within,
)
from app.cohort.learn.curves import calibration_bins, roc_points
from app.cohort.learn.fast_logistic import solve_logistic
from app.cohort.learn.figures import (
    Scores,
    auroc_of,
    calibration_intercept_of,
    calibration_slope_of,
    drawn_of,
    draws_of,
    figure_of,
    figures_of,
    resampled,
    value_of,
)
from app.cohort.learn.permutation import exchangeable, p_value, permuted_labels
from app.models.baselines.people import class_weights


@pytest.fixture
def some():
    rng = np.random.default_rng(4)
    labels = rng.random(70) < 0.4
    log_odds = np.round(rng.standard_normal(70) + 1.2 * labels, 1)
    return log_odds, 1 / (1 + np.exp(-log_odds)), labels


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("auroc", lambda y, p: metrics.roc_auc_score(y, p)),
        ("balanced_accuracy", lambda y, p: metrics.balanced_accuracy_score(y, p >= 0.4)),
        ("mcc", lambda y, p: metrics.matthews_corrcoef(y, p >= 0.4)),
        ("brier", metrics.brier_score_loss),
        ("log_loss", metrics.log_loss),
        ("sensitivity", lambda y, p: metrics.recall_score(y, p >= 0.4)),
        ("specificity", lambda y, p: metrics.recall_score(~y, p < 0.4)),
    ],
)
def test_that_figures_are_those_of_scikit_learn(some, name, theirs):
    log_odds, probability, labels = some
    batch = figure_of(name, 0.4)
    values = np.stack([log_odds if name == "auroc" else probability] * 2)
    found = batch(values, np.stack([labels, labels]))
    assert found == pytest.approx([theirs(labels, probability)] * 2)


def test_that_calibration_is_that_of_statsmodels(some):
    log_odds, probability, labels = some
    design = sm.add_constant(log_odds)
    slope = sm.GLM(labels.astype(float), design, family=sm.families.Binomial()).fit().params[1]
    offset = sm.GLM(
        labels.astype(float), np.ones((70, 1)), family=sm.families.Binomial(), offset=log_odds
    ).fit()
    assert calibration_slope_of(probability[None], labels[None])[0] == pytest.approx(slope)
    found = calibration_intercept_of(probability[None], labels[None])[0]
    assert found == pytest.approx(offset.params[0], abs=1e-6)


def test_that_calibration_of_one_probability_for_all_has_no_slope():
    labels = np.arange(20) < 5
    constant = np.full((1, 20), 0.25)
    assert np.isnan(calibration_slope_of(constant, labels[None])[0])
    assert calibration_intercept_of(constant, labels[None])[0] == pytest.approx(0.0, abs=1e-9)
    separable = np.where(labels, 0.9, 0.1)[None]
    assert calibration_slope_of(separable, labels[None])[0] == np.inf
    assert calibration_slope_of(1.0 - separable, labels[None])[0] == -np.inf


def test_that_the_base_rate_of_each_fold_has_no_calibration_slope():
    labels = np.arange(40) % 5 < 2
    fold = np.arange(40)[None] % 4
    base = np.array([[0.3, 0.4, 0.45, 0.5]]).repeat(10, axis=0).reshape(1, 40)  # of its fold
    draws = draws_of([str(i) for i in range(40)], 50, seed=1)
    constant = figures_of(Scores(base, base, fold), labels, draws, ["calibration_slope"], 0.5)
    assert constant["calibration_slope"] is None
    assert constant["calibration_slope_interval"] is None
    some = base + np.random.default_rng(0).uniform(-0.1, 0.1, (1, 40))
    varied = figures_of(Scores(some, some, fold), labels, draws, ["calibration_slope"], 0.5)
    assert varied["calibration_slope"] is not None


def test_that_a_slope_without_a_limit_has_no_interval():
    # 13 people whom the model tells apart but for one pair: many draws leave the pair out
    rng = np.random.default_rng(5)
    labels = np.arange(13) < 5
    probability = np.where(labels, 0.7, 0.3) + rng.uniform(-0.1, 0.1, 13)
    probability[[0, 12]] = probability[[12, 0]]
    draws = draws_of([str(i) for i in range(13)], 400, seed=2)
    scores = Scores(probability[None], probability[None])
    found = figures_of(scores, labels, draws, ["calibration_slope", "brier"], 0.5)
    assert found["calibration_slope"] > 0 and found["calibration_slope_interval"] is None
    assert found["brier_interval"] is not None
    together = Scores(*[np.where(labels, 0.9, 0.1)[None]] * 2)
    assert figures_of(together, labels, draws, ["calibration_slope"], 0.5)[
        "calibration_slope"] is None  # fmt: skip


def test_that_a_bootstrap_draws_the_same_persons_in_every_repeat(some):
    log_odds, _, labels = some
    draws = draws_of([str(i) for i in range(70)], 50, seed=1)
    both = np.stack([log_odds, log_odds])
    expected = [metrics.roc_auc_score(labels[rows], log_odds[rows]) for rows in draws]
    np.testing.assert_allclose(resampled(auroc_of, both, labels, draws), expected)
    found = drawn_of("auroc", Scores(both, both), labels, draws, 0.5)
    np.testing.assert_allclose(found, expected)


def test_that_auroc_compares_people_of_one_fold_alone(some):
    log_odds, probability, labels = some
    fold = np.arange(70) % 3
    moved = log_odds + 100.0 * fold  # another intercept in each fold
    scores = Scores(moved[None], probability[None], fold[None])
    own = [metrics.roc_auc_score(labels[fold == f], log_odds[fold == f]) for f in range(3)]
    pairs = [labels[fold == f].sum() * (~labels[fold == f]).sum() for f in range(3)]
    expected = np.average(own, weights=pairs)
    assert value_of("auroc", scores, labels, 0.5) == pytest.approx(expected)
    draws = np.arange(70)[None]
    assert drawn_of("auroc", scores, labels, draws, 0.5)[0] == pytest.approx(expected)
    some_rows = scores.rows(np.flatnonzero(fold == 1))
    assert value_of("auroc", some_rows, labels[fold == 1], 0.5) == pytest.approx(own[1])


def test_that_models_which_learnt_nothing_are_at_one_half():
    rng = np.random.default_rng(11)
    pooled, within = [], []
    for _ in range(300):  # each fold answers with the base rate of the others
        labels, fold = rng.random(40) < 0.5, rng.permutation(40) % 5
        scores = np.array([labels[fold != f].mean() for f in fold]) + 1e-3 * rng.random(40)
        both = Scores(scores[None], scores[None], fold[None])
        within.append(value_of("auroc", both, labels, 0.5))
        pooled.append(auroc_of(scores[None], labels[None])[0])
    assert np.nanmean(pooled) < 0.4
    assert np.nanmean(within) == pytest.approx(0.5, abs=0.02)


def test_that_rows_of_one_person_are_drawn_together():
    people = [f"p{i // 2}" for i in range(40)]
    for rows in draws_of(people, 20, seed=1):
        counts = np.bincount(rows, minlength=40)
        np.testing.assert_array_equal(counts[::2], counts[1::2])


def test_that_repeating_the_split_does_not_narrow_an_interval(some):
    log_odds, probability, labels = some
    draws = draws_of([str(i) for i in range(70)], 500, seed=1)
    one = figures_of(Scores(log_odds[None], probability[None]), labels, draws, ["auroc"], 0.5)
    many = Scores(np.tile(log_odds, (20, 1)), np.tile(probability, (20, 1)))
    found = figures_of(many, labels, draws, ["auroc"], 0.5)
    for name, value in one.items():
        assert found[name] == pytest.approx(value), name


def test_that_an_interval_of_few_folds_stays_within_what_is_possible():
    tested = corrected_test(np.array([0.5, -0.3, 0.2]), 0.5)
    assert tested["low"] < -1.0
    assert tested["high"] > 1.0
    assert wider_of([-0.1, 0.3], tested) == [tested["low"], tested["high"]]
    assert wider_of([-0.1, 0.3], tested, (-1.0, 1.0)) == [-1.0, 1.0]
    assert wider_of([-0.1, 0.3], tested, (0.0, 0.2)) == [-0.1, 0.3]  # never narrower than it
    assert wider_of([-0.1, 0.3], None, (-1.0, 1.0)) == [-0.1, 0.3]
    assert wider_of(None, tested) is None


def test_that_the_corrected_test_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    differences = 0.05 + 0.1 * rng.standard_normal(25)
    found = corrected_test(differences, 0.25)
    # by hand: t = mean / sqrt((1 / J + n2 / n1) s^2), J - 1 degrees of freedom
    error = np.sqrt((1 / 25 + 0.25) * differences.var(ddof=1))
    assert found["t"] == pytest.approx(differences.mean() / error)
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(found["t"], 24))
    plain = stats.ttest_1samp(differences, 0.0)
    assert found["p_value"] > plain.pvalue
    assert corrected_test(np.zeros(10), 0.25) is None
    assert corrected_test(np.array([0.1, np.nan, 0.2]), 0.25) is None


def test_that_the_fast_logistic_fit_is_that_of_scikit_learn():
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((40, 55)) / 5
    labels = rows[:, 0] + 0.2 * rng.standard_normal(40) > 0.1
    for strength in (0.01, 1.0, 1000.0):
        weights, bias = solve_logistic(rows, labels, strength)
        theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10000).fit(
            rows, labels, sample_weight=class_weights(labels)
        )
        np.testing.assert_allclose(weights, theirs.coef_[0], atol=2e-4 * np.abs(weights).max())
        assert bias == pytest.approx(theirs.intercept_[0], abs=2e-3)
    counts = rng.integers(0, 3, 40).astype(float)
    drawn = np.repeat(np.arange(40), counts.astype(int))
    np.testing.assert_allclose(
        solve_logistic(rows, labels, 1.0, counts=counts)[0],
        solve_logistic(rows[drawn], labels[drawn], 1.0)[0],
        atol=1e-7,
    )


def test_that_the_adjustment_is_an_analysis_of_covariance():
    rng = np.random.default_rng(1)
    baseline = rng.uniform(4, 9, 30)
    improvement = 1.0 + 0.4 * baseline + rng.standard_normal(30)
    fitted = sm.OLS(improvement, sm.add_constant(baseline)).fit()
    found = Adjustment.fit(improvement, baseline)
    assert found.slope == pytest.approx(fitted.params[1])
    np.testing.assert_allclose(found.left(improvement, baseline), fitted.resid)
    alone = Adjustment.fit(improvement, None)
    np.testing.assert_allclose(alone.left(improvement, None), improvement - improvement.mean())


def test_that_ridge_finds_what_was_planted_and_nothing_in_noise():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((80, 30))
    truth = rows[:, 0] * 2.0 + 0.5 * rng.standard_normal(80)
    inner = [
        (np.flatnonzero(np.arange(60) % 4 != k), np.flatnonzero(np.arange(60) % 4 == k))
        for k in range(4)
    ]
    for target, low, high in ((truth, 0.7, 1.0), (rng.standard_normal(80), -0.6, 0.6)):
        found = answer_continuous(rows[:60], rows[60:], target[:60], target[60:], None, None, inner)
        assert low <= np.corrcoef(found.predicted, found.target)[0, 1] <= high


def test_that_correlations_are_those_of_scipy(some):
    log_odds, _, _ = some
    other = np.random.default_rng(0).standard_normal(70)
    assert correlation(log_odds[None], other[None])[0] == pytest.approx(
        stats.pearsonr(log_odds, other).statistic
    )
    one_fold, once = np.zeros((1, 70), int), np.ones((1, 70))
    assert correlation_within(log_odds[None], other[None], one_fold, once)[0] == pytest.approx(
        stats.pearsonr(log_odds, other).statistic
    )
    ranked = [ranks_within(one[None], one_fold) for one in (log_odds, other)]
    assert correlation_within(*ranked, one_fold, once)[0] == pytest.approx(
        stats.spearmanr(log_odds, other).statistic
    )
    assert r_squared(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]))[0] == pytest.approx(0.9)


def test_that_correlations_within_folds_know_nothing_of_what_differs_between_them():
    rng = np.random.default_rng(4)
    fold = np.tile(np.arange(60) % 5, (2, 1))
    x, y = rng.standard_normal((2, 60)), rng.standard_normal((2, 60))
    drawn = np.bincount(rng.integers(0, 60, 60), minlength=60).astype(float)[None]
    for counts in (np.ones((1, 60)), drawn):
        found = correlation_within(x, y, fold, counts)
        moved = correlation_within(x + 3.0 * fold, y - 7.0 * fold, fold, counts)
        assert moved[0] == pytest.approx(found[0])
        by_hand = []
        for one, other, place in zip(x, y, fold, strict=True):
            rows = np.repeat(np.arange(60), counts[0].astype(int))
            a, b, f = one[rows], other[rows], place[rows]
            for number in range(5):
                a[f == number] -= a[f == number].mean()
                b[f == number] -= b[f == number].mean()
            by_hand.append((a @ b) / np.sqrt((a @ a) * (b @ b)))
        assert found[0] == pytest.approx(np.mean(by_hand))


def test_that_permuted_labels_stay_in_their_stratum_and_with_their_person():
    people = [f"p{i // 2}" for i in range(80)]
    strata = np.repeat(["a", "b", "b", "c"], 20)
    labels = np.repeat(np.random.default_rng(1).random(40) < 0.5, 2)
    labels[60:] = True  # stratum c has one class
    rng = np.random.default_rng(0)
    moved = permuted_labels(labels, people, strata, rng)
    for stratum in "abc":
        assert moved[strata == stratum].sum() == labels[strata == stratum].sum()
    np.testing.assert_array_equal(moved[::2], moved[1::2])
    assert (moved != labels).any()
    assert exchangeable(labels, strata) == 60
    assert p_value(0.7, np.array([0.5, 0.7, 0.6])) == 0.5  # (1 + 1) / (1 + 3)


def test_that_conformal_thresholds_are_counted_by_hand():
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.35])
    labels = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], bool)
    # 5 responders, level 0.8: floor(0.2 * 6) = 1, so the smallest own-class probability, 0.5
    found = conformal_scores(probability, labels, 0.8)
    assert found.responder_quantile == 0.5
    assert found.non_responder_quantile == pytest.approx(0.6)
    assert [found.set_of(p) for p in (0.95, 0.45, 0.1)] == ["{R}", "{}", "{NR}"]
    # level 0.9: floor(0.1 * 6) = 0: too few, everything enters
    assert conformal_scores(probability, labels, 0.9).set_of(0.01) == "{both}"


def test_that_conformal_coverage_is_nominal_over_many_cohorts():
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(300):
        labels = rng.random(80) < 0.5
        score = rng.standard_normal(80) + labels
        probability = 1 / (1 + np.exp(-(score - 0.5)))
        sets = cross_conformal(probability, labels, np.arange(80) % 5, 0.9)
        right = np.where(labels, np.isin(sets, (0, 2)), np.isin(sets, (1, 2)))
        covered.append(right.mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)


def test_that_the_range_of_coverage_is_the_beta_law():
    rng = np.random.default_rng(6)
    low, high = coverage_interval(50, 0.9)
    realised = []
    for _ in range(4000):  # coverage of the threshold set by 50 uniform scores
        own = np.sort(rng.random(50))
        realised.append(1.0 - own[int(np.floor(0.1 * 51)) - 1])
    np.testing.assert_allclose(np.percentile(realised, [2.5, 97.5]), [low, high], atol=0.01)
    assert coverage_interval(5, 0.9) == [1.0, 1.0]


def test_that_the_four_sets_are_shared_out():
    rng = np.random.default_rng(7)
    labels = rng.random(60) < 0.5
    probability = np.clip(rng.random((3, 60)), 0.01, 0.99)
    fold = np.tile(np.arange(60) % 5, (3, 1))
    found = conformal_figures(probability, labels, fold, 0.9)
    assert sum(found["share"].values()) == pytest.approx(1.0)
    assert tuple(found["share"]) == SETS
    low, high = found["coverage_expected_interval"]
    assert 0.5 < low < 0.9 < high <= 1.0


def test_that_net_benefit_and_screening_are_counted_by_hand():
    probability = np.array([0.9, 0.6, 0.4, 0.2])
    labels = np.array([True, False, True, False])
    # at 0.5: one true and one false positive of four, weight 1
    assert net_benefit(probability, labels, 0.5) == pytest.approx(0.0)
    assert net_benefit(probability, labels, 0.2) == pytest.approx(2 / 4 - 0.25 * 2 / 4)
    (row,) = screening(Scores(probability[None], probability[None]), labels, [0.5])
    assert row["enrolled"] == 0.5
    assert row["wrongly_excluded"] == 0.5
    assert row["number_needed_to_screen"] == 2.0
    assert row["response_rate_enrolled"] == 0.5
    assert row["candidates_per_responder"] == 4.0


def test_that_a_sample_that_is_told_apart_without_a_fault_has_exact_limits():
    labels = np.arange(20) < 11
    perfect = np.where(labels, 0.9, 0.1)[None]
    draws = np.random.default_rng(1).integers(0, 20, (200, 20))
    found = figures_of(Scores(perfect, perfect), labels, draws, ["auroc", "mcc", "brier"], 0.5)
    exact = stats.binomtest(11, 11).proportion_ci(0.95, "exact").low
    assert found["sensitivity_interval"] == pytest.approx([exact, 1.0])
    smaller = stats.binomtest(9, 9).proportion_ci(0.95, "exact").low
    assert found["auroc_interval"] == pytest.approx([smaller, 1.0])
    assert found["mcc_interval"] == pytest.approx([2 * smaller - 1, 1.0])
    wrong = figures_of(Scores(-perfect, 1 - perfect), labels, draws, ["auroc"], 0.5)
    assert wrong["auroc_interval"] == pytest.approx([0.0, 1 - smaller])


def test_that_a_model_that_calls_everybody_gains_nothing_over_treating_all():
    rng = np.random.default_rng(9)
    labels = rng.random(50) < 0.6
    draws = rng.integers(0, 50, (200, 50))
    everybody = np.full((2, 50), 0.99)
    rows = decision_curve(Scores(everybody, everybody), labels, draws)
    base = labels.mean()
    for row in rows:
        assert row["model"] == pytest.approx(row["treat_all"])
        low, high = row["over_better_default_interval"]
        if row["threshold"] < base:
            assert low == pytest.approx(0.0, abs=1e-12)
            assert high == pytest.approx(0.0, abs=1e-12)
        else:  # none is the better default
            assert low < row["treat_all"] < high
    perfect = np.where(labels, 0.999, 0.001)[None]
    first = decision_curve(Scores(perfect, perfect), labels, draws)[5]
    assert first["over_better_default_interval"][0] > 0.0


def test_that_a_saving_needs_a_control_arm_and_an_interaction():
    rng = np.random.default_rng(8)
    count = 400
    score, treated = rng.standard_normal(count), np.arange(count) % 2 == 0
    arms = np.where(treated, "drug", "placebo")
    scores = Scores(score[None], 1 / (1 + np.exp(-score[None])))
    predictive = rng.random(count) < 1 / (1 + np.exp(-(1.5 * score * treated - 0.3)))
    prognostic = rng.random(count) < 1 / (1 + np.exp(-(1.5 * score - 0.3)))
    words = "prognostic only, saving not estimable"
    assert sample_size_saving(scores, predictive, ["drug"] * count, None)["statement"] == words
    found = sample_size_saving(scores, prognostic, arms.tolist(), "placebo")
    assert found["statement"] == words
    assert "includes 0" in found["reason"]
    found = sample_size_saving(scores, predictive, arms.tolist(), "drug")  # the other way round
    assert found["statement"] == words
    assert "goes the other way" in found["reason"]
    assert found["interaction"]["interval"][1] < 0.0
    found = sample_size_saving(scores, predictive, arms.tolist(), "placebo")
    assert found["statement"].startswith("estimated")
    sizes = [row["people_per_arm"] for row in found["sizes"]]
    assert sizes[2] < sizes[0]
    unit = (score - score.mean()) / score.std()
    design = np.stack([np.ones(count), treated, unit, treated * unit], axis=1)
    theirs = sm.Logit(predictive.astype(float), design.astype(float)).fit(disp=0)
    ours = interaction(score, predictive, treated)
    assert ours["log_odds_per_sd"] == pytest.approx(theirs.params[3], abs=1e-5)
    np.testing.assert_allclose(ours["interval"], theirs.conf_int()[3], atol=1e-4)


def test_that_the_sample_size_is_the_textbook_one():
    treated, control = np.arange(100) < 50, np.arange(100) < 30
    # (1.96 + 0.8416)^2 (0.25 + 0.21) / 0.2^2 = 90.3
    assert people_per_arm(treated, control) == 91.0
    assert people_per_arm(control, treated) is None


def test_that_a_confound_that_carries_label_and_score_is_flagged():
    rng = np.random.default_rng(10)
    labels = rng.random(120) < 0.5
    age = 55 + 10 * (labels + 0.7 * rng.standard_normal(120))
    innocent = rng.standard_normal(120)
    scores = age + 4 * rng.standard_normal(120)
    draws = draws_of([str(i) for i in range(120)], 300, seed=1)
    found = covariate_check("age_years", age, scores, labels, draws)
    assert found["flagged"]
    assert abs(found["model_auroc_without_it"] - 0.5) < 0.15 < found["model_auroc"] - 0.5
    clean = covariate_check("pain", innocent, scores, labels, draws)
    assert not clean["flagged"]
    assert covariate_check("sex", np.full(120, np.nan), scores, labels, draws) is None


def test_that_auroc_within_sites_ignores_differences_between_them():
    labels = np.array([True, True, False, True, False, False])
    scores = np.array([10.0, 9.0, 8.0, 3.0, 2.0, 1.0])
    sites = ["a", "a", "a", "b", "b", "b"]
    assert auroc_within(scores, labels, sites) == 1.0
    shifted = np.array([1.0, 0.5, 2.0, 8.0, 9.0, 7.0])
    assert auroc_within(shifted, labels, sites) == pytest.approx(1 / 4)
    assert auroc_within(scores, labels, list("abcdef")) is None


def test_that_curves_agree_with_scikit_learn_and_hide_people(some):
    log_odds, probability, labels = some
    scores = Scores(log_odds[None], probability[None])
    false, true, _ = metrics.roc_curve(labels, log_odds, drop_intermediate=False)
    for x, y in roc_points(scores, labels)[1:]:
        assert y == pytest.approx(np.interp(x, false, true), abs=0.09)
    bins = calibration_bins(scores, labels)
    assert sum(one["people"] for one in bins) == pytest.approx(70)
    assert min(one["people"] for one in bins) >= 5
