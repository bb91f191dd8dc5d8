"""The paper's questions on small cohorts: the same splits, honest refusals, reports that say so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cohort.experiments.ablate import Extras, parts_of, run_ablate, verdict
from app.cohort.experiments.compare import NONE_JUDGED, beside, rivals_of, run_compare
from app.cohort.experiments.other_inputs import RawSeries, Volumes, with_raw, with_volumes
from app.cohort.experiments.record_facts import facts_of_record, headline_of, role_of
from app.cohort.experiments.record_parts import exact_interval
from app.cohort.experiments.reliance import variance_shares
from app.cohort.experiments.running import DataSet, Run, with_choice, workshop_of
from app.cohort.experiments.transfer import run_transfer
from app.cohort.experiments.transfer_change import change_of
from app.cohort.experiments.two_cohorts import (
    NOT_COMPUTED,
    joined,
    transfer_splits,
    why_no_change,
)
from app.cohort.learn.contender import Inputs
from app.cohort.learn.evaluate import evaluate
from app.cohort.learn.gate import GATE_RIVALS, NOT_PLANNED
from app.cohort.learn.plan import parse_plan
from app.cohort.learn.splits import splits_of
from app.core.aseg import ASEG_VOLUMES
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.models.baselines import BASELINES
from app.reporting.evaluation.facts import BASELINE, MODEL
from tests.unit.cohort.learn.encoders import FMM_TC_TRAINING, PARCELS, tiny_place
from tests.unit.cohort.learn.small import labelled, make_cohort, small_plan

PROTOCOL = {
    "outer_folds": 2, "inner_folds": 2, "repeats": 1, "permutations": 8,
    "bootstrap_repeats": 100, "learning_curve": False, "leave_one_site_out": False,
}  # fmt: skip
COMMAND = "python3 main.py experiment compare /data/cohort --plan plan.toml --out out"


def data_set(place: Path, count: int = 48, seed: int = 2, **changes: object) -> DataSet:
    made = make_cohort(place, count, seed=seed)
    plan = small_plan(
        protocol=PROTOCOL,
        models={"headline": "fmm-tc", "rivals": ["majority", "covariates", "linear"]},
        **changes,
    )
    return DataSet(made.folder, made.table, plan)


def tiny_run(out: Path, command: str = COMMAND) -> Run:
    return Run(out, command, place=tiny_place(), training=FMM_TC_TRAINING)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compare")
    run_compare(data_set(place), (), tiny_run(place / "out"), Progress())
    return place / "out"


@pytest.fixture(scope="module")
def record(compared: Path) -> dict:
    return json.loads((compared / "evaluation.json").read_text("utf-8"))


def test_that_compare_writes_report_tables_figures_and_command(compared: Path) -> None:
    report = compared / "report"
    assert (report / "command.txt").read_text("utf-8").strip() == COMMAND
    assert (report / "report.pdf").read_bytes().startswith(b"%PDF")
    html = (report / "report.html").read_text("utf-8")
    for text in ("SIMULATED PEOPLE", "VAS fall ≥ 30 %", "TRIPOD+AI checklist", "Base rate",
                 "tests any association", "experiment compare cohort"):  # fmt: skip
        assert text in html, text
    assert "/data/cohort" not in html
    rows = (report / "metrics.tsv").read_text("utf-8").splitlines()
    assert {row.split("\t")[0] for row in rows[1:]} == {
        "fmm-tc", "majority", "covariates", "pearson-logistic", "baseline-only",
        "age", "motion", "baseline-pain",  # of the gate
    }  # fmt: skip
    assert len(list((report / "figures").glob("*.png"))) >= 4


def test_that_the_headline_is_the_difference_to_the_best_baseline(record: dict) -> None:
    roles = role_of(record)
    assert roles["fmm-tc"] == MODEL and roles["majority"] == BASELINE
    found = headline_of(record, roles)
    assert found is not None
    rivals = {k: v["auroc"] for k, v in record["models"].items() if roles[k] == BASELINE}
    best = max(rivals, key=rivals.get)
    assert found.baseline == record["models"][best]["label"]
    difference = record["models"]["fmm-tc"]["auroc"] - rivals[best]
    assert found.difference.value == pytest.approx(difference)
    assert found.difference.low <= difference <= found.difference.high


def test_that_the_headline_claims_only_what_was_tested_against_each_baseline(record: dict) -> None:
    """Two baselines of one AUROC: the one that is harder to be told from leads."""
    roles = role_of(record)
    names = [one for one in record["models"] if roles[one] == BASELINE][:2]
    kept = ["fmm-tc", *names]
    found = {**record, "models": {n: dict(record["models"][n]) for n in kept}}
    one, other = (found["models"][name]["label"] for name in names)

    def sentence(lows: tuple[float, float], aurocs: tuple[float, float] = (0.6, 0.6)) -> str:
        found["comparisons"] = {
            name: {"auroc": {"difference": 0.25, "interval": [low, 0.5], "corrected_test": None,
                             "bootstrap_interval": [low, 0.5]}}
            for name, low in zip(names, lows, strict=True)
        }  # fmt: skip
        for name, value in zip(names, aurocs, strict=True):
            found["models"][name]["auroc"] = value
        headline = headline_of(found, roles)
        assert headline is not None
        return f"{headline.baseline}: {headline.sentence}"

    assert sentence((0.05, -0.05)) == f"{other}: "  # its interval includes 0: not shown
    assert sentence((-0.05, 0.05)) == f"{one}: "
    told = sentence((0.05, -0.05), (0.62, 0.6))
    assert told.startswith(f"{one}: ") and f"better than {other} is not shown" in told
    assert "better than every baseline" in sentence((0.05, 0.04))


def test_that_the_checklist_says_only_what_was_checked(record: dict) -> None:
    facts = facts_of_record(record, title="again", command="x", finished_utc="")
    assert "all from before treatment" not in facts.answers["9"]
    assert "before treatment is for the authors" in facts.answers["9"]
    assert "name no session" in facts.answers["9"]
    for text in ("VAS fall ≥ 30 %: 48 people", "VAS fall ≥ 50 %: ", "VAS < 4: ", "the change: 48"):
        assert text in facts.answers["21"]
    named = {**record, "plan": {**record["plan"], "scan": {"session": "ses-1"}},
             "cohort": {**record["cohort"], "sessions": {"ses-1": 48}}}  # fmt: skip
    told = facts_of_record(named, title="again", command="x", finished_utc="").answers["9"]
    assert "the session that the plan names (ses-1 48)" in told


def test_that_the_report_can_be_written_again_from_the_record_alone(record: dict) -> None:
    facts = facts_of_record(record, title="again", command="x", finished_utc="")
    assert facts.people == 48 and facts.simulated
    assert facts.confusion is not None and facts.calibration is not None
    total = facts.confusion.true_positive + facts.confusion.false_negative
    assert total == pytest.approx(facts.responders)
    assert facts.calibration.counts.sum() == pytest.approx(48)
    assert facts.calibration.histogram.sum() == pytest.approx(48)
    assert facts.permutation is not None and facts.permutation.repeats == 8
    of_change = facts.change_permutation  # the primary outcome's own test stands beside it
    assert of_change is not None
    assert of_change.p == record["continuous"]["permutation"]["p_value"]
    assert any("discouraged" in text for text in facts.limitations)
    assert facts.answers["12"] and "17" not in facts.answers


def test_that_change_leads_the_report_and_definitions_follow(compared: Path, record: dict) -> None:
    facts = facts_of_record(record, title="again", command="x", finished_utc="")
    assert facts.headline is not None
    assert facts.headline.metric == "r2"
    assert facts.headline.baseline == "Score before treatment alone"
    assert facts.headline.difference.value == pytest.approx(
        record["continuous"]["models"]["fmm-tc"]["r_squared"]
    )
    assert facts.responder is not None
    assert facts.responder.metric == facts.group_metric == "auroc"
    assert facts.definitions is not None
    assert [row[0] for row in facts.definitions.rows] == [
        "VAS fall ≥ 30 %", "VAS fall ≥ 50 %", "VAS < 4",
    ]  # fmt: skip
    html = (compared / "report" / "report.html").read_text("utf-8")
    places = [html.index(text) for text in (
        "Primary outcome: improvement, points", "Difference in R²",
        "Secondary: responder definitions", "Difference in AUROC", "Base rate",
    )]  # fmt: skip
    assert places == sorted(places)
    assert record["continuous"]["models"]["fmm-tc"]["by"].startswith("log-odds")
    assert any("best of all baselines" in line for line in facts.primary_lines)


def test_that_a_killed_experiment_goes_on_and_gives_the_same_figures(
    tmp_path: Path, record: dict
) -> None:
    data, run = data_set(tmp_path), tiny_run(tmp_path / "out")
    quick = ("covariates", "majority", "linear")
    seen: list[float] = []

    class Stops(Progress):
        def step(self, fraction: float, message: str = "") -> None:
            seen.append(fraction)
            if len(seen) > 20:
                raise CancelledError("test")

    with pytest.raises(CancelledError):
        run_compare(data, quick, run, Stops())
    assert not (run.out / "report").exists()
    run_compare(data, quick, run, Progress())
    again = json.loads((run.out / "evaluation.json").read_text("utf-8"))
    assert again["headline"] == "covariates"
    for name in ("covariates", "majority", "pearson-logistic"):
        assert again["models"][name] == record["models"][name]


def test_that_models_chosen_beside_the_plan_are_deviations(tmp_path: Path) -> None:
    made = make_cohort(tmp_path, 24)
    plan = small_plan(models={"headline": "linear", "rivals": ["majority", "covariates"]})
    cohort = labelled(tmp_path, made, plan)
    same = ("pearson-logistic", "covariates", "majority")
    assert with_choice(cohort, same, "why").deviations == ()
    found = with_choice(cohort, ("majority", "covariates"), "why").deviations
    assert [(one.what, one.planned, one.done) for one in found] == [
        ("models.headline", "pearson-logistic", "majority"),
        ("models.rivals", "majority, covariates", "covariates"),
    ]


def test_that_the_plans_headline_and_covariate_rivals_stay_beside_what_is_asked_for() -> None:
    plan = small_plan(
        models={"headline": "linear", "rivals": ["majority", "age", "tangent", "covariates"]}
    )
    assert beside((), plan) == plan.models.names
    assert beside(("tangent",), plan) == ("tangent", "linear", "age", "covariates")
    assert beside(("pearson-logistic", "age"), plan) == ("pearson-logistic", "age", "covariates")


def test_that_a_comparison_keeps_what_a_gain_is_measured_against(tmp_path: Path) -> None:
    made = make_cohort(tmp_path, 40, seed=2)
    rivals = {"with": ["majority", "covariates"], "without": ["tangent"]}
    for name, planned in rivals.items():
        plan = small_plan(
            protocol=PROTOCOL | {"permutations": 0},
            models={"headline": "linear", "rivals": planned},
        )
        run = Run(tmp_path / name, COMMAND)
        run_compare(DataSet(made.folder, made.table, plan), ("majority",), run, Progress())
        record = json.loads((run.out / "evaluation.json").read_text("utf-8"))
        html = (run.out / "report" / "report.html").read_text("utf-8")
        assert record["headline"] == "majority"
        assert "pearson-logistic" in record["models"]
        assert record["gain_over_covariates"]["rival"] in GATE_RIVALS
        assert record["gain_over_covariates"]["auroc_interval"] is not None
        assert NONE_JUDGED not in html
        label = record["models"]["covariates"]["label"]
        assert label.endswith(f"({NOT_PLANNED})") is (name == "without")


def test_that_all_rivals_means_every_one_that_a_recipe_can_have() -> None:
    assert set(rivals_of(deep=True)) == {one.id for one in BASELINES} - {"volumes-logistic"}
    assert {"age", "motion", "tangent-logistic"} <= set(rivals_of(deep=False))
    assert "brainnetcnn" not in rivals_of(deep=False)


# ---------------------------------------------------------------------------- ablate


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ablate")
    parts = parts_of(["branches", "foundation", "mode", "structural"])
    run_ablate(data_set(place), parts, Extras(), tiny_run(place / "out"), Progress())
    return place / "out"


def test_that_each_part_has_its_variants_beside_the_fused_model(ablated: Path) -> None:
    table = (ablated / "report" / "what-each-part-of-the-fused-model-adds.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines()]
    words = [row[1] for row in rows[1:]]
    record = json.loads((ablated / "evaluation.json").read_text("utf-8"))
    change = ablated / "report" / "what-each-part-adds-to-the-primary-outcome.tsv"
    assert change.read_text("utf-8").startswith("Question\tVariant\tIts R²\t")
    beside = [one for one in record["deviations"] if one["what"] == "models.rivals"]
    assert len(beside) == 1  # told as `compare` tells it
    assert "fmm-tc-series" in beside[0]["done"]
    assert words[:2] == ["time series only", "connectivity only"]
    assert "encoder trained from scratch, fused" in words
    for row in rows[1:7]:
        assert row[2] != "–" and row[3] != "–", row
    lacking = {row[0]: row[4] for row in rows[1:] if row[2] == "–"}
    assert "FreeSurfer volumes" in lacking["Does the structural branch help?"]
    assert "raw parcel series" in lacking["Faithful or corrected?"]


def test_that_ablation_says_no_more_than_its_interval() -> None:
    assert verdict([0.01, 0.2]) == "the fused model is better here"
    assert verdict([-0.2, -0.01]) == "the variant is better here"
    assert verdict([-0.1, 0.1]) == "no difference shown"
    with pytest.raises(AppError, match="no part 'encoder'"):
        parts_of(["encoder"])


def test_that_volumes_and_raw_series_reach_the_model_row_by_row(tmp_path: Path) -> None:
    place = tmp_path / "cohort"
    made = make_cohort(place, 40, seed=4)
    cohort = labelled(place, made, small_plan(protocol=PROTOCOL))
    run = tiny_run(tmp_path / "out")
    workshop = workshop_of(cohort, ("fmm-tc",), run)
    rng = np.random.default_rng(1)
    by_person = {
        name: rng.uniform(1000, 9000, len(ASEG_VOLUMES)) for name in cohort.identifiers
    }  # fmt: skip
    inputs, fold = Inputs.of(cohort), splits_of(cohort).folds[0]
    contender = with_volumes(workshop, Volumes(by_person), cohort.identifiers)
    first = contender.answer(inputs, fold, 1, Progress()).test
    other = dict(by_person) | {
        cohort.identifiers[int(fold.test[0])]: by_person[cohort.identifiers[0]] * 3
    }
    second = with_volumes(workshop, Volumes(other), cohort.identifiers).answer(
        inputs, fold, 1, Progress()
    ).test  # fmt: skip
    assert first[0] != second[0]
    np.testing.assert_array_equal(first[1:], second[1:])
    with pytest.raises(AppError, match="1 participants have no FreeSurfer volumes"):
        with_volumes(workshop, Volumes(dict(list(by_person.items())[1:])), cohort.identifiers)
    raw = RawSeries({name: np.zeros((60, PARCELS)) for name in cohort.identifiers})
    released = with_raw(workshop, raw, cohort.identifiers)
    assert "faithful" in released.label and released.deep


# ---------------------------------------------------------------------------- transfer


def test_that_transfer_trains_on_one_and_never_sees_the_other(tmp_path: Path) -> None:
    cohorts = []
    for number in (1, 2):
        place = tmp_path / str(number)
        made = make_cohort(place, 30 + 6 * number, seed=number)
        cohorts.append(labelled(place, made, small_plan(protocol=PROTOCOL)))
    both = joined(cohorts[0], cohorts[1], ("A", "B"))
    splits = transfer_splits(both, 36, inner_folds=2, seed=5)
    names = np.array(both.identifiers)
    for fold, (trained, tested) in zip(splits, (("A", "B"), ("B", "A")), strict=True):
        assert {name.split(":")[0] for name in names[fold.training]} == {trained}
        assert {name.split(":")[0] for name in names[fold.test]} == {tested}
        for inside, validation in fold.inner:
            assert not set(inside) & set(validation)
            assert set(inside) | set(validation) == set(fold.training)
    with pytest.raises(AppError, match="36 scans are in both"):
        joined(cohorts[0], cohorts[0], ("A", "B"))
    other = small_plan(protocol=PROTOCOL, responder={"definition": "VAS fall >= 50 %",
                                                     "secondary": []})  # fmt: skip
    changed = replace(cohorts[1], locked=replace(cohorts[1].locked, plan=other))
    with pytest.raises(AppError, match="definitions differ"):
        joined(cohorts[0], changed, ("A", "B"))
    combat = small_plan(protocol=PROTOCOL, recipe={"harmonise": "combat"})
    changed = replace(cohorts[1], locked=replace(cohorts[1].locked, plan=combat))
    with pytest.raises(AppError, match="ComBat"):
        joined(cohorts[0], changed, ("A", "B"))


def test_that_an_experiment_harmonises_where_its_plan_says_so(tmp_path: Path) -> None:
    made = make_cohort(tmp_path, 24)
    for wanted in ("none", "combat"):
        cohort = labelled(tmp_path / wanted, made, small_plan(recipe={"harmonise": wanted}))
        workshop = workshop_of(cohort, ("linear",), Run(tmp_path / "out", COMMAND))
        assert workshop.contender("linear").harmonise == (wanted == "combat")


def test_that_transfer_reports_both_ways_within_and_reliance(tmp_path: Path) -> None:
    sets = [data_set(tmp_path / str(seed), 48, seed) for seed in (1, 2)]
    values = sets[1].plan.model_dump(mode="json", exclude_none=True)
    values["treatment"]["arm"], values["responder"]["time_point"] = "other arm", "week 12"
    sets[1] = replace(sets[1], plan=parse_plan(values))
    run = tiny_run(tmp_path / "out")
    run_transfer(
        (sets[0], sets[1]), ("first", "second"), ("fmm-tc", "linear"), run, Progress(), explained=1
    )
    report = run.out / "report"
    table = (report / "auroc-across-and-within-data-sets.tsv").read_text("utf-8").splitlines()
    assert table[0].split("\t")[1:] == ["first → second", "second → first", "within first",
                                        "within second"]  # fmt: skip
    assert len(table) == 3
    _holds_change_of_both_ways(report)
    leaning = (report / "how-far-the-model-leans-on-each-input.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in leaning.splitlines()[1:]]
    assert len(rows) == 8  # trained on two, asked about two, two inputs
    shares = [float(row[6].replace("−", "-")) for row in rows]
    for one, other in zip(shares[::2], shares[1::2], strict=True):
        assert one + other == pytest.approx(1.0, abs=0.011)
    html = (report / "report.html").read_text("utf-8")
    assert "integrated gradients" in html
    for text in ("second: other arm; comparator: none", "first: week 4; second: week 12",
                 " of 48; second: ", "No control arm was modelled", "Models of 48 people",
                 sets[0].plan.sha256[:16], sets[1].plan.sha256[:16]):  # fmt: skip
        assert text in html, text
    record = json.loads((report / "report.json").read_text("utf-8"))
    told = record["plan"]["deviations"]  # each names the data set whose plan it is
    assert [one.split(":")[0] for one in told] == ["first", "second"]
    assert all("models.rivals: planned majority, covariates, " in one for one in told)
    assert record["result"][-1] == "2 deviations from the locked plans are listed."


def _holds_change_of_both_ways(report: Path) -> None:
    record = json.loads((report / "report.json").read_text("utf-8"))
    assert record["headline"]["metric"] == "r2"
    assert record["headline"]["baseline"].startswith("Score before treatment alone")
    assert record["primary"].startswith("improvement, points (VAS 0-10), adjusted")
    assert record["responder"]["metric"] == "auroc"
    ways = ("first → second", "second → first")
    for way, line in zip(ways, record["primary_lines"], strict=True):
        assert line.startswith(f"{way}: R² ")
        assert "correlation" in line and "mean absolute error" in line
    rows = [row.split("\t") for row in (report / "metrics.tsv").read_text("utf-8").splitlines()]
    for way in ways:
        mine = {row[3]: row[4] for row in rows if row[0] == f"fmm-tc {way}"}
        assert list(mine)[:3] == ["r2", "correlation", "mae"]
        alone = {row[3]: row[4] for row in rows if row[0] == f"baseline-only {way}"}
        assert float(alone["r2"]) == 0.0
        assert float(alone["main_minus_this_r2"]) == pytest.approx(float(mine["r2"]), abs=1e-6)
    change = (report / "change-across-and-within-data-sets.tsv").read_text("utf-8").splitlines()
    assert len(change) == 3
    assert change[0].split("\t")[1:] == [*ways, "within first", "within second"]
    html = (report / "report.html").read_text("utf-8")
    places = [html.index(text) for text in ("Primary outcome: improvement", "Difference in R²",
                                            "Difference in AUROC")]  # fmt: skip
    assert places == sorted(places)
    assert all(f"{way}: AUROC " in html for way in ways)
    assert "not computed" not in html


def test_that_change_across_is_scored_by_the_training_sets_line(tmp_path: Path) -> None:
    cohorts = []
    for number in (1, 2):
        made = make_cohort(tmp_path / str(number), 30 + 6 * number, seed=number)
        cohorts.append(labelled(tmp_path / str(number), made, small_plan(protocol=PROTOCOL)))
    both = joined(cohorts[0], cohorts[1], ("A", "B"))
    assert both.deviations == ()
    splits = transfer_splits(both, 36, inner_folds=2, seed=5)
    workshop = workshop_of(both, ("linear",), Run(tmp_path / "out", COMMAND))
    across = evaluate(both, (workshop.contender("linear"),), tmp_path / "out", splits=splits)
    for fold, (trained, tested) in zip(
        splits, ((cohorts[0], cohorts[1]), (cohorts[1], cohorts[0])), strict=True
    ):
        found = change_of(across, fold)
        assert found is not None and found["known"] == len(tested)
        x, y = trained.outcome.baseline, trained.outcome.improvement()
        assert x is not None and y is not None
        line = np.polyfit(x, y, 1)
        before, truth = tested.outcome.baseline, tested.outcome.improvement()
        assert before is not None and truth is not None
        left = truth - np.polyval(line, before)
        own = across.models["pearson-logistic"].predicted
        assert own is not None
        off = own[0, fold.test] - left
        one = found["models"]["pearson-logistic"]
        assert one["r_squared"] == pytest.approx(1 - (off**2).sum() / (left**2).sum())
        assert one["absolute_error"] == pytest.approx(np.abs(off).mean())
        assert one["r"] == pytest.approx(np.corrcoef(own[0, fold.test], left)[0, 1])


def test_that_change_that_cannot_be_carried_over_is_said_in_words(tmp_path: Path) -> None:
    cohorts = []
    for number in (1, 2):
        made = make_cohort(tmp_path / str(number), 30 + 6 * number, seed=number)
        cohorts.append(labelled(tmp_path / str(number), made, small_plan(protocol=PROTOCOL)))
    outcome = replace(cohorts[1].outcome, kind="label")
    both = joined(cohorts[0], replace(cohorts[1], outcome=outcome), ("A", "B"))
    assert both.change is None
    (one,) = both.deviations
    assert (one.what, one.done) == ("outcome.primary", NOT_COMPUTED)
    assert "the columns of B tell no change" in one.reason
    other = small_plan(protocol=PROTOCOL, outcome={"scale": "VAS 0-100", "highest": 100.0})
    scaled = replace(cohorts[1], locked=replace(cohorts[1].locked, plan=other))
    assert why_no_change(cohorts[0], scaled, ("A", "B")) == (
        "the scales differ: 'VAS 0-10' and 'VAS 0-100'"
    )
    lone = replace(cohorts[1], outcome=replace(cohorts[1].outcome, kind="points_improvement",
                                               baseline=None))  # fmt: skip
    assert "score before treatment" in why_no_change(cohorts[0], lone, ("A", "B"))


# ---------------------------------------------------------------------------- arithmetic


def test_that_shares_of_variance_add_to_one_and_may_be_negative() -> None:
    rng = np.random.default_rng(0)
    one = rng.standard_normal(4000)
    shares = variance_shares(np.stack([2.0 * one, -one], axis=1))
    np.testing.assert_allclose(shares, [2.0, -1.0])
    assert np.isnan(variance_shares(np.ones((5, 2)))).all()


def test_that_the_exact_interval_is_clopper_and_pearsons() -> None:
    # 45 of 56, 36 of 43, 15 of 19: intervals of an accuracy known from the literature
    for met, count, low, high in ((45, 56, 0.68, 0.90), (36, 43, 0.69, 0.93), (15, 19, 0.54, 0.94)):
        found = exact_interval(met, count)
        assert found == pytest.approx((low, high), abs=0.005)
    assert exact_interval(0, 10)[0] == 0.0 and exact_interval(10, 10)[1] == 1.0
