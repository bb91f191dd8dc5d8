"""The evaluation page: baselines beside the model, intervals, flags, curves, other tables."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from app.cohort.learn.plan import plan_toml
from app.core.errors import AppError, CancelledError
from app.gui.cohort.evaluation import EvaluationPage
from app.gui.cohort.figures import Record
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from tests.gui.conftest import FakeWorker
from tests.unit.cohort.learn.small import small_plan


def _model(label: str, auroc: float) -> dict[str, Any]:
    return {
        "label": label,
        "auroc": auroc,
        "auroc_interval": [auroc - 0.1, auroc + 0.1],
        "brier": 0.2,
        "brier_interval": None,
        "sensitivity": 0.75,
        "specificity": 0.5,
    }


FIGURES: dict[str, Any] = {
    "simulated": True,
    "headline": "linear",
    "plan_sha256": "a" * 64,
    "plan_locked_utc": "2026-01-02T03:04:05Z",
    "plan": {"treatment": {"drug": "X"}, "protocol": {"cutoff": 0.5},
             "responder": {"definition": "NRS fall >= 30 %", "time_point": "week 4"}},
    "cohort": {"people": 20, "scans": 20, "responders": 8, "base_rate": 0.4},
    "models": {"age": _model("Age", 0.6), "linear": _model("Pearson, logistic", 0.7)},
    "comparisons": {"age": {"auroc": {"difference": 0.1, "interval": [-0.05, 0.25]}}},
    "gain_over_covariates": {"auroc": 0.1, "auroc_interval": [-0.05, 0.25], "rival": "age"},
    "permutation": {"p_value": 0.125, "words": "tests any association"},
    "flags": ["Age goes with the label."],
    "deviations": [{"what": "protocol", "planned": "2", "done": "1", "reason": "Stopped."}],
    "by_site": {"A": {"auroc": 0.6, "auroc_interval": [0.4, 0.8], "people": 9}},
    "by_sex": {},
    "leave_one_site_out": {},
    "confounds": {"covariates": [{"auroc_for_label": 0.6, "covariate": "age", "flagged": True}]},
    "screening": [{"wrongly_excluded": 0.25, "cutoff": 0.3}],
    "secondary_definitions": {},
    "conformal": {"level": 0.9, "share": {"{both}": 0.5}, "coverage_expected_interval": [0.8, 1.0]},
    "sample_size": {"statement": "prognostic only, saving not estimable"},
    "decision_curve": [{"threshold": 0.1, "model": 0.3, "treat_all": 0.2},
                       {"threshold": 0.9, "model": 0.0, "treat_all": -5.0}],
    "learning_curve": [],
    "curves": {name: {"roc": [[0.0, 0.0], [1.0, 1.0]],
                      "calibration": [{"probability": 0.2, "observed": 0.1}]}
               for name in ("age", "linear")},
}  # fmt: skip


@pytest.fixture
def record() -> Record:
    return Record(copy.deepcopy(FIGURES))


def test_that_the_answer_has_interval_base_rate_gain_and_permutation(record: Record) -> None:
    words = record.sentence()
    assert "AUROC 0.70 (0.60 to 0.80) in 20 people, 8 responders (base rate 0.40)" in words
    assert "+0.10 (-0.05 to +0.25): no gain is shown." in words
    assert "p = 0.125" in words
    assert record.secondary() == ""
    assert record.remarks() == (
        "Age goes with the label.", "Deviation: protocol: planned 2, done 1. Stopped.",
    )  # fmt: skip
    assert "a" * 16 in record.plan_words()
    assert "NRS fall >= 30 %" in record.plan_words()


def _continuous() -> dict[str, Any]:
    compared = {"difference": 0.12, "interval": [0.02, 0.25], "corrected_test": None}
    one = {"label": "Pearson, logistic", "by": "ridge regression", "r_squared": 0.12,
           "r_squared_interval": [0.02, 0.25], "r": 0.4, "r_interval": [0.1, 0.6],
           "absolute_error": 1.3, "absolute_error_interval": [1.0, 1.6]}  # fmt: skip
    alone = {"label": "Score before treatment alone", "r_squared": 0.0,
             "r_squared_interval": None, "absolute_error": 1.4,
             "absolute_error_interval": [1.1, 1.7]}  # fmt: skip
    return {
        "headline": "linear",
        "models": {"linear": one, "age": {**one, "label": "Age", "r_squared": -0.1},
                   "baseline-only": alone},
        "comparisons": {
            "baseline-only": {"r_squared": compared, "absolute_error": compared},
            "age": {"r_squared": compared, "absolute_error": compared},
        },
        "permutation": None,
        "gain_over_covariates": {"of": [], "rival": "baseline-only", "r_squared": compared},
    }  # fmt: skip


def test_that_many_words_scroll_the_page_and_squeeze_no_curve(
    record: Record, qapp: Any, qtbot: Any
) -> None:
    page = EvaluationPage(Messages())
    qtbot.addWidget(page)
    page.resize(1000, 520)
    words = "No gain over the best covariate-only rival was shown. " * 4
    record.figures["flags"] = [f"{number}: {words}" for number in range(8)]
    page.show_record(record)
    page.show()
    qtbot.waitExposed(page)
    assert page.canvas.height() >= 200 and page.models.height() >= 5 * 24
    bar = page.room.verticalScrollBar()
    assert bar.maximum() > 0 and bar.value() == 0  # the answer first
    assert page.room.widget().width() <= page.room.viewport().width()


def test_that_change_leads_the_page_where_it_is_primary(qapp: Any, qtbot: Any) -> None:
    figures = copy.deepcopy(FIGURES) | {
        "primary": {"outcome": "continuous", "words": "improvement, points (NRS)"},
        "continuous": _continuous(),
    }
    record = Record(figures)
    assert record.sentence().startswith("Primary outcome: improvement, points (NRS). Pearson")
    assert "R² +0.12 (+0.02 to +0.25) beyond the score before treatment alone." in record.sentence()
    assert record.secondary().startswith("Secondary, responder definitions: NRS fall >= 30 %")
    table = record.models()
    assert table.columns[2:6] == ("R²", "Correlation", "Absolute error",
                                  "Headline minus this (R²)")  # fmt: skip
    assert [row[0] for row in table.rows] == [
        "Pearson, logistic", "Age", "Score before treatment alone",
    ]  # fmt: skip
    assert table.rows[1][5] == "+0.12 (+0.02 to +0.25)"
    assert {len(row) for row in table.rows} == {len(table.columns)}
    page = EvaluationPage(Messages())
    qtbot.addWidget(page)
    page.show_record(record)
    assert page.secondary.text() == record.secondary()


def test_that_the_change_has_tables_by_site_its_confounds_and_a_learning_curve() -> None:
    group = {"people": 9, "known": 8, "r_squared": 0.2, "r_squared_interval": [-0.1, 0.4]}
    curve = [{"training_people": 20.0, "r_squared": 0.1, "r_squared_interval": [-0.2, 0.3]}]
    change = _continuous() | {"by_site": {"A": group}, "by_sex": {}, "learning_curve": curve}
    figures = copy.deepcopy(FIGURES) | {
        "primary": {"outcome": "continuous", "words": "improvement"}, "continuous": change,
    }  # fmt: skip
    figures["confounds"]["change"] = {"covariates": [{"covariate": "age", "flagged": True}]}
    record = Record(figures)
    titles = list(record.tables())
    assert titles[:2] == ["The change by site", "Confounds of the change"]  # the primary one first
    table = record.tables()["The change by site"]
    assert table.columns == ("Site", "people", "with a known change", "R²")
    assert table.rows[0] == ("A", "9", "8", "0.20 (-0.10 to 0.40)")
    assert record.tables()["Confounds of the change"].rows[0] == ("age", "yes")
    (line,), below, left = record.curves("learning_change")
    assert (line.points, below, left) == (((20.0, 0.1),), "Training people", "R²")
    assert Record(copy.deepcopy(FIGURES)).curves("learning_change")[0][0].points == ()


def test_that_a_plan_of_too_few_permutations_is_told_before_the_start(
    window: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path
) -> None:
    window.show_step("cohort")
    tab = window.cohort.page().learning
    for name, permutations in (("few", 9), ("enough", 19)):
        plan = small_plan(protocol={"permutations": permutations})
        (tmp_path / f"{name}.toml").write_text(plan_toml(plan))
    tab.plan.setText(str(tmp_path / "few.toml"))
    assert not tab.note.isHidden()
    assert tab.note.text().startswith("Too few permutations to reach 0.05 (the smallest possible")
    tab.plan.setText(str(tmp_path / "enough.toml"))
    assert tab.note.isHidden()
    (tmp_path / "wrong.toml").write_text("name = 3")
    tab.plan.setText(str(tmp_path / "wrong.toml"))
    assert tab.note.text().startswith("The analysis plan cannot be used:")
    tab.plan.setText(str(tmp_path / "not there.toml"))
    assert tab.note.isHidden()


def test_that_rivals_stand_beside_the_headline_with_their_difference(record: Record) -> None:
    table = record.models()
    assert [row[0] for row in table.rows] == ["Pearson, logistic", "Age"]
    assert table.rows[0][2] == "0.70 (0.60 to 0.80)"
    assert table.rows[1][-1] == "+0.10 (-0.05 to +0.25)"
    lines, _, _ = record.curves("roc")
    assert [(line.label, line.strong) for line in lines] == [
        ("chance", False), ("Age", False), ("Pearson, logistic", True),
    ]  # fmt: skip


def test_that_counts_at_the_cut_off_follow_from_both_rates(record: Record) -> None:
    table = record.tables()["Confusion at 0.5"]
    assert table.rows == (("responders", 6.0, 2.0), ("non-responders", 6.0, 6.0))
    assert record.tables()["Conformal sets"].rows[0][-1] == "0.50"
    assert record.tables()["Screening of a trial"].columns[0] == "cutoff"


def test_that_every_curve_is_also_a_table(record: Record) -> None:
    table = record.tables()["ROC curve, as drawn"]
    assert table.columns == ("Line", "False positive rate", "True positive rate")
    lines, _, _ = record.curves("roc")
    drawn = [(line.label, x, y) for line in lines for x, y in line.points]
    assert list(table.rows) == drawn


def test_that_the_page_shows_a_record_and_refuses_what_is_none(
    qapp: Any, tmp_path: Path, qtbot: Any
) -> None:
    messages, told = Messages(), []
    messages.arrived.connect(lambda error, _details: told.append(error))
    page = EvaluationPage(messages)
    qtbot.addWidget(page)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(FIGURES))
    assert page.show_file(path)
    assert page.sentence.text().startswith("SIMULATED")
    for which in ("roc", "calibration", "decision", "learning", "learning_change"):
        page._show_curve(which)
    assert page.models.model().rowCount() == 2
    path.write_text("{}")
    assert not page.show_file(path)
    assert told[0].code == "gui.evaluation"


def test_that_the_job_gets_the_included_rows_the_plan_and_the_id(
    window: MainWindow, worker: FakeWorker, qtbot: Any, tmp_path: Path
) -> None:
    from app.cohort.rows import CohortRow

    path, plan = tmp_path / "evaluation.json", tmp_path / "main plan.toml"
    path.write_text(json.dumps(FIGURES))
    plan.write_text("")
    worker.answers["cohort_learn"] = lambda _job, _event: {
        "evaluation": str(path), "bundle": "b", "shows_numbers": False,
    }  # fmt: skip
    window.show_step("cohort")
    state, tab = window.cohort.state, window.cohort.page().learning
    state.open(tmp_path / "bids", tmp_path / "out")
    state.put_rows(
        CohortRow(key=name, participant=name, source="x", case_id="c", outcome="withheld")
        for name in ("sub-01", "sub-02", "sub-03")
    )
    state.exclude(["sub-02"])
    tab.plan.setText(str(plan))
    tab.model_id.setText("my-model")
    assert tab.start.text() == "Train"
    tab.start.click()
    qtbot.waitUntil(lambda: tab.page.record is not None, timeout=5000)
    asked = worker.jobs[-1].arguments
    assert asked["keys"] == ["sub-01", "sub-03"]
    assert asked["by_hand"] == [["sub-02", ""]]
    assert asked["target"].endswith("evaluations/main-plan")
    assert asked["table"] == str(tmp_path / "bids" / "participants.tsv")
    assert asked["model_id"] == "my-model"
    assert "withheld" in tab.said.text()  # the model has not earned a number
    assert tab.stack.currentWidget() is tab.page

    def refuse(_job: Any, _event: Any) -> Any:
        raise AppError("The plan was changed.", "Use the locked one.", code="cohort.locked")

    worker.answers["cohort_learn"] = refuse
    qtbot.waitUntil(tab.start.isEnabled, timeout=5000)
    before = len(worker.jobs)
    tab.start.click()
    assert tab.stack.currentIndex() == 0  # what an earlier run found is not shown as this one's
    assert tab.said.isHidden()
    qtbot.waitUntil(lambda: len(worker.jobs) > before and tab.start.isEnabled(), timeout=5000)
    assert tab.stack.currentIndex() == 0

    def stop(_job: Any, _event: Any) -> Any:
        raise CancelledError

    worker.answers["cohort_learn"] = stop
    told: list[str] = []
    tab.work.said.connect(told.append)
    tab.start.click()
    qtbot.waitUntil(lambda: any("Finished folds are kept" in one for one in told), timeout=5000)
    assert "The plan is locked" not in told[-1]  # it was stopped before
