"""One visit a person: no time points are pooled, nobody is counted twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cohort.learn.labelled import label_cohort, read_cohort
from app.cohort.learn.person import Person
from app.cohort.learn.plan import parse_plan, plan_toml
from app.core.errors import AppError
from tests.unit.cohort.learn.small import Made, make_cohort, plan_values, small_plan


def visits(made: Made, names: tuple[str, ...], only: dict[int, tuple[str, ...]] | None = None):
    """Each person's scan again as further visits, every one with series of its own."""
    for number, path in enumerate(sorted(made.folder.glob("*.npz"))):
        values = dict(np.load(path))
        path.unlink()
        for place, name in enumerate((only or {}).get(number, names)):
            changed = values["cleaned"] * np.float32(1 + place)
            np.savez(
                made.folder / f"{path.stem}_{name}.npz",
                **(values | {"cleaned": changed, "scan_sha256": f"{number} {place}"}),
            )


def rows_of(made: Made, names: tuple[str, ...]) -> None:
    """The table with a row a visit."""
    header, *rows = made.table.read_text().splitlines()
    text = [header + "\tsession_id"] + [f"{row}\t{name}" for row in rows for name in names]
    made.table.write_text("\n".join(text) + "\n")


def people(made: Made, **tables) -> tuple[Person, ...]:
    return read_cohort(made.folder, made.table, small_plan(**tables)).people


@pytest.mark.parametrize("rows", [(), ("1", "2")])
def test_that_several_visits_of_a_person_are_refused_by_the_names_of_the_sessions(tmp_path, rows):
    made = make_cohort(tmp_path, 12)
    visits(made, ("ses-1", "ses-2"))
    if rows:
        rows_of(made, rows)
    with pytest.raises(AppError, match=r"2 sessions .*\(ses-1, ses-2\): 12 participants") as fault:
        people(made)
    assert fault.value.code == "cohort.sessions"
    assert "under [scan] as session" in fault.value.hint
    assert "ses-1" not in fault.value.hint  # which one lies before treatment is for people to say
    assert "sub-" not in f"{fault.value} {fault.value.hint}"


def test_that_one_row_a_person_names_the_visit_though_others_were_scanned(tmp_path):
    made = make_cohort(tmp_path, 20)
    visits(made, ("ses-1", "ses-2"))
    rows_of(made, ("ses-1",))
    cohort = read_cohort(made.folder, made.table, small_plan())
    assert {one.scan.session for one in cohort.people} == {"ses-1"}
    assert len(cohort) == 20
    assert cohort.excluded == ()


@pytest.mark.parametrize("rows", [(), ("ses-1", "ses-2")])
@pytest.mark.parametrize("name", ["ses-1", "1"])
def test_that_the_plan_names_the_visit_and_everybody_counts_once(tmp_path, rows, name):
    made = make_cohort(tmp_path, 20)
    visits(made, ("ses-1", "ses-2"), {3: ("ses-2",)})
    if rows:
        rows_of(made, rows)
    plan = small_plan(scan={"session": name})
    cohort = read_cohort(made.folder, made.table, plan)
    assert {one.scan.session for one in cohort.people} == {"ses-1"}
    assert len({one.identifier for one in cohort.people}) == len(cohort) == 19
    assert [(one.identifier, one.reason) for one in cohort.excluded] == [
        ("sub-003", "no scan of the planned session")
    ]
    found = label_cohort(cohort, cohort.lock(plan, tmp_path / "result"))
    assert found.labels.sum() == np.delete(made.responders, 3).sum()


def test_that_the_table_names_the_visit_by_its_selected_rows(tmp_path):
    made = make_cohort(tmp_path, 12)
    visits(made, ("ses-1", "ses-2"))
    rows_of(made, ("1", "2"))
    cohort = read_cohort(made.folder, made.table, small_plan(select={"session_id": ["2"]}))
    assert {one.scan.session for one in cohort.people} == {"ses-2"}
    assert len(cohort) == 12 and cohort.excluded == ()  # nobody who takes part is left out


def test_that_different_visits_of_different_people_need_somebody_who_names_them(tmp_path):
    made = make_cohort(tmp_path, 12)
    visits(made, ("ses-1",), {4: ("ses-2",)})
    with pytest.raises(AppError, match=r"2 sessions .* neither plan nor table"):
        people(made)
    header, *rows = made.table.read_text().splitlines()
    named = [f"{row}\t{2 if n == 4 else 1}" for n, row in enumerate(rows)]
    made.table.write_text("\n".join([header + "\tsession", *named]) + "\n")
    assert sorted({one.scan.session for one in people(made)}) == ["ses-1", "ses-2"]
    rows_of_both = [*named, *(f"{row}\t{1 if n == 4 else 2}" for n, row in enumerate(rows))]
    made.table.write_text("\n".join([header + "\tsession", *rows_of_both]) + "\n")
    with pytest.raises(AppError, match="neither plan nor table"):  # two rows each name nothing
        people(made)


def test_that_scans_without_a_session_beside_a_table_with_one_are_told_as_that(tmp_path):
    made = make_cohort(tmp_path, 12)
    rows_of(made, ("1",))
    with pytest.raises(AppError, match="the scan names no session, the table does: 12"):
        people(made)


def test_that_a_person_scanned_at_another_visit_than_the_selected_is_left_out_once(tmp_path):
    made = make_cohort(tmp_path, 12)
    visits(made, ("ses-1",), {4: ("ses-2",)})
    rows_of(made, ("1",))
    cohort = read_cohort(made.folder, made.table, small_plan())
    assert len(cohort) == 11
    assert [(one.identifier, one.reason) for one in cohort.excluded] == [
        ("sub-004", "the scan's session is not among the selected rows")
    ]


def test_that_a_session_without_any_scan_is_refused(tmp_path):
    made = make_cohort(tmp_path, 12)
    with pytest.raises(AppError, match=r"No scan is of the session ses-7.*of no session"):
        people(made, scan={"session": "7"})


def test_that_the_session_is_part_of_the_plan_and_reads_back():
    plan = small_plan(scan={"session": "ses-1"})
    import tomllib

    assert parse_plan(tomllib.loads(plan_toml(plan))).sha256 == plan.sha256
    assert "scan" not in tomllib.loads(plan_toml(small_plan()))
    with pytest.raises(AppError, match=r"scan\.session"):
        parse_plan(plan_values(scan={"session": "../1"}))


@pytest.mark.parametrize("other", ["baseline_column", "check_column"])
def test_that_a_plan_whose_outcome_is_its_own_baseline_is_refused(other):
    kind = {"kind": "label", "baseline_column": None} if other == "check_column" else {}
    values = plan_values(outcome=kind | {other: "vas_after"}, responder={"secondary": []})
    with pytest.raises(AppError, match="before treatment, or the check, as the outcome itself"):
        parse_plan(values)


def test_that_records_say_where_the_visits_came_from(tmp_path: Path):
    from app.cohort.learn.sessions import named_by

    assert named_by(small_plan(scan={"session": "1"}), told=True) == "plan"
    assert named_by(small_plan(), told=True) == "table"
    assert named_by(small_plan(), told=False) == "nobody"
