"""The workspace's jobs as the child does them: train and judge under a locked plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.cohort.learn.plan import read_plan
from app.cohort.learn.plan_lock import lock_plan
from app.cohort.learn.simulated import write_cohort
from app.cohort.prepared import read_visit
from app.cohort.rows import CohortRow, write_row
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.results import Outcome
from app.simulation.cohort import CohortSettings
from app.worker.cohort_jobs import cohort_learn, cohort_list, cohort_outcomes, cohort_reports
from tests.sample_case import make_sample_case

PLAN = """
name = "small"
[outcome]
column = "responder"
kind = "label"
scale = "NRS"
[responder]
definition = "NRS fall >= 30 %"
time_point = "week 4"
[treatment]
drug = "Simulated treatment X"
dose = "none"
route = "none"
arm = "active"
comparator = "none"
control_arm_modelled = false
[population]
description = "simulated people"
age_range_years = [18.0, 90.0]
[estimand]
statement = "response at week 4"
rescue_medication = "none"
drop_out = "none"
[models]
headline = "age"
rivals = ["majority"]
[protocol]
outer_folds = 2
inner_folds = 2
repeats = 1
permutations = 0
bootstrap_repeats = 100
learning_curve = false
leave_one_site_out = false
refits = 0
"""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Path:
    """Results of a cohort of 52 simulated people, with their table."""
    root = tmp_path_factory.mktemp("labelled")
    prepared = write_cohort(root, CohortSettings(count=52, seed=3, frames=40))
    for path in prepared.glob("*.npz"):
        visit = read_visit(path)
        label = path.stem.split("_")[1]
        row = CohortRow(
            key=path.stem, participant=label, source="x", outcome="withheld", case_id=path.stem,
            quality=visit.verdict, scan_sha256=visit.scan_sha256, drug="X", atlas="HCPEx",
        )  # fmt: skip
        write_row(root, row)
    (root / "plan.toml").write_text(PLAN)
    return root


def _asked(cohort: Path, **more: object) -> dict[str, object]:
    keys = sorted(path.stem for path in (cohort / "prepared").glob("*.npz"))
    return {"out_dir": str(cohort), "keys": keys, "plan": str(cohort / "plan.toml"),
            "table": str(cohort / "participants.tsv"), "model_id": "",
            "target": str(cohort / "evaluations" / "plan"), **more}  # fmt: skip


def test_that_included_rows_are_judged_and_excluded_ones_are_not(cohort: Path) -> None:
    asked = _asked(cohort)
    keys = asked["keys"]
    assert isinstance(keys, list)
    out = [[key.split("_")[1], ""] for key in keys[-3:]]
    asked = {**asked, "keys": keys[:-3], "by_hand": out}
    answer = cohort_learn(asked, Progress())
    figures = json.loads(Path(answer["evaluation"]).read_text())
    assert figures["cohort"]["people"] == 49
    assert figures["cohort"]["excluded"] == {"excluded by hand": 3}
    assert figures["deviations"] == []  # before the lock: said, and no deviation
    gate = {"motion", "baseline-pain", "covariates"}  # not of the plan, judged for the gate
    assert set(figures["models"]) == {"age", "majority"} | gate
    assert set(figures["fitted_for_gate"]) == gate
    assert figures["simulated"] is True
    assert len(figures["plan_sha256"]) == 64
    assert Path(answer["report"]).read_bytes().startswith(b"%PDF")
    command = (Path(answer["report"]).parent / "command.txt").read_text()
    assert command.rstrip().endswith("--exclude " + " ".join(label for label, _ in out))
    more = [*out, [keys[0].split("_")[1], ""]]
    cohort_learn({**asked, "keys": keys[1:-3], "by_hand": more}, Progress())
    after = json.loads(Path(answer["evaluation"]).read_text())
    assert after["cohort"]["excluded"] == {"excluded by hand": 4}
    (one,) = after["deviations"]
    assert (one["what"], one["planned"], one["done"]) == (
        "participants", "49 participants", "48 participants",
    )  # fmt: skip
    assert one["reason"] == (
        "1 participant who was there at the lock is missing (1 excluded by hand), 0 added after it"
    )


def test_that_outcomes_are_read_of_the_locked_plan_alone(cohort: Path, tmp_path: Path) -> None:
    score = PLAN.replace('column = "responder"', 'column = "nrs_after"').replace(
        'kind = "label"', 'kind = "post"\nbaseline_column = "nrs_before"'
    )
    (tmp_path / "plan.toml").write_text(score)
    asked = {"people": [["k0", "sub-0000", ""], ["k1", "sub-9999", ""]],
             "plan": str(tmp_path / "plan.toml"), "table": str(cohort / "participants.tsv"),
             "target": str(tmp_path / "result")}  # fmt: skip
    assert cohort_outcomes(asked, Progress()) == {"locked": "", "outcomes": {}}
    lock_plan(read_plan(tmp_path / "plan.toml"), cohort / "participants.tsv", tmp_path / "result")
    found = cohort_outcomes(asked, Progress())
    line = next(text for text in (cohort / "participants.tsv").read_text().splitlines()
                if text.startswith("sub-0000"))  # fmt: skip
    before, after, responder = line.split("\t")[-3:]
    words, definition = found["outcomes"]["k0"]
    answer = "responder" if responder == "1" else "non-responder"
    assert words.startswith(f"{answer}: {float(before):.3g} to {float(after):.3g} (")
    assert definition == "NRS fall >= 30 %"
    assert found["outcomes"]["k1"][0] == "unknown"
    (tmp_path / "plan.toml").write_text(score.replace('"week 4"', '"week 5"'))
    assert cohort_outcomes(asked, Progress()) == found  # of the plan that was locked
    (tmp_path / "plan.toml").write_text(score + '\n[scan]\nsession = "1"\n')
    assert cohort_outcomes(asked, Progress()) == found


def test_that_rows_of_two_drugs_are_refused_before_any_label_is_read(cohort: Path) -> None:
    other = CohortRow(key="cohort-3_sub-0000", participant="sub-0000", source="x",
                      outcome="withheld", case_id="c", drug="Y", atlas="HCPEx")  # fmt: skip
    before = (cohort / "rows" / "cohort-3_sub-0000.json").read_bytes()
    write_row(cohort, other)
    asked = _asked(cohort, target=str(cohort / "evaluations" / "mixed"))
    with pytest.raises(AppError) as refused:
        cohort_learn(asked, Progress())
    (cohort / "rows" / "cohort-3_sub-0000.json").write_bytes(before)
    assert refused.value.code == "cohort.mixed"
    assert not (cohort / "evaluations" / "mixed").exists()


def test_that_a_listing_announces_every_visit(tmp_path: Path) -> None:
    for number in range(3):
        func = tmp_path / "bids" / f"sub-{number}" / "func"
        func.mkdir(parents=True)
        (func / f"sub-{number}_task-rest_bold.nii.gz").write_bytes(b"x")
    told: list[Mapping[str, str]] = []
    progress = Progress(announce=lambda _name, facts: told.append(dict(facts)))
    asked = {"bids_dir": str(tmp_path / "bids"), "out_dir": str(tmp_path / "out")}
    answer = cohort_list(asked, progress)
    assert answer["count"] == 3
    rows = [row for facts in told for row in json.loads(facts["rows"])]
    assert [row["participant"] for row in rows] == ["sub-0", "sub-1", "sub-2"]
    assert not (tmp_path / "out").exists()


def test_that_summaries_are_written_for_all_but_those_that_may_have_none(tmp_path: Path) -> None:
    folder = make_sample_case(tmp_path, Outcome.WITHHELD, attribution=False)
    asked = {"cases": [["sub-01", str(folder)], ["sub-02", str(tmp_path / "gone")]],
             "target": str(tmp_path / "summaries")}  # fmt: skip
    answer = cohort_reports(asked, Progress())
    assert answer["written"] == 1, answer
    assert [words.split(":")[0] for words in answer["refused"]] == ["sub-02"]
    (made,) = (tmp_path / "summaries").iterdir()
    assert made.name == "sub-01_desc-summary.pdf"
    assert made.read_bytes().startswith(b"%PDF")
