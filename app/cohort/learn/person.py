"""One person of a cohort: a scan and what was known before treatment, in the units of a model.

The table's cells are read as `app.scans.participants` reads them for one scan, so that a bundle
learns the numbers that `predict` will give it: age in years, pain from 0 to 10, sex by its codes.
What is not certain is refused rather than learnt from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.cohort.learn.participants_table import UNKNOWN, ParticipantsTable, number
from app.cohort.learn.plan import Plan
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.scans import PreparedScan
from app.core.arrays import Floats
from app.core.errors import AppError
from app.models.covariates import covariate_values
from app.scans.participants import (
    HIGHEST_AGE_YEARS,
    HIGHEST_PAIN,
    age_unit,
    description_of,
    pain_factor,
    pain_unit,
    sex_codes,
    stated_pain_factor,
)

ONE_SITE = "one site"
AGE_RANGE = "population.age_range_years"
NEAR_YEARS, NEAR_PAIN = 1.0, 0.5  # one value, written in two places
_STATE = "State Units (age: years or months; pain: 0 to 10 or 0 to 100) in participants.json."


@dataclass(frozen=True, slots=True)
class Person:
    """One person's scan, with what was known before treatment."""

    scan: PreparedScan
    site: str
    arm: str
    age_years: float
    sex: str
    baseline_pain: float
    baseline: float  # outcome's scale before treatment, NaN where the plan names none
    own_pain_scale: bool = False  # `baseline_pain` is on the outcome's scale, no certain 0 to 10

    @property
    def identifier(self) -> str:
        """The person."""
        return self.scan.participant

    @property
    def unit(self) -> str:
        """The scan: person and session."""
        return f"{self.identifier} {self.scan.session}".strip()

    def covariates(self) -> Floats:
        """(4,), in the order of `app.models.covariates.NAMES`."""
        return covariate_values(
            None if np.isnan(self.age_years) else self.age_years,
            self.sex,
            self.scan.mean_fd_mm,
            None if np.isnan(self.baseline_pain) else self.baseline_pain,
        )


class PeopleReader:
    """How cells of one table become a person: columns by the plan, units by ``participants.json``.

    Raises
    ------
    AppError
        ``cohort.units`` where the unit of a column is not certain, or plan and description differ.
    """

    def __init__(self, table: ParticipantsTable, plan: Plan) -> None:
        self._table, self._plan = table, plan
        described = description_of(table.path)
        self._age, self._pain = 1.0, 1.0
        if column := table.column_of("age_years", plan):
            self._age = _certain(age_unit(described, column)[0], column)
        if column := table.column_of("baseline_pain", plan):
            cells = [row[column] for row in table.rows]
            self._pain = _certain(pain_unit(described, cells, column)[0], column)
        sex = table.column_of("sex", plan)
        self._sexes = sex_codes(described, sex) if sex else {}
        self._baseline = _baseline_factor(described, plan)

    def person(self, scan: PreparedScan, row: dict[str, str]) -> Person:
        """One person.

        Raises
        ------
        AppError
            ``cohort.table`` for a cell that is no number, ``cohort.units`` for an impossible one.
        """
        age = self._number(row, "age_years", self._age, HIGHEST_AGE_YEARS)
        pain = self._number(row, "baseline_pain", self._pain, HIGHEST_PAIN)
        column = self._plan.outcome.baseline_column
        whose = row["participant_id"]
        baseline = number(row[column], column, whose) if column else float("nan")
        pain = scan.baseline_pain if np.isnan(pain) else pain
        return Person(
            scan=scan,
            site=self._cell(row, "site") or scan.site or ONE_SITE,
            arm=self._cell(row, "arm") or self._plan.treatment.arm,
            age_years=scan.age_years if np.isnan(age) else age,
            sex=self._sex(row) or scan.sex,
            baseline_pain=baseline * self._baseline if np.isnan(pain) else pain,
            baseline=baseline,
        )

    def _cell(self, row: dict[str, str], meaning: str) -> str:
        column = self._table.column_of(meaning, self._plan)
        return row[column] if column else ""

    def _number(self, row: dict[str, str], meaning: str, factor: float, highest: float) -> float:
        column = self._table.column_of(meaning, self._plan) or meaning
        value = number(self._cell(row, meaning), column, row["participant_id"]) * factor
        if not np.isnan(value) and not 0.0 <= value <= highest:
            raise _units(
                f"'{column[:60]}' of {row['participant_id'][:40]} is {value:g}, outside 0 to "
                f"{highest:g}",
                f"Correct the cell. {_STATE}",
            )
        return value

    def _sex(self, row: dict[str, str]) -> str:
        text = self._cell(row, "sex").strip().lower()
        if text in UNKNOWN:
            return ""
        sex = self._sexes.get(text)
        if sex is None:
            raise _units(
                f"the code '{text[:20]}' of sex is not explained",
                'Write F, M or O, or explain the codes under Levels ("1": "female") of the column '
                "in participants.json.",
            )
        return sex


def _baseline_factor(described: Mapping[str, Any], plan: Plan) -> float:
    """From the outcome's scale before treatment to pain of 0 to 10; NaN where it is none."""
    outcome, none = plan.outcome, float("nan")
    planned = none
    if outcome.lowest in (None, 0.0) and outcome.direction == "lower_is_better":
        factor, _ = pain_factor(_no_share(outcome.scale), outcome.highest)
        planned = none if factor is None else factor
    found = [
        factor
        for column in (outcome.baseline_column, outcome.column if outcome.kind == "post" else None)
        if column is not None
        for factor, said in (stated_pain_factor(_without_shares(described, column), column),)
        if said and factor is not None
    ]
    if len({*found, *([] if np.isnan(planned) else [planned])}) > 1:
        raise _units(
            "plan and participants.json differ in the scale of the outcome, or the scores before "
            "and after treatment have different ones",
            "A score out of 100 is not one out of 10: correct outcome.highest, outcome.scale or "
            "Units in participants.json.",
        )
    return planned


def _without_shares(described: Mapping[str, Any], column: str) -> Mapping[str, Any]:
    """What is said of a column, without a percentage in its words: no scale, but a definition."""
    about = described.get(column.lower(), {})
    return {
        column.lower(): about | {"Description": _no_share(str(about.get("Description", "")))}
    }  # fmt: skip


def _no_share(words: str) -> str:
    return re.sub(r"percent\w*|%", "", words, flags=re.IGNORECASE)


def on_one_pain_scale(people: Sequence[Person]) -> tuple[Person, ...]:
    """Pain before treatment of everybody, on the outcome's own scale where 0 to 10 is uncertain.

    What ranks the label must be judged whatever its unit, or a model that repeats it would seem to
    gain over covariates. Models scale it by the training people; only a bundle, which is asked in
    0 to 10, must not learn from it.
    """
    lacking = sum(np.isnan(one.baseline_pain) and not np.isnan(one.baseline) for one in people)
    if 2 * lacking <= len(people):
        return tuple(people)
    return tuple(replace(one, baseline_pain=one.baseline, own_pain_scale=True) for one in people)


def refuse_other_units(people: Sequence[Person]) -> None:
    """What a table says now is what the scans were prepared with, single corrections apart.

    Raises
    ------
    AppError
        ``cohort.units`` where most people's age, pain or sex is another than at preparation.
    """
    checks: tuple[tuple[str, Callable[[Person], bool | None]], ...] = (
        ("age", lambda one: _far(one.age_years, one.scan.age_years, NEAR_YEARS)),
        ("pain before treatment",
         lambda one: _far(one.baseline_pain, one.scan.baseline_pain, NEAR_PAIN)),
        ("sex", lambda one: one.sex != one.scan.sex if one.sex and one.scan.sex else None),
    )  # fmt: skip
    for what, differs in checks:
        known = [found for one in people if (found := differs(one)) is not None]
        if sum(known) > len(known) / 2:
            raise _units(
                f"{what} differs from what the scans were prepared with in {sum(known)} of "
                f"{len(known)} people",
                "Check Units and Levels in participants.json; run `bids` again where the table "
                "is right.",
            )


def outside_age_range(people: Sequence[Person], plan: Plan) -> tuple[Deviation, ...]:
    """The deviation of people who are not of the plan's ages.

    Raises
    ------
    AppError
        ``cohort.units`` where most of them are not.
    """
    low, high = plan.population.age_range_years
    ages = np.array([one.age_years for one in people])
    known = ages[np.isfinite(ages)]
    # whole years may be rounded up, and a year of birth is a year long
    outside = int(((known < low) | (known >= high + 1.0)).sum())
    if outside > len(known) / 2:
        raise _units(
            f"{outside} of {len(known)} people are outside the plan's ages of {low:g} to "
            f"{high:g} years",
            "Check the unit of the column of ages, and population.age_range_years.",
        )
    if not outside:
        return ()
    return (
        Deviation(
            AGE_RANGE, f"{low:g} to {high:g} years", f"{outside} of {len(known)} people outside",
            "they are not of the population that the plan states",
        ),
    )  # fmt: skip


def _far(one: float, other: float, near: float) -> bool | None:
    return None if np.isnan(one) or np.isnan(other) else bool(abs(one - other) > near)


def _certain(factor: float | None, column: str) -> float:
    if factor is None:
        raise _units(f"the unit or scale of '{column[:60]}' is not certain", _STATE)
    return factor


def _units(what: str, hint: str) -> AppError:
    return AppError(f"The participants table cannot be used: {what}.", hint, code="cohort.units")
