"""The public data set's recipe on a simulated folder of its shape: table, arms, refusals, reports.

Scans come in prepared, at parcel level and with every tenth parcel, so that the suite can afford
all 56 patients; `python -m tests.accuracy.ds000208` scans and prepares all of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.cohort.experiments.ds000208 import MODELS, Recipe, arms_of, plan_of, run_ds000208
from app.cohort.experiments.ds000208_table import ARMS, CONDITION
from app.cohort.experiments.running import Run
from app.cohort.learn.splits import refuse_too_few
from app.core.errors import AppError
from app.core.progress import Progress
from tests.simulated_ds000208 import write_folder, write_prepared

QUICK = ("pearson-logistic", "majority", "age", "motion", "age-sex-motion")
PROTOCOL = {"repeats": 1, "permutations": 8, "bootstrap_repeats": 100, "learning_curve": False}
COMMAND = "python3 main.py experiment ds000208 /data/ds000208 --out out"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("ds000208")
    write_folder(place / "bids")
    write_prepared(place / "prepared", signature=True, frames=84, every=10)
    recipe = Recipe(place / "bids", place / "prepared", models=QUICK, protocol=PROTOCOL)
    run_ds000208(recipe, Run(place / "out", COMMAND), Progress())
    return place / "out"


def test_that_each_arm_and_definition_is_judged_or_refused_with_its_reason(done: Path) -> None:
    text = (done / "report" / "arms-and-definitions.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    counts = {(row[0], row[1]): (int(row[2]), int(row[3])) for row in rows}
    assert counts == {
        ("placebo, 2 weeks", "≥ 20 %"): (17, 8), ("placebo, 2 weeks", "≥ 30 %"): (17, 5),
        ("placebo, 2 weeks", "≥ 50 %"): (17, 4), ("placebo, 3 months", "≥ 20 %"): (20, 10),
        ("placebo, 3 months", "≥ 30 %"): (20, 7), ("placebo, 3 months", "≥ 50 %"): (20, 3),
        ("duloxetine, 3 months", "≥ 20 %"): (19, 8), ("duloxetine, 3 months", "≥ 30 %"): (19, 4),
        ("duloxetine, 3 months", "≥ 50 %"): (19, 2),
    }  # fmt: skip
    for row in rows:
        if int(row[3]) >= 6:  # 6 outer and 5 inner folds; at 20 % in every arm, and once at 30 %
            assert row[6].startswith(f"{row[2]} judged, {row[3]} of them responders; rival: ")
            assert row[6].split("rival: ")[1] in ("Age", "Motion", "Age, sex, motion")
            assert "(" in row[4] and "(" in row[5]
        else:
            assert "need at least 6 of each" in row[6] and row[4] == "–"


def test_that_the_condition_stands_on_every_output(done: Path) -> None:
    reports = sorted(done.glob("**/report/report.html"))
    assert len(reports) == 5
    for path in reports:
        assert CONDITION.upper() in path.read_text("utf-8")
        record = json.loads(path.with_name("report.json").read_text("utf-8"))
        assert record["condition"] == CONDITION
    for path in done.glob("*/*/*/*.tsv"):
        assert "knee-osteoarthritis" in path.parts
    for path in done.glob("**/evaluation.json"):
        assert "knee osteoarthritis" in path.read_text("utf-8")


def test_that_the_overview_leads_with_the_change_of_each_arm_and_pools_no_base_rate(
    done: Path,
) -> None:
    text = (done / "report" / "primary-outcome-the-fall-in-percent.tsv").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    assert [row[:2] for row in rows] == [
        ["placebo, 2 weeks", "17"], ["placebo, 3 months", "20"], ["duloxetine, 3 months", "19"]
    ]  # fmt: skip
    for row in rows:
        assert all("(" in cell for cell in row[2:5])
    html = (done / "report" / "report.html").read_text("utf-8")
    assert "placebo, 2 weeks, VAS fall ≥ 20 %: 8 of 17" in html
    assert "of 56 (" not in html
    assert "move less respond" not in html


def test_that_arms_are_never_pooled_and_image_free_rivals_stand_beside(done: Path) -> None:
    for path in done.glob("**/evaluation.json"):
        record = json.loads(path.read_text("utf-8"))
        assert len(record["cohort"]["arms"]) == 1
        of_gate = set(record["models"]) - set(QUICK)
        assert set(QUICK) <= set(record["models"])
        assert all("for the gate" in record["models"][name]["label"] for name in of_gate)
        assert not record["gain_over_covariates"]["rival"].startswith("none judged")
        assert record["plan"]["responder"]["time_point"] in ("2 weeks", "3 months")
        assert record["secondary_definitions"]
        assert record["continuous"]["outcome"] == "improvement, percent"
    assert {"age", "motion", "age-sex-motion"} <= set(MODELS)


def test_that_outcomes_are_not_in_the_table_twice_and_plans_are_locked(done: Path) -> None:
    header = (done / "participants.tsv").read_text("utf-8").splitlines()[0].split("\t")
    assert header == ["participant_id", "age", "sex", "arm", "vas_fall"]
    assert len(list(done.glob("**/plan.lock.json"))) == 9


def test_that_a_folder_with_the_table_and_no_scan_is_refused_as_that(tmp_path: Path) -> None:
    write_folder(tmp_path / "bids")
    assert not list((tmp_path / "bids").rglob("*.nii*"))
    recipe = Recipe(tmp_path / "bids", None, models=QUICK, protocol=PROTOCOL)
    with pytest.raises(AppError) as refused:
        run_ds000208(recipe, Run(tmp_path / "out", COMMAND), Progress())
    assert "scan" in refused.value.message.lower()
    assert "Run the recipe on the data set first" not in refused.value.hint


def test_that_unknown_arms_are_named() -> None:
    assert arms_of([]) == ARMS
    assert [arm.id for arm in arms_of(["duloxetine-3-months"])] == ["duloxetine-3-months"]
    with pytest.raises(AppError, match="no arm 'lidocaine'"):
        arms_of(["lidocaine"])
    plan = plan_of(ARMS[2], 30, Recipe(Path("x")))
    assert plan.select == {"arm": ["duloxetine-3-months"]}
    assert not plan.treatment.control_arm_modelled


def test_that_an_arm_is_judged_when_two_of_its_responders_are_withheld() -> None:
    # two of the three arms have 8 responders at 20 %, and simulated patients' motion costs scans
    protocol = plan_of(ARMS[0], 20, Recipe(Path("x"))).protocol
    labels = np.arange(15) < 6
    refuse_too_few(labels, protocol.outer_folds, protocol.inner_folds)
    with pytest.raises(AppError, match="need at least 6 of each"):
        refuse_too_few(labels[1:], protocol.outer_folds, protocol.inner_folds)
