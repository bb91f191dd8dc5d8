"""A cohort to learn from: people and their scans and, once the plan is locked, their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.continuous import known_rows
from app.cohort.learn.definition import Definition, Outcome
from app.cohort.learn.exclusions import BY_HAND, NO_SCAN, kept_scans, without_scan
from app.cohort.learn.lock_people import TakingPart
from app.cohort.learn.participants_table import (
    ParticipantsTable,
    outcome_columns,
    row_key,
    values_of,
)
from app.cohort.learn.person import (
    PeopleReader,
    Person,
    on_one_pain_scale,
    outside_age_range,
    refuse_other_units,
)
from app.cohort.learn.plan import Plan
from app.cohort.learn.plan_lock import Deviation, LockedPlan, lock_plan
from app.cohort.learn.refusals import (
    refuse_arms,
    refuse_definitions,
    refuse_mixtures,
    refuse_off_scale,
)
from app.cohort.learn.scans import PreparedScan, scans_of
from app.cohort.learn.sessions import (
    NO_PLANNED_SESSION,
    is_planned,
    of_planned_session,
    refuse_sessions,
    why_not_taken,
)
from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.provenance import record_sha256
from app.core.results import Verdict
from app.core.wording import counted
from app.models.covariates import NAMES as COVARIATES

ZERO_BEFORE = "a score of 0 before treatment has no percentage"
KNOWN_SHARE, FEWEST_KNOWN = 0.8, 10  # people whose change is known, for it to be analysed


@dataclass(frozen=True, slots=True)
class Excluded:
    """Someone who takes no part, and why."""

    identifier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cohort:
    """People without any outcome: all that exists before the plan is locked."""

    people: tuple[Person, ...]
    excluded: tuple[Excluded, ...]
    table: Path

    def __len__(self) -> int:
        return len(self.people)

    def lock(self, plan: Plan, folder: Path) -> LockedPlan:
        """Lock the plan with who is to take part, as `lock_plan`."""
        people = TakingPart(
            tuple((one.identifier, one.scan.session) for one in self.people),
            {one.identifier: one.reason for one in self.excluded},
            tuple(one.scan.prepared_sha256() for one in self.people),
        )
        return lock_plan(plan, self.table, folder, people)


@dataclass(frozen=True, slots=True)
class LabelledCohort:
    """People with their outcome, in one order everywhere.

    `labels` are those of the primary definition; `by_definition` holds each definition's, NaN
    where unknown.
    """

    people: tuple[Person, ...]
    labels: Bools  # (person,), True = responder
    by_definition: dict[str, Floats]  # text -> (person,) 1, 0 or NaN
    outcome: Outcome
    excluded: tuple[Excluded, ...]
    locked: LockedPlan
    deviations: tuple[Deviation, ...] = ()

    def __len__(self) -> int:
        return len(self.people)

    @property
    def plan(self) -> Plan:
        """The plan under which the labels were read."""
        return self.locked.plan

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The person behind each row."""
        return tuple(one.identifier for one in self.people)

    @property
    def sites(self) -> tuple[str, ...]:
        """Of each row."""
        return tuple(one.site for one in self.people)

    @property
    def change(self) -> tuple[str, Floats] | None:
        """Name and (row,) values of the continuous outcome, positive = better.

        None where the columns do not tell it, or tell it of too few people.
        """
        found = self.outcome.continuous()
        if found is None:
            return None
        known = known_rows(found[1], self.outcome.baseline)
        enough = known.sum() >= max(FEWEST_KNOWN, KNOWN_SHARE * len(known))
        return found if enough else None

    @property
    def series(self) -> tuple[Floats, ...]:
        """(frame, parcel) of each row."""
        return tuple(one.scan.cleaned for one in self.people)

    @property
    def connectivity(self) -> Floats:
        """(row, parcel, parcel), float32."""
        return np.stack([one.scan.connectivity for one in self.people])

    @property
    def covariates(self) -> Floats:
        """(row, 4), in the order of `app.models.covariates.NAMES`."""
        return np.stack([one.covariates() for one in self.people])

    @property
    def covariate_names(self) -> tuple[str, ...]:
        """Those that are known of anybody."""
        known: Bools = np.asarray(np.isfinite(self.covariates).any(axis=0), np.bool_)
        return tuple(name for name, one in zip(COVARIATES, known, strict=True) if one)

    @property
    def own_pain_scale(self) -> bool:
        """Whether pain before treatment is on the outcome's scale, which is no certain 0 to 10."""
        return any(one.own_pain_scale for one in self.people)

    @property
    def simulated(self) -> bool:
        """Whether nobody of it is a person."""
        return all(one.scan.simulated for one in self.people)

    @property
    def repetition_time_s(self) -> float:
        """Of the scans; `labelled` refused a mixture."""
        return self.people[0].scan.repetition_time_s

    def sha256(self) -> str:
        """Hash over people, scans, covariates and labels: what every stored figure depends on."""
        rows = [
            [one.unit, one.scan.content_sha256, one.site, one.arm, *map(str, one.covariates())]
            for one in self.people
        ]
        record: list[Any] = [rows, self.labels.tolist(), [str(v) for v in self.outcome.values]]
        if self.outcome.baseline is not None:
            record.append([str(v) for v in self.outcome.baseline])
        return record_sha256(record)

    def rows(self, index: Ints) -> LabelledCohort:
        """Some of them."""
        chosen = [int(i) for i in index]
        outcome = self.outcome
        return replace(
            self,
            people=tuple(self.people[i] for i in chosen),
            labels=frozen(self.labels[chosen]),
            by_definition={k: frozen(v[chosen]) for k, v in self.by_definition.items()},
            outcome=replace(
                outcome,
                values=frozen(outcome.values[chosen]),
                baseline=None if outcome.baseline is None else frozen(outcome.baseline[chosen]),
            ),
        )


def read_cohort(
    folder: Path,
    table_path: Path,
    plan: Plan,
    progress: Progress | None = None,
    *,
    by_hand: Collection[tuple[str, str]] = (),
) -> Cohort:
    """People of a folder of prepared scans and their table; no outcome is read.

    `by_hand` holds (participant, session) of visits that somebody chose to leave out, whether or
    not their scans are in the folder; session "" is every visit of the person.

    Raises
    ------
    AppError
        As `scans_of` and `ParticipantsTable.read`; ``cohort.mixed`` for scans of another atlas,
        preset or repetition time; ``cohort.sessions`` for several visits of a person;
        ``cohort.units`` for ages, pain or sex of uncertain unit; ``cohort.people`` when nobody is
        left, or a scan has no row.
    """
    table = ParticipantsTable.read(table_path, plan)
    scans = kept_scans(scans_of(folder, progress), by_hand)
    session_column = table.column_of("session", plan)
    wanted = {
        key: row
        for row in table.selected(plan)
        if is_planned((key := row_key(row, session_column))[1], plan)
    }
    listed = {row_key(row, session_column) for row in table.rows}
    refuse_definitions(table, plan, list(wanted.values()))
    scans, other_visits = of_planned_session(scans, plan)
    people, excluded = [], []
    # A visit that the table does not list is one that takes no part; a person must be listed.
    strangers = sorted({s.participant for s in scans} - {person for person, _ in listed})
    if strangers:
        raise AppError(
            f"{len(strangers)} scanned participants are not in the table, {strangers[0]} first.",
            "Add their rows to participants.tsv, or remove their scans.",
            code="cohort.people",
        )
    taking = [one for one in scans if _scan_key(one, session_column) in wanted]
    refuse_sessions(taking, wanted, plan, told=session_column is not None)
    reader = PeopleReader(table, plan)
    for scan in scans:
        row = wanted.get(_scan_key(scan, session_column))
        if row is None:
            excluded.append(Excluded(scan.participant, why_not_taken(scan, wanted)))
        elif scan.blocking:
            excluded.append(Excluded(scan.participant, f"not usable: {scan.blocking}"))
        elif scan.verdict == Verdict.WITHHELD.value:
            excluded.append(Excluded(scan.participant, "quality withholds a number"))
        else:
            people.append(reader.person(scan, row))
    scanned = {_scan_key(scan, session_column) for scan in scans}
    absent = without_scan(wanted, scanned, by_hand, sessions=session_column is not None)
    excluded += [Excluded(*one) for one in absent]
    excluded = _people_only(excluded, people, other_visits)
    if not people:
        raise AppError(
            f"Nobody is left: no selected participant has a usable scan ({_counted(excluded)}).",
            "Check the plan's selection and the quality of the scans.",
            code="cohort.people",
        )
    refuse_mixtures([one.scan for one in people], plan)
    refuse_arms([one.arm for one in people], plan)
    refuse_other_units(people)
    outside_age_range(people, plan)
    return Cohort(on_one_pain_scale(people), tuple(excluded), table_path)


def _people_only(
    excluded: Sequence[Excluded], people: Sequence[Person], other_visits: Sequence[PreparedScan]
) -> list[Excluded]:
    """Nobody is left out who takes part with another visit; nor silently, who has only others."""
    there = {one.identifier for one in people}
    elsewhere = {scan.participant for scan in other_visits} - there
    kept = [one for one in excluded if one.identifier not in there or one.reason == BY_HAND]
    named = {one.identifier for one in kept if one.reason != NO_SCAN}
    rest = [one for one in kept if one.reason != NO_SCAN or one.identifier not in elsewhere | named]
    return rest + [Excluded(name, NO_PLANNED_SESSION) for name in sorted(elsewhere - named)]


def _counted(excluded: Sequence[Excluded]) -> str:
    """How many take no part, by reason."""
    found = Counter(one.reason for one in excluded)
    return "; ".join(f"{reason}: {count}" for reason, count in sorted(found.items()))


def label_cohort(cohort: Cohort, locked: LockedPlan) -> LabelledCohort:
    """Read the outcome, once the plan is locked; people without one take no part.

    Raises
    ------
    AppError
        ``cohort.table``, ``cohort.definition`` or ``cohort.classes``.
    """
    plan = locked.plan
    cells = outcome_columns(locked, cohort.table)
    table = ParticipantsTable.read(cohort.table, plan)
    session_column = table.column_of("session", plan)
    keys = [_scan_key(one.scan, session_column) for one in cohort.people]
    wanted = plan.outcome
    is_label = wanted.kind == "label"
    values = values_of(cells[wanted.column], keys, wanted.column, label=is_label)
    baseline = None
    if wanted.baseline_column is not None:
        baseline = np.array([one.baseline for one in cohort.people])
    refuse_off_scale(plan, values, baseline, keys)
    outcome = Outcome(
        wanted.kind,
        frozen(values),
        None if baseline is None else frozen(baseline),
        wanted.direction == "lower_is_better",
    )
    definitions = (plan.definition, *plan.secondary)
    if is_label:
        checked = (
            values_of(cells[wanted.check_column], keys, wanted.check_column, label=False)
            if wanted.check_column is not None
            else None
        )
        by_definition = _by_label(outcome, definitions, checked)
    else:
        by_definition = {one.text: outcome.responders(one) for one in definitions}
    primary = by_definition[plan.definition.text]
    known = np.isfinite(primary)
    # a percentage of nothing: known as change, undefined as response
    of_zero = np.zeros_like(known) if baseline is None else (baseline == 0.0) & np.isfinite(values)
    excluded = cohort.excluded + tuple(
        Excluded(one.identifier, ZERO_BEFORE if zero else "outcome unknown")
        for one, there, zero in zip(cohort.people, known, of_zero, strict=True)
        if not there
    )
    labelled = LabelledCohort(
        cohort.people,
        frozen(primary == 1.0),
        by_definition,
        outcome,
        excluded,
        locked,
        (
            *locked.deviations,
            *outside_age_range(cohort.people, plan),
            *_undefined(plan, int((of_zero & ~known).sum())),
        ),
    ).rows(np.flatnonzero(known))
    _refuse_one_class(labelled)
    return labelled


def _undefined(plan: Plan, count: int) -> list[Deviation]:
    """That the primary change leaves out people whose response alone is undefined."""
    if not count or plan.primary != "continuous":
        return []
    what, who = "outcome.primary", counted(count, "person", "people")
    return [
        Deviation(what, "everybody whose change is known", f"{who} left out", ZERO_BEFORE + (
            f": whether they respond by '{plan.definition.text[:60]}' is undefined"
        ))
    ]  # fmt: skip


def _by_label(
    outcome: Outcome, definitions: Sequence[Definition], checked: Floats | None
) -> dict[str, Floats]:
    primary = definitions[0]
    if checked is None:
        if len(definitions) > 1:
            raise AppError(
                "Secondary definitions cannot be computed from a column of labels.",
                "Name the pain score in outcome.column, or leave them out.",
                code="cohort.definition",
            )
        return {primary.text: outcome.values}
    scores = replace(outcome, kind="percent_improvement", values=checked, baseline=None)
    found = {one.text: scores.responders(one) for one in definitions}
    both = np.isfinite(found[primary.text]) & np.isfinite(outcome.values)
    differ = int((found[primary.text][both] != outcome.values[both]).sum())
    if differ:
        raise AppError(
            f"The label contradicts the definition '{primary.text[:60]}' in {differ} of "
            f"{int(both.sum())} people.",
            "Correct the definition or the column; figures across definitions mean nothing.",
            code="cohort.definition",
        )
    return found | {primary.text: outcome.values}


def _scan_key(scan: PreparedScan, session_column: str | None) -> tuple[str, str]:
    return scan.participant, scan.session if session_column else ""


def _refuse_one_class(cohort: LabelledCohort) -> None:
    count, responders = len(cohort), int(cohort.labels.sum())
    if responders in (0, count):
        only = "a responder" if responders else "a non-responder"
        raise AppError(
            f"Everybody ({count} people) is {only} by '{cohort.plan.definition.text[:60]}'.",
            "Check definition and column; both classes are needed.",
            code="cohort.classes",
        )
