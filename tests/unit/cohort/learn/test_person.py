"""Age, pain and sex as `predict` reads them: converted by participants.json, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.cohort.learn.contenders import Workshop
from app.cohort.learn.gate import gate_rivals
from app.cohort.learn.labelled import Cohort, LabelledCohort, label_cohort, read_cohort
from app.cohort.learn.person import on_one_pain_scale
from app.core.errors import AppError
from app.scans.participants import read_participants, sex_of
from tests.unit.cohort.learn.small import Made, make_cohort, small_plan

COUNT = 12
HUNDRED = {
    "outcome": {"scale": "VAS 0-100", "highest": 100.0},
    "responder": {"secondary": ["VAS < 40"]},
}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return make_cohort(tmp_path, COUNT)


def describe(made: Made, **columns) -> None:
    made.table.with_suffix(".json").write_text(json.dumps(columns))


def change(made: Made, name: str, by, header: str | None = None) -> list[str]:
    """A column's cells, each changed by a function of number and cell."""
    head, *rows = (line.split("\t") for line in made.table.read_text().splitlines())
    place = head.index(name)
    old = [row[place] for row in rows]
    for number, row in enumerate(rows):
        row[place] = str(by(number, row[place]))
    head[place] = header or name
    made.table.write_text("\n".join("\t".join(row) for row in (head, *rows)) + "\n")
    return old


def stated(made: Made, **values) -> None:
    """What the scans were prepared with: a function of the number for each key."""
    for number, path in enumerate(sorted(made.folder.glob("*.npz"))):
        held = dict(np.load(path))
        path.unlink()
        np.savez(path, **(held | {key: of(number) for key, of in values.items()}))


def cohort_of(made: Made, **tables) -> Cohort:
    return read_cohort(made.folder, made.table, small_plan(**tables))


def labelled_of(made: Made, tmp_path: Path, **tables) -> LabelledCohort:
    cohort = cohort_of(made, **tables)
    return label_cohort(cohort, cohort.lock(small_plan(**tables), tmp_path / "result"))


def test_that_months_scales_of_100_and_codes_of_sex_give_the_same_covariates(made):
    expected = np.stack([one.covariates() for one in cohort_of(made).people])
    change(made, "age", lambda _, cell: int(cell) * 12, "Age")
    change(made, "sex", lambda _, cell: "FM".index(cell) + 1, "gender")
    for name in ("vas_before", "vas_after"):
        change(made, name, lambda _, cell: round(10 * float(cell), 2))
    describe(
        made,
        Age={"Units": "months"},
        gender={"Levels": {"1": "female", "2": {"Description": "Male participants"}}},
        vas_before={"Units": "mm"},
        vas_after={"Description": "VAS from 0 to 100"},
    )
    people = cohort_of(made, **HUNDRED).people
    np.testing.assert_allclose(np.stack([one.covariates() for one in people]), expected)
    assert {one.sex for one in people} == {"F", "M"}
    assert max(one.baseline for one in people) > 10.0  # the outcome keeps the plan's own scale


def test_that_a_pain_column_of_100_is_converted_for_models_and_for_one_scan_alike(made):
    change(made, "site", lambda n, _: 30 + n, "baseline_pain")
    describe(made, baseline_pain={"Units": "0-100"}, sex={"Levels": {"F": "female"}})
    table = read_participants(made.table)
    for number, one in enumerate(cohort_of(made).people):
        assert one.baseline_pain == pytest.approx((30 + number) / 10)
        assert sex_of(table, table.rows[number]) == (one.sex, [])


@pytest.mark.parametrize(
    ("column", "by", "described", "said"),
    [
        ("age", lambda n, _: 660 + n, {}, "'age' of sub-000 is 660, outside 0 to 120"),
        ("age", lambda n, _: 40, {"age": {"Units": "moons"}}, "unit or scale of 'age'"),
        ("age", lambda n, _: 5 + (n < 4) * 40, {}, "8 of 12 people are outside the plan's ages"),
        ("age", lambda n, _: -1, {}, "outside 0 to 120"),
        ("vas_before", lambda n, cell: "6,2" if n == 3 else cell, {},
         "'vas_before' of sub-003 holds '6,2'"),
        ("sex", lambda n, _: 1 + n % 2, {}, "the code '1' of sex is not explained"),
        ("sex", lambda n, _: "MH"[n % 2], {"sex": {"Levels": {"M": "mujer", "H": "hombre"}}},
         "the code 'm' of sex"),
        ("vas_before", lambda n, cell: cell, {"vas_before": {"Units": "0-100"}},
         "differ in the scale of the outcome"),
        ("vas_before", lambda n, cell: cell, {"vas_after": {"Units": "mm"}}, "differ in the scale"),
    ],
)  # fmt: skip
def test_that_uncertain_units_and_codes_are_refused(made, column, by, described, said):
    change(made, column, by)
    describe(made, **described)
    with pytest.raises(AppError, match=said) as fault:
        cohort_of(made)
    assert fault.value.code == ("cohort.table" if "6,2" in said else "cohort.units")


def test_that_a_pain_column_of_unknown_scale_is_refused(made):
    change(made, "site", lambda n, _: 30 + n, "baseline_pain")
    with pytest.raises(AppError, match=r"scale of 'baseline_pain'.* is not certain"):
        cohort_of(made)
    describe(made, baseline_pain={"Maximum": 10})
    with pytest.raises(AppError, match="'baseline_pain' of sub-000 is 30, outside 0 to 10"):
        cohort_of(made)


def test_that_a_percentage_in_a_description_is_no_scale(made):
    describe(
        made,
        vas_before={"Description": "VAS before treatment, 0 to 10"},
        vas_after={"Description": "VAS; a fall of 30 % or more (percent of before) is a response"},
    )
    plan = {"outcome": {"scale": "VAS 0-10, response in percent", "highest": None}}
    for one in cohort_of(made, **plan).people:
        assert one.baseline_pain == one.baseline > 1.0


@pytest.mark.parametrize(
    "outcome",
    [{"scale": "VAS pain subscale 0-20", "highest": 20.0}, {"scale": "VAS", "highest": None}],
)
def test_that_pain_on_a_scale_of_its_own_is_judged_all_the_same(made, tmp_path, outcome):
    plan = {"outcome": outcome, "responder": {"secondary": []}}
    cohort = labelled_of(made, tmp_path, **plan)
    assert cohort.own_pain_scale
    assert "baseline_pain" in cohort.covariate_names
    assert all(one.baseline_pain == one.baseline > 0 for one in cohort.people)
    rivals = [one.id for one in gate_rivals([], Workshop(cohort.covariate_names, 2.0))]
    assert rivals == ["age", "motion", "baseline-pain", "covariates"]


def test_that_a_few_gaps_do_not_change_the_scale_of_all(made):
    people = cohort_of(made).people
    gap = [replace(one, baseline_pain=np.nan) if n < 3 else one for n, one in enumerate(people)]
    assert on_one_pain_scale(gap) == tuple(gap)
    most = [replace(one, baseline_pain=np.nan) if n > 3 else one for n, one in enumerate(people)]
    assert all(one.own_pain_scale for one in on_one_pain_scale(most))


def test_that_a_raw_cell_never_overrides_what_the_scans_were_prepared_with(made):
    months = change(made, "age", lambda n, _: 48 + n)  # plausible as years
    stated(made, age_years=lambda n: (48 + n) / 12)
    with pytest.raises(AppError, match=r"age differs from what the scans .* in 12 of 12 people"):
        cohort_of(made)
    describe(made, age={"Units": "months"})
    plan = {"population": {"age_range_years": [2.0, 9.0]}}
    assert cohort_of(made, **plan).people[6].age_years == pytest.approx(4.5)
    assert len(months) == COUNT


def test_that_a_single_correction_of_the_table_counts(made):
    change(made, "age", lambda n, _: 50 if n else 61)
    stated(made, age_years=lambda _: 50.0, sex=lambda _: "")
    assert cohort_of(made).people[0].age_years == 61.0


def test_that_an_empty_cell_leaves_what_was_prepared(made):
    change(made, "age", lambda n, _: "n/a")
    change(made, "sex", lambda n, _: "")
    stated(made, age_years=lambda n: 40.0 + n, sex=lambda _: "F")
    assert [(one.age_years, one.sex) for one in cohort_of(made).people][:2] == [
        (40.0, "F"), (41.0, "F"),
    ]  # fmt: skip


def test_that_people_outside_the_plans_ages_are_a_deviation(made, tmp_path):
    change(made, "age", lambda n, _: 91 + n if n < 3 else 90)
    told = labelled_of(made, tmp_path).deviations
    assert [(one.what, one.planned, one.done) for one in told] == [
        ("population.age_range_years", "18 to 90 years", "3 of 12 people outside")
    ]
    change(made, "age", lambda n, _: 60)
    assert labelled_of(made, tmp_path).deviations[0].what == "participants.tsv"  # changed, no more


def test_that_a_score_of_0_before_treatment_is_named_as_what_it_is(made, tmp_path):
    change(made, "vas_before", lambda n, cell: 0.0 if n < 2 else cell)
    change(made, "vas_after", lambda n, cell: 0.0 if n < 2 else "n/a" if n == 2 else cell)
    found = labelled_of(made, tmp_path)
    assert [(one.identifier, one.reason) for one in found.excluded] == [
        ("sub-000", "a score of 0 before treatment has no percentage"),
        ("sub-001", "a score of 0 before treatment has no percentage"),
        ("sub-002", "outcome unknown"),
    ]
    told = [one for one in found.deviations if one.what == "outcome.primary"]
    assert [one.done for one in told] == ["2 people left out"]
    assert "'VAS fall >= 30 %' is undefined" in told[0].reason
    plan = {"responder": {"definition": "VAS < 4", "secondary": ["VAS fall >= 30 %"]}}
    whole = labelled_of(made, tmp_path / "other", **plan)
    assert len(whole) == COUNT - 1 and whole.deviations == ()  # defined for them
