"""A simulated cohort is ready to be learnt from: its table and plan say what the simulator drew."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.cohort.learn.outcomes import NOT_SELECTED, outcomes_of, recorded_lock
from app.cohort.learn.participants_table import ParticipantsTable
from app.cohort.learn.person import PeopleReader
from app.cohort.learn.plan import parse_plan, plan_toml, read_plan
from app.cohort.learn.plan_lock import lock_plan
from app.cohort.learn.run import find_table
from app.cohort.learn.simulated import PLAN_STAMP, study_plan, write_study_plan
from app.models.card import read_card
from app.models.installed import bundle_folder
from app.scans.participants import age_of, pain_of, read_participants, sex_of
from app.simulation.bids import write_dataset
from app.simulation.cohort import CohortSettings, draw_cohort
from app.simulation.outcome import pain_ratings

COUNT = 60


def test_that_the_plan_reads_the_simulators_responders_from_the_table(tmp_path: Path) -> None:
    people = draw_cohort(CohortSettings(count=COUNT, seed=5))
    write_dataset(tmp_path, people)
    assert write_study_plan(tmp_path / "plan.toml")
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.sha256 == study_plan().sha256
    assert plan.primary == "continuous"
    table = tmp_path / "participants.tsv"
    assert recorded_lock(plan, table, tmp_path / "result") is None
    locked = lock_plan(plan, table, tmp_path / "result")
    found = outcomes_of(locked, table, [(one.label, "") for one in people])
    assert [found[(one.label, "")].words.startswith("responder: ") for one in people] == [
        bool(one.responder) for one in people
    ]
    # the treatment is the demonstration model's, so that its gates let the table through
    card = read_card(bundle_folder("simulated-demo")).fields
    rows = read_participants(table).rows
    assert {row["drug"] for row in rows} == {plan.treatment.drug, card.treatment.drug}
    assert {row["arm"] for row in rows} == {plan.treatment.arm, card.treatment.arm}
    assert {row["time_point"] for row in rows} == {card.responder.time_point}


def test_that_learning_reads_the_covariates_that_one_scan_is_given(tmp_path: Path) -> None:
    people = draw_cohort(CohortSettings(count=COUNT, seed=5))
    write_dataset(tmp_path, people)
    path, plan = tmp_path / "participants.tsv", study_plan()
    table, one_by_one = ParticipantsTable.read(path, plan), read_participants(path)
    reader = PeopleReader(table, plan)
    scan: Any = SimpleNamespace(age_years=np.nan, sex="", baseline_pain=np.nan, site="")
    for row, text in zip(table.rows, one_by_one.rows, strict=True):
        found = reader.person(scan, row)
        assert found.age_years == age_of(one_by_one, text)[0]
        assert found.sex == sex_of(one_by_one, text)[0]
        assert found.baseline_pain == pain_of(one_by_one, text)[0]


def test_that_a_plan_of_ones_own_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    assert write_study_plan(path)
    assert path.read_text().startswith(PLAN_STAMP)
    assert write_study_plan(path)  # ours is written anew
    path.write_text(plan_toml(study_plan()))
    assert not write_study_plan(path)
    assert not path.read_text().startswith(PLAN_STAMP)


def test_that_ratings_come_from_a_stream_of_their_own_and_fall_as_the_label_says() -> None:
    people = draw_cohort(CohortSettings(count=200, seed=8))
    rated = np.array([pain_ratings(one) for one in people])
    responders = np.array([bool(one.responder) for one in people])
    share = (rated[:, 0] - rated[:, 1]) / rated[:, 0]
    np.testing.assert_array_equal(share >= 0.30, responders)
    assert (rated[:, 0] >= 1.0).all()
    assert ((rated >= 0.0) & (rated <= 10.0)).all()
    again = draw_cohort(CohortSettings(count=200, seed=8))
    assert [pain_ratings(one) for one in reversed(again)][::-1] == [tuple(row) for row in rated]


def test_that_people_without_a_label_have_no_rating_after(tmp_path: Path) -> None:
    write_dataset(tmp_path, draw_cohort(CohortSettings(count=3, labelled=False)))
    rows = (tmp_path / "participants.tsv").read_text().splitlines()
    assert {row.split("\t")[-1] for row in rows[1:]} == {"n/a"}
    assert "n/a" not in {row.split("\t")[-2] for row in rows[1:]}


def test_that_the_table_of_derivatives_is_that_of_their_data_set(tmp_path: Path) -> None:
    results = tmp_path / "study" / "derivatives" / "neuroresponder"
    results.mkdir(parents=True)
    table = tmp_path / "study" / "participants.tsv"
    table.write_text("participant_id\n")
    assert find_table(results) == table


def test_that_rows_beside_the_plans_selection_say_so(tmp_path: Path) -> None:
    people = draw_cohort(CohortSettings(count=2, seed=5))
    write_dataset(tmp_path, people)
    values = study_plan().model_dump(mode="json", exclude_none=True)
    plan = parse_plan(values | {"select": {"sex": ["nobody"]}})
    locked = lock_plan(plan, tmp_path / "participants.tsv", tmp_path / "result")
    found = outcomes_of(locked, tmp_path / "participants.tsv", [("sub-0000", "")])
    assert found[("sub-0000", "")].words == NOT_SELECTED
