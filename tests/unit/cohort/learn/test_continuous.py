"""The primary outcome: baseline-adjusted change, its rivals, its permutation test, its words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.cohort.learn.contenders import Workshop
from app.cohort.learn.continuous import (
    PENALTIES,
    Adjustment,
    Regressions,
    answer_continuous,
    mapped_continuous,
)
from app.cohort.learn.continuous_figures import Errors, _difference, by_fold
from app.cohort.learn.definition import Outcome
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.judge import judged
from app.cohort.learn.permutation import exchanged_rows, permutation_test
from app.cohort.learn.plan import parse_plan
from app.cohort.learn.primary_words import (
    BASELINE_ONLY,
    above_zero,
    continuous_lines,
    is_continuous,
    p_text,
    reaches_zero,
    responder_lines,
)
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import Fold, Splits, splits_of
from app.core.errors import AppError
from app.core.progress import Progress
from tests.unit.cohort.learn.small import labelled, make_cohort, plan_values, small_plan

FAST = {"repeats": 2, "outer_folds": 3, "inner_folds": 3, "permutations": 19,
        "learning_curve": False, "leave_one_site_out": False}  # fmt: skip


def figures_of(place, made, plan):
    cohort = labelled(place, made, plan)
    workshop = Workshop(cohort.covariate_names, 2.0)
    contenders = [workshop.contender(name) for name in plan.models.names]
    evaluation = judged(evaluate(cohort, contenders, place / "result"), contenders)
    return evaluation, contenders


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    place = tmp_path_factory.mktemp("continuous")
    plan = small_plan(models={"rivals": ["covariates", "age", "majority"]}, protocol=FAST)
    return figures_of(place, make_cohort(place, 54, seed=2), plan)


def test_that_ridge_is_that_of_the_normal_equations():
    rng = np.random.default_rng(4)
    rows, asked = rng.standard_normal((30, 7)), rng.standard_normal((5, 7))
    target = rng.standard_normal(30)
    penalty = PENALTIES[3]
    centre = rows.mean(axis=0)
    factor = 1.0 / np.sqrt(((rows - centre) ** 2).sum(axis=1).mean())
    x, y = (rows - centre) * factor, target - target.mean()
    weights = np.linalg.solve(x.T @ x + penalty * 30 * np.eye(7), x.T @ y)
    expected = ((asked - centre) * factor) @ weights + target.mean()
    fold = Regressions.of(rows, asked, (), np.ones(30, bool), standardise=False)
    np.testing.assert_allclose(fold.outer.predict(target, penalty), expected, atol=1e-10)


def test_that_people_of_unknown_change_teach_nothing():
    rng = np.random.default_rng(5)
    rows, target = rng.standard_normal((40, 6)), rng.standard_normal(40)
    inner = [(np.arange(0, 20), np.arange(20, 40)), (np.arange(20, 40), np.arange(0, 20))]
    target[3] = np.nan
    one = answer_continuous(rows[:40], rows[:5], target, target[:5], None, None, inner)
    rows[3] = 99.0  # nobody looks at the row
    other = answer_continuous(rows[:40], rows[4:5], target, target[4:5], None, None, inner)
    np.testing.assert_allclose(one.predicted[4], other.predicted[0])
    assert np.isnan(one.target[3])


def test_that_log_odds_are_mapped_by_a_line_of_the_training_side():
    baseline = np.array([4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    log_odds = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    rest = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    rest = Adjustment.fit(rest, baseline).left(rest, baseline)
    improvement = 2.0 + 0.5 * (baseline - 6.5) + rest
    slope = float(np.polyfit(log_odds, rest, 1)[0])
    answer = mapped_continuous(
        log_odds, np.array([3.0]), improvement, np.array([4.0]), baseline, np.array([6.5])
    )
    assert answer.predicted[0] == pytest.approx(3.0 * slope)
    assert answer.target[0] == pytest.approx(2.0)
    backwards = mapped_continuous(
        -log_odds, np.array([3.0]), improvement, np.array([4.0]), baseline, np.array([6.5])
    )
    assert backwards.predicted[0] == pytest.approx(0.0, abs=1e-12)  # never against its own ranking


def test_that_errors_of_draws_are_counted_by_hand():
    predicted, target = np.array([[1.0, 0.0, -1.0]]), np.array([[2.0, 1.0, -1.0]])
    errors = Errors.of(predicted, target)
    once = np.ones((1, 3))
    assert errors.r_squared(once)[0] == pytest.approx(1 - 2 / 6)
    assert errors.absolute_error(once)[0] == pytest.approx(2 / 3)
    twice = np.array([[0.0, 0.0, 3.0]])  # the last person three times
    assert errors.r_squared(twice)[0] == pytest.approx(1.0)
    assert errors.absolute_error(twice)[0] == 0.0


def test_that_the_score_before_treatment_alone_is_the_measure(found):
    evaluation, _ = found
    record = evaluation.figures["continuous"]
    alone = record["models"][BASELINE_ONLY]
    head = record["models"]["pearson-logistic"]
    assert alone["r_squared"] == 0.0
    # both sides by hand, from the private scores
    model = evaluation.headline
    shares = [
        1 - ((p - t) ** 2).sum() / (t**2).sum()
        for p, t in zip(model.predicted, model.target, strict=True)
    ]
    assert head["r_squared"] == pytest.approx(np.mean(shares))
    assert alone["absolute_error"] == pytest.approx(np.abs(model.target).mean())
    gained = record["comparisons"][BASELINE_ONLY]
    assert gained["r_squared"]["difference"] == pytest.approx(head["r_squared"])
    assert gained["absolute_error"]["difference"] == pytest.approx(
        head["absolute_error"] - alone["absolute_error"]
    )
    for entry in gained.values():
        low, high = entry["interval"]
        narrow = entry["bootstrap_interval"]
        assert low <= narrow[0] <= entry["difference"] <= narrow[1] <= high
    assert head["r_squared_interval"] == gained["r_squared"]["interval"]  # one, everywhere
    rows = np.arange(len(evaluation.cohort))
    better = (model.target**2 - (model.predicted - model.target) ** 2) / (model.target**2).mean()
    folds = by_fold(better, evaluation.splits, rows)
    assert gained["r_squared"]["corrected_test"]["mean"] == pytest.approx(folds.mean())


def test_that_intervals_of_few_folds_stay_within_what_errors_can_be():
    rng = np.random.default_rng(4)
    third = np.arange(12) % 3
    folds = [Fold(0, k, np.flatnonzero(third != k), np.flatnonzero(third == k), ())
             for k in range(3)]  # fmt: skip
    splits = Splits(tuple(folds), 1, 0, "nested cross-validation", "")
    target = rng.standard_normal((1, 12))
    one = Errors.of(target * np.where(np.arange(12) % 3 == 0, 0.99, 2.4), target)
    alone = Errors.of(np.zeros_like(target), target)
    counts = rng.multinomial(12, np.full(12, 1 / 12), 300).astype(float)
    found = _difference(one, alone, counts, splits, np.arange(12))
    explained, error = found["r_squared"], found["absolute_error"]
    assert explained["corrected_test"]["high"] > 1.0
    assert explained["interval"][1] == 1.0
    lowest = np.percentile(one.r_squared(counts), 2.5)
    cut = max(explained["corrected_test"]["low"], lowest - 1.0)  # the other is 1 at most
    assert explained["interval"][0] == pytest.approx(cut)
    back = _difference(alone, one, counts, splits, np.arange(12))["r_squared"]["interval"]
    assert back == pytest.approx([-end for end in reversed(explained["interval"])])
    limit = np.percentile(alone.absolute_error(counts), 97.5)
    assert error["corrected_test"]["low"] < -limit
    assert error["interval"][0] == pytest.approx(-limit)  # no error is below 0


def test_that_rivals_stand_on_the_same_outcome_and_a_planted_effect_is_found(found):
    record = found[0].figures["continuous"]
    assert set(record["models"]) == {
        BASELINE_ONLY, "pearson-logistic", "covariates", "age", "majority"
    }  # fmt: skip
    assert record["models"]["pearson-logistic"]["by"] == "ridge regression on the same features"
    assert record["models"]["majority"]["by"].startswith("log-odds of the responder model")
    assert record["models"]["majority"]["r_squared"] == pytest.approx(0.0, abs=0.2)
    assert record["models"]["pearson-logistic"]["r_squared"] > 0.15
    assert record["permutation"]["statistic"] == "r_squared"
    assert record["permutation"]["p_value"] == pytest.approx(0.05)  # 1 of 20
    gain = record["gain_over_covariates"]
    assert gain["of"] == ["age", "covariates"]
    explained = record["models"]["pearson-logistic"]["r_squared"]
    assert gain["r_squared"]["difference"] <= explained + 1e-9


def test_that_the_words_lead_with_the_change(found):
    figures = found[0].figures
    assert is_continuous(figures)
    assert figures["primary"]["words"] == (
        "improvement, points (VAS 0-10), adjusted for the score before treatment"
    )
    lines = continuous_lines(figures)
    assert "beyond the score before treatment alone" in lines[0]
    assert any("Corrected repeated-CV test" in line for line in lines)
    assert any("p = 0.050" in line for line in lines)
    assert any("covariate-only rival" in line for line in lines)
    assert not any("is known of" in line for line in lines)
    fewer = figures["continuous"] | {"known": len(found[0].cohort) - 5}
    lines = continuous_lines(figures | {"continuous": fewer})
    count = len(found[0].cohort)
    assert any(f"known of {count - 5} of {count} people" in line for line in lines)
    told = responder_lines(figures)
    assert told[0].startswith("VAS fall >= 30 %: AUROC")
    assert [line.split(":")[0] for line in told[1:3]] == ["VAS fall >= 50 %", "VAS < 4"]
    assert not is_continuous({"headline": "old"})
    assert continuous_lines({"continuous": {"models": {}}}) == []  # of an older version


def test_that_a_responder_plan_on_a_score_is_a_deviation(tmp_path):
    made = make_cohort(tmp_path, 40, seed=6)
    plan = small_plan(
        outcome={"primary": "responder"}, models={"rivals": ["age"]},
        protocol=FAST | {"permutations": 0, "repeats": 1},
    )  # fmt: skip
    figures = figures_of(tmp_path, made, plan)[0].figures
    assert figures["primary"]["outcome"] == "responder"
    assert [d["what"] for d in figures["deviations"]] == ["outcome.primary"]
    assert figures["continuous"] is not None  # still told, after the definitions


@pytest.mark.parametrize(
    ("outcome", "primary"),
    [
        ({"kind": "post"}, "continuous"),
        ({"kind": "post", "baseline_column": None}, "responder"),
        ({"kind": "percent_improvement", "baseline_column": None}, "continuous"),
        ({"kind": "label", "baseline_column": None}, "responder"),
    ],
)
def test_that_the_plan_says_which_outcome_is_primary(outcome, primary):
    plan = small_plan(outcome=outcome, responder={"secondary": []})
    assert plan.primary == primary
    if primary == "responder":
        values = plan_values(outcome=outcome | {"primary": "continuous"},
                             responder={"secondary": []})  # fmt: skip
        with pytest.raises(AppError, match="needs a column of change"):
            parse_plan(values)


def test_that_new_fields_leave_the_hash_of_older_plans(tmp_path):
    # of the plan as it was before there were the fields
    plan = small_plan()
    values = plan.model_dump(mode="json")
    del values["outcome"]["primary"], values["protocol"]["calibration"], values["scan"]
    del values["arms"]
    from app.core.provenance import record_sha256

    assert plan.sha256 == record_sha256(values)
    assert small_plan(outcome={"primary": "continuous"}).sha256 != plan.sha256
    assert small_plan(protocol={"calibration": "temperature"}).sha256 != plan.sha256
    assert small_plan(scan={"session": "ses-1"}).sha256 != plan.sha256


def test_that_too_little_change_known_is_a_deviation_and_no_crash(tmp_path):
    made = make_cohort(tmp_path, 40, seed=6)
    plan = small_plan(
        responder={"definition": "VAS < 4", "secondary": []}, models={"rivals": ["age"]},
        protocol=FAST | {"permutations": 0, "repeats": 1, "outer_folds": 2, "inner_folds": 2},
    )  # fmt: skip
    cohort = labelled(tmp_path, made, plan)
    assert cohort.change is not None
    outcome = cohort.outcome
    thin = replace(outcome, baseline=np.where(np.arange(len(cohort)) % 3 == 0, 5.0, np.nan))
    assert isinstance(thin, Outcome)
    few = replace(cohort, outcome=thin)
    assert few.change is None
    workshop = Workshop(few.covariate_names, 2.0)
    contenders = [workshop.contender(name) for name in plan.models.names]
    figures = judged(evaluate(few, contenders, tmp_path / "thin"), contenders).figures
    assert figures["continuous"] is None
    assert figures["primary"]["outcome"] == "responder"
    assert ("outcome.primary", "continuous", "responder") in [
        (d["what"], d["planned"], d["done"]) for d in figures["deviations"]
    ]


def test_that_exchanges_move_whole_people_within_their_stratum():
    people = ["a", "a", "b", "c", "d", "d"]
    strata = ["s", "s", "s", "t", "t", "t"]
    for seed in range(5):
        rows = exchanged_rows(people, strata, np.random.default_rng(seed))
        assert rows[0] == rows[1]
        assert rows[4] == rows[5]
        assert {int(rows[0]), int(rows[2])} == {0, 2}
        assert {int(rows[3]), int(rows[4])} == {3, 4}


def test_that_null_change_gives_no_small_p(tmp_path):
    """Exchanging what the baseline leaves is exact where the brain says nothing."""
    values = []
    plan = small_plan(models={"rivals": []}, protocol=FAST | {"repeats": 1})
    for seed in range(8):
        place = tmp_path / str(seed)
        cohort = labelled(place, make_cohort(place, 44, effect=0.0, seed=20 + seed), plan)
        contender = Workshop(cohort.covariate_names, 2.0).contender("linear")
        result = permutation_test(
            contender, cohort, splits_of(cohort), ResultFolder(place / "result"), Progress(),
            permutations=19, seed=seed,
        )  # fmt: skip
        assert result.change is not None
        assert result.change.permuted.std() > 0
        values.append(result.change.p_value)
    assert 0.2 < np.mean(values) < 0.8


def test_that_an_interval_a_hair_above_zero_shows_nothing():
    assert above_zero(0.006) and not above_zero(0.004) and not above_zero(None)
    assert reaches_zero(0.004) == "begins at 0" and reaches_zero(-0.1) == "includes 0"
    assert p_text(0.0004) == "p < 0.001" and p_text(0.012) == "p = 0.012"
