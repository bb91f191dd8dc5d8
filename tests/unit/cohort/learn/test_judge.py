"""What is shown: figures of the plan, nobody's score, flags where something else carries it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from app.cohort.experiments.record_facts import facts_of_record
from app.cohort.experiments.record_robustness import confound_checks
from app.cohort.learn.bundle_card import metrics
from app.cohort.learn.change_groups import TOO_FEW, change_by_group
from app.cohort.learn.comparison import possible_difference
from app.cohort.learn.contenders import Workshop
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.figures import drawn_of, draws_of, interval_of, value_of
from app.cohort.learn.gate import gate_rivals, site_alone, withheld_reasons
from app.cohort.learn.judge import judged, unharmonised
from app.cohort.learn.learning_curve import learning_curve, subsample
from app.cohort.learn.permutation import permutation_test
from app.cohort.learn.primary_words import continuous_lines, responder_lines
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.run import LearnRequest, learn
from app.cohort.learn.tables import as_tsv, tables_of, write_evaluation
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from tests.unit.cohort.learn.small import labelled, make_cohort, small_plan

FAST = {"repeats": 2, "outer_folds": 3, "inner_folds": 3, "permutations": 25}


def run(place, plan, made):
    cohort = labelled(place, made, plan)
    workshop = Workshop(cohort.covariate_names, 2.0, harmonise=plan.recipe.harmonise)
    contenders = [workshop.contender(name) for name in plan.models.names]
    return judged(evaluate(cohort, contenders, place / "result"), contenders), contenders


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    place = tmp_path_factory.mktemp("judge")
    plan = small_plan(models={"rivals": ["covariates", "age", "majority"]}, protocol=FAST)
    evaluation, contenders = run(place, plan, make_cohort(place, 54, seed=2))
    write_evaluation(evaluation)
    return evaluation, contenders, place / "result"


def test_that_everything_of_the_plan_is_there(found):
    evaluation, _, folder = found
    record = json.loads((folder / "evaluation.json").read_text())
    assert record["plan_sha256"] == evaluation.cohort.plan.sha256
    assert record["deviations"] == []
    for name in ("pearson-logistic", "covariates", "age", "majority"):
        entry = record["models"][name]
        for figure in evaluation.cohort.plan.protocol.metrics:
            assert figure in entry
            interval = entry[f"{figure}_interval"]
            if interval is not None:
                assert interval[0] <= entry[figure] <= interval[1]
    assert record["models"]["pearson-logistic"]["auroc"] > 0.6
    assert set(record["comparisons"]) == {"covariates", "age", "majority"}
    assert record["comparisons"]["age"]["auroc"]["corrected_test"]["p_value"] < 1.0
    assert set(record["secondary_definitions"]) == {"VAS fall >= 50 %", "VAS < 4"}
    assert record["continuous"]["adjusted_for_baseline"]
    assert record["permutation"]["words"] == "tests any association, confounds included"
    assert record["permutation"]["within"] == "arm, site and fold"
    assert record["sample_size"]["statement"] == "prognostic only, saving not estimable"
    assert set(record["by_sex"]) == {"F", "M"}
    assert set(record["leave_one_site_out"]) == set(record["models"])
    gain = record["gain_over_covariates"]
    assert gain["rival"] in ("covariates", "age")
    # a rival below one half counts as one half, and the interval is no narrower than either
    rival = max(0.5, record["models"][gain["rival"]]["auroc"])
    assert gain["auroc"] == pytest.approx(record["models"]["pearson-logistic"]["auroc"] - rival)
    compared = record["comparisons"][gain["rival"]]["auroc"]
    narrow, test = compared["bootstrap_interval"], compared["corrected_test"]
    cohort, protocol = evaluation.cohort, evaluation.cohort.plan.protocol
    draws = draws_of(cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
    own = evaluation.models[gain["rival"]].scores
    low, high = interval_of(drawn_of("auroc", own, cohort.labels, draws, protocol.cutoff))
    assert compared["interval"] == pytest.approx(
        [min(narrow[0], max(test["low"], 0.0 - high)), max(narrow[1], min(test["high"], 1.0 - low))]
    )
    (row,) = [line.split("\t") for line in (folder / "comparisons.tsv").read_text().splitlines()
              if line.startswith(f"pearson-logistic\t{gain['rival']}\tauroc\t")]  # fmt: skip
    assert [float(cell) for cell in row[4:6]] == pytest.approx(compared["interval"], rel=1e-4)
    assert gain["auroc_interval"][0] <= gain["auroc"] <= gain["auroc_interval"][1]
    assert gain["auroc_interval"][1] - gain["auroc_interval"][0] > 0.5 * (narrow[1] - narrow[0])
    assert [row["cutoff"] for row in record["screening"]] == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_that_no_more_is_gained_than_can_be(found):
    evaluation = found[0]
    labels, scores = evaluation.cohort.labels, evaluation.headline.scores
    draws = draws_of(evaluation.cohort.identifiers, 100, 1)

    def possible(log_odds, **least):
        other = replace(evaluation.headline, scores=replace(scores, log_odds=log_odds))
        return possible_difference("auroc", other, labels, draws, 0.5, **least)

    assert possible(np.zeros_like(scores.log_odds)) == (-0.5, 0.5)
    worse = np.where(labels, -1.0, 1.0) + np.zeros_like(scores.log_odds)  # ranks all wrongly
    assert possible(worse) == (0.0, 1.0)
    assert possible(worse, least=0.5) == (-0.5, 0.5)
    assert evaluation.figures["gain_over_covariates"]["auroc_interval"][1] <= 0.5


def test_that_nobody_is_in_what_is_shown(found):
    evaluation, _, folder = found
    scores = evaluation.headline.scores
    texts = [p.read_text() for p in folder.iterdir() if p.is_file() and p.suffix != ".toml"]
    assert len(texts) >= 8
    for text in texts:
        assert "sub-0" not in text
    numbers = set()

    def collect(value):
        if isinstance(value, dict):
            [collect(one) for one in value.values()]
        elif isinstance(value, list):
            [collect(one) for one in value]
        elif isinstance(value, float):
            numbers.add(value)

    collect(evaluation.figures)
    assert not numbers & set(scores.probability.ravel().tolist())
    assert not numbers & set(scores.log_odds.ravel().tolist())


def test_that_tables_are_readable(found):
    _, _, folder = found
    rows = [line.split("\t") for line in (folder / "models.tsv").read_text().splitlines()]
    assert rows[0][:3] == ["model", "label", "headline"]
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[1][:3] == ["pearson-logistic", "Pearson, logistic", "yes"]
    assert "auroc_low" in rows[0]
    change = (folder / "continuous.tsv").read_text().splitlines()
    assert change[1].startswith("baseline-only\tScore before treatment alone\t")
    compared = (folder / "continuous_comparisons.tsv").read_text().splitlines()
    assert compared[0].split("\t")[1:4] == ["rival", "figure", "difference"]
    assert {row.split("\t")[2] for row in compared[1:]} == {"r_squared", "absolute_error"}
    assert (
        as_tsv([{"a": None, "b": 0.25}, {"c": True}]) == "a\tb\tc\nn/a\t0.25\tn/a\nn/a\tn/a\tyes\n"
    )


def test_that_permutations_go_on_where_they_were_stopped(found, tmp_path, monkeypatch):
    evaluation, contenders, _ = found
    cohort, splits = evaluation.cohort, evaluation.splits
    result = ResultFolder(tmp_path)
    arguments = {"permutations": 12, "seed": 7}
    whole = permutation_test(contenders[0], cohort, splits, result, Progress(), **arguments)
    again = permutation_test(contenders[0], cohort, splits, result, Progress(), **arguments)
    np.testing.assert_array_equal(whole.permuted, again.permuted)
    asked = []

    def cancelled():
        asked.append(1)
        return len(asked) > 6

    other = ResultFolder(tmp_path / "other")
    monkeypatch.setattr("app.cohort.learn.permutation.KEEP_EVERY_S", -1.0)
    with pytest.raises(CancelledError):
        permutation_test(
            contenders[0], cohort, splits, other, Progress(cancelled=cancelled), **arguments
        )
    (kept,) = other.private.rglob("*.npz")
    with np.load(kept) as archive:
        assert 0 < np.isfinite(archive["auroc"]).sum() < 12
    third = permutation_test(contenders[0], cohort, splits, other, Progress(), **arguments)
    np.testing.assert_array_equal(whole.permuted, third.permuted)


def test_that_what_cannot_be_exchanged_is_a_deviation(found):
    evaluation, contenders, _ = found
    cohort = evaluation.cohort
    sites = [f"{'r' if label else 'n'}" for label in cohort.labels]
    people = tuple(replace(one, site=site) for one, site in zip(cohort.people, sites, strict=True))
    fixed = replace(evaluation, cohort=replace(cohort, people=people))
    alone = tuple(replace(one, site=one.identifier) for one in cohort.people)
    nobody = replace(cohort, people=alone)
    with pytest.raises(AppError, match=r"one class only.*no two people"):
        permutation_test(
            contenders[0], nobody, evaluation.splits, ResultFolder(evaluation.folder),
            Progress(), permutations=3, seed=1,
        )  # fmt: skip
    figures = judged(fixed, contenders).figures
    assert figures["permutation"] is None
    (told,) = [one for one in figures["deviations"] if one["what"] == "protocol.permutations"]
    assert told["done"] == "of the change alone"
    assert any("Permutation of the label: not possible" in one for one in responder_lines(figures))
    # the change is exchanged among people of one class all the same: those of one site and fold
    change = figures["continuous"]["permutation"]
    assert change["permutations"] == FAST["permutations"]
    assert 1 / 26 <= change["p_value"] <= 1.0
    low, high = change["permuted_range"]
    assert low < high  # people did move
    assert any(f"p = {change['p_value']:.3f}" in one for one in continuous_lines(figures))
    neither = judged(replace(evaluation, cohort=nobody), contenders).figures
    assert neither["continuous"]["permutation"] is None
    assert any("not possible. No label can" in one for one in continuous_lines(neither))
    assert any("Site n has one class only" in text for text in figures["flags"])
    impossible, site = figures["withheld"]
    assert impossible.startswith("The permutation test that was planned was impossible")
    assert "No label can be exchanged" in impossible
    assert site == "Each site has one class only: the label cannot be told from the site."
    assert any(text.startswith(impossible) for text in figures["flags"])
    card = metrics(replace(fixed, figures=figures), "majority")
    assert card["gate"]["withheld"] == f"{impossible} {site}"


def test_that_a_site_that_ranks_the_label_as_well_as_the_model_withholds(found):
    evaluation, _, _ = found
    cohort = evaluation.cohort
    draws = draws_of(cohort.identifiers, 200, 7)
    assert evaluation.figures["withheld"] == []  # its two sites respond alike
    rng = np.random.default_rng(4)
    sites = [f"{'a' if label ^ (rng.random() < 0.08) else 'b'}" for label in cohort.labels]
    people = tuple(replace(one, site=site) for one, site in zip(cohort.people, sites, strict=True))
    carried = replace(evaluation, cohort=replace(cohort, people=people))
    alone = site_alone(carried)
    assert value_of("auroc", alone.scores, cohort.labels, 0.5) > 0.85
    (reason,) = withheld_reasons(carried, evaluation.figures, draws)
    assert reason.startswith("The site alone ranks the label with an AUROC of 0.")
    # the rate of a site is that of the training people, drawn towards all by one person
    fold = carried.splits.folds[0]
    inside = [row for row in fold.training if sites[row] == "a"]
    base, row = cohort.labels[fold.training].mean(), next(r for r in fold.test if sites[r] == "a")
    rate = (cohort.labels[inside].sum() + base) / (len(inside) + 1)
    assert alone.scores.probability[fold.repeat, row] == pytest.approx(rate)


def test_that_a_learning_curve_tests_the_same_people(found):
    evaluation, contenders, _ = found
    cohort, splits = evaluation.cohort, evaluation.splits
    rows = evaluation.figures["learning_curve"]
    assert [row["training_people"] for row in rows] == sorted(
        row["training_people"] for row in rows
    )
    assert rows[-1]["share"] == 1.0
    assert rows[-1]["auroc"] == pytest.approx(
        evaluation.figures["models"]["pearson-logistic"]["auroc"]
    )
    fold = splits.folds[0]
    small, large = (subsample(fold, cohort.labels, share, 1) for share in (0.4, 0.8))
    assert set(small) < set(large) < set(fold.training)
    few = learning_curve(
        contenders[0], cohort, splits, np.zeros((5, len(cohort)), int), Progress(), (0.01,)
    )
    assert few == ([], [])


def test_that_the_change_has_a_learning_curve_and_figures_by_site_and_sex(found):
    evaluation, _, folder = found
    cohort, change = evaluation.cohort, evaluation.figures["continuous"]
    curve, whole = change["learning_curve"], change["models"]["pearson-logistic"]
    assert [row["share"] for row in curve] == [
        row["share"] for row in evaluation.figures["learning_curve"]
    ]
    for name in ("r_squared", "r", "absolute_error"):
        assert curve[-1][name] == pytest.approx(whole[name])  # all people, the same folds
        low, high = curve[0][f"{name}_interval"]
        assert low <= curve[0][name] <= high
    assert curve[0]["r_squared"] < curve[-1]["r_squared"]
    # by hand: one site's people, out of fold, mean over repeats
    head = evaluation.headline
    rows = [place for place, site in enumerate(cohort.sites) if site == "s1"]
    off, left = head.predicted[:, rows] - head.target[:, rows], head.target[:, rows]
    one = change["by_site"]["s1"]
    assert one["known"] == one["people"] == len(rows) == 27
    by_hand = np.mean([1 - (a @ a) / (b @ b) for a, b in zip(off, left, strict=True)])
    assert one["r_squared"] == pytest.approx(by_hand)
    assert one["absolute_error"] == pytest.approx(np.abs(off).mean())
    assert set(change["by_sex"]) == {"F", "M"}
    for name in ("sites", "sexes", "learning_curve", "confounds"):
        text = (folder / f"continuous_{name}.tsv").read_text()
        assert len(text.splitlines()) > 2
    facts = facts_of_record(evaluation.figures, title="evaluation", command="x", finished_utc="")
    assert [one.name for one in facts.change_groups] == ["s0", "s1", "F", "M"]
    assert facts.change_table.rows[1][0] == "Site: s1"
    assert facts.change_learning[0].values[-1] == pytest.approx(whole["r_squared"])


def test_that_a_group_of_few_people_has_no_figure_of_the_change(found):
    evaluation = found[0]
    names = ["few"] * 4 + ["many"] * (len(evaluation.cohort) - 4)
    groups = change_by_group(evaluation, names)
    assert groups["few"] == {"people": 4, "known": 4, "note": TOO_FEW}
    assert groups["many"]["known"] == len(evaluation.cohort) - 4


def test_that_age_that_carries_the_label_is_flagged_and_earns_nothing(tmp_path):
    made = make_cohort(tmp_path, 54, effect=0.0, seed=5)
    lines = made.table.read_text().splitlines()
    rng = np.random.default_rng(0)
    rows = [line.split("\t") for line in lines[1:]]
    for row, responder in zip(rows, made.responders, strict=True):
        age = 55 + 15 * responder + 6 * rng.standard_normal()
        row[1] = f"{age:.1f}"
        # the scans carry age alone: the planted connection follows it
        path = made.folder / f"cohort_{row[0]}.npz"
        series = np.random.default_rng(int(row[0][4:])).standard_normal((60, 12))
        series[:, 4] += (age - 62) / 8 * series[:, 1]
        matrix = np.corrcoef(series.T)
        np.fill_diagonal(matrix, 0.0)
        with np.load(path) as archive:
            values = {name: archive[name] for name in archive.files}
        np.savez(path, **(values | {"cleaned": series.astype(np.float32),
                                    "matrix": matrix.astype(np.float32)}))  # fmt: skip
    made.table.write_text("\n".join([lines[0], *("\t".join(row) for row in rows)]) + "\n")
    plan = small_plan(models={"rivals": ["age", "covariates"]},
                      protocol=FAST | {"learning_curve": False})  # fmt: skip
    figures = run(tmp_path, plan, made)[0].figures
    assert figures["permutation"]["p_value"] < 0.05  # an association, a confound's
    assert any("age_years ranks the label" in text for text in figures["flags"])
    checks = {one["covariate"]: one for one in figures["confounds"]["change"]["covariates"]}
    age = checks["age_years"]
    assert age["flagged"]
    assert age["correlation_with_change"] > 0.5
    assert abs(age["prediction_with_change_without_it"]) < age["prediction_with_change"] - 0.2
    assert not checks["baseline_pain"]["flagged"]
    assert any(text.startswith("age_years goes with the change") for text in figures["flags"])
    shown = [one.name for one in confound_checks(figures["confounds"])]
    assert "age, change" in shown
    assert "site, change" in shown
    assert not figures["confounds"]["change"]["site_flagged"]  # sites were dealt in turn
    assert any(
        "No gain over the best covariate-only rival was shown" in t for t in figures["flags"]
    )


def test_that_covariates_are_judged_for_the_gate_whatever_the_plan_names(tmp_path):
    made = make_cohort(tmp_path, 54, seed=2)
    lines = made.table.read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    for row, responder in zip(rows, made.responders, strict=True):
        row[1] = "70" if responder else "40"  # age is the label
    made.table.write_text("\n".join([lines[0], *("\t".join(row) for row in rows)]) + "\n")
    plan = small_plan(
        models={"rivals": ["majority"]},
        protocol=FAST | {"permutations": 0, "learning_curve": False, "leave_one_site_out": False},
    )
    cohort = labelled(tmp_path, made, plan)
    workshop = Workshop(cohort.covariate_names, 2.0)
    planned = [workshop.contender(name) for name in plan.models.names]
    added = gate_rivals(planned, workshop)
    assert [one.id for one in added] == ["age", "motion", "baseline-pain", "covariates"]
    assert gate_rivals([*planned, *added], workshop) == []
    evaluation = judged(evaluate(cohort, [*planned, *added], tmp_path / "result"), planned)
    figures = evaluation.figures
    assert figures["fitted_for_gate"] == ["age", "motion", "baseline-pain", "covariates"]
    assert figures["models"]["age"]["label"].endswith("(for the gate, not in the plan)")
    assert figures["deviations"] == []
    assert figures["gain_over_covariates"]["rival"] in ("age", "covariates")
    assert figures["gain_over_covariates"]["auroc_interval"][0] < 0.0
    assert any("This is no deviation" in line for line in responder_lines(figures))

    # and whoever judges without them has no gain to speak of
    bare = judged(evaluate(cohort, planned, tmp_path / "bare"), planned)
    gain = bare.figures["gain_over_covariates"]
    assert gain["auroc"] is None
    assert gain["auroc_interval"] is None
    assert "though covariates were known: age_years, sex_female" in gain["rival"]
    assert any("none judged, though covariates" in text for text in bare.figures["flags"])
    assert "gain_over_covariates" not in metrics(bare, "majority")


def test_that_covariates_that_nobody_has_are_not_asked_of_a_plan(tmp_path):
    assert gate_rivals([], Workshop((), 2.0)) == []
    names = [one.id for one in gate_rivals([], Workshop(("mean_fd_mm",), 2.0))]
    assert names == ["motion", "covariates"]


def test_that_harmonised_cohorts_say_what_they_cannot_do(tmp_path):
    plan = small_plan(
        models={"rivals": ["covariates"]}, recipe={"harmonise": "combat"},
        protocol=FAST | {"permutations": 0},
    )  # fmt: skip
    evaluation = run(tmp_path, plan, make_cohort(tmp_path, 60, seed=2))[0]
    figures = evaluation.figures
    reasons = " ".join(one["reason"] + one["done"] for one in figures["deviations"])
    assert "cannot serve one participant from a new scanner" in reasons
    planned = [one["planned"] for one in figures["deviations"]]
    assert planned == ["true", "true"]  # what the plan says; covariates are nothing to harmonise
    network = replace(evaluation.headline, id="net", inputs="series")
    told = unharmonised(replace(evaluation, models=evaluation.models | {"net": network}))
    assert [one.done for one in told][2:] == ["not applied to net"]
    assert [one["what"] for one in figures["deviations"]][1] == "protocol.learning_curve"
    assert figures["leave_one_site_out"] == {}
    assert figures["models"]["pearson-logistic"]["auroc"] > 0.6


def test_that_a_misspelt_model_is_refused_before_the_lock(tmp_path):
    made = make_cohort(tmp_path, 24)
    plan = small_plan(models={"headline": "linear", "rivals": ["covariats"]})
    request = LearnRequest(made.folder, made.table, plan, tmp_path / "result")
    with pytest.raises(AppError, match="no model 'covariats'") as refused:
        learn(request)
    assert refused.value.hint == "Did you mean covariates?"
    assert not (tmp_path / "result").exists()


def with_arms(made):
    lines = made.table.read_text().splitlines()
    table = [lines[0] + "\tarm"]
    table += [f"{row}\t{'drug' if n % 3 else 'placebo'}" for n, row in enumerate(lines[1:])]
    made.table.write_text("\n".join(table) + "\n")
    return made


def test_that_arms_are_never_pooled_unasked(tmp_path):
    made = with_arms(make_cohort(tmp_path, 24))
    with pytest.raises(AppError, match="2 arms would be pooled: drug, placebo"):
        labelled(tmp_path, made)
    assert len(labelled(tmp_path, made, small_plan(arms={"control": "placebo"}))) == 24
    assert len(labelled(tmp_path, made, small_plan(select={"arm": ["drug"]}))) == 16


@pytest.mark.parametrize(
    ("control", "select"), [("plcebo", {}), ("placebo", {"arm": ["placebo"]}), ("none", {})]
)
def test_that_a_control_arm_that_nobody_is_of_or_everybody_is_refused(tmp_path, control, select):
    made = with_arms(make_cohort(tmp_path, 24))
    with pytest.raises(AppError, match=f"names the control arm '{control}'") as refused:
        labelled(tmp_path, made, small_plan(arms={"control": control}, select=select))
    assert refused.value.code == "cohort.arms"


def test_that_a_plan_cannot_claim_that_a_control_arm_is_modelled():
    with pytest.raises(AppError, match=r"no model of a cohort knows the arm.*\[arms\] control"):
        small_plan(treatment={"control_arm_modelled": True, "comparator": "placebo"})


def test_that_pooled_arms_are_told_first_and_figured_apart(tmp_path):
    made = with_arms(make_cohort(tmp_path, 45, seed=4))
    plan = small_plan(
        arms={"control": "placebo"}, models={"headline": "age", "rivals": ["covariates"]},
        protocol=FAST | {"permutations": 0, "learning_curve": False},
    )  # fmt: skip
    evaluation, _ = run(tmp_path, plan, made)
    figures = evaluation.figures
    labels = evaluation.cohort.labels
    placebo = np.arange(45) % 3 == 0
    told = f"placebo: 15 people, {int(labels[placebo].sum())} responders"
    assert figures["flags"][0].startswith("People of 2 arms are pooled (drug: 30 people")
    assert told in figures["flags"][0]
    assert "prognostic" in figures["flags"][0]
    assert set(figures["by_arm"]) == set(figures["continuous"]["by_arm"]) == {"drug", "placebo"}
    facts = facts_of_record(
        figures, title="Arms", command="main.py evaluate", finished_utc="2026-01-01T00:00:00Z"
    )
    assert any(told in one and "not drug effect" in one for one in facts.limitations)
    assert {group.name for group in facts.groups if group.kind == "Arm"} == {"drug", "placebo"}
    assert "arms" in tables_of(figures)
    assert not any("No control arm was modelled" in one for one in facts.limitations)
