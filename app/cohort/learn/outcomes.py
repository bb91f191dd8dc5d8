"""Outcomes of single people for the group's own screen, once the plan is locked; never before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.learn.definition import Outcome
from app.cohort.learn.participants_table import (
    ParticipantsTable,
    number,
    outcome_columns,
    row_key,
    yes_or_no,
)
from app.cohort.learn.plan import Plan, parse_plan
from app.cohort.learn.plan_lock import LOCK_FILE, LockedPlan, lock_plan
from app.cohort.learn.sessions import is_planned
from app.core.wording import signed

UNKNOWN, NOT_SELECTED = "unknown", "not selected by the plan"
RESPONDER, OTHER = "responder", "non-responder"


@dataclass(frozen=True, slots=True)
class MeasuredOutcome:
    """What the table says of one person at one visit."""

    words: str  # "responder: 7 to 4.2 (−40 %)"
    definition: str  # of the plan that was locked


def recorded_lock(plan: Plan, table: Path, folder: Path) -> LockedPlan | None:
    """The lock that a result folder holds with the plan that was locked; None without one.

    Where `plan` is another by now, outcomes are those of the first: nobody looks around in them by
    changing a plan.

    Raises
    ------
    AppError
        As `lock_plan`.
    """
    path = folder / LOCK_FILE
    if not path.is_file():
        return None
    locked = lock_plan(plan, table, folder)  # refuses a record that is damaged or edited
    if locked.sha256 == plan.sha256:
        return locked
    first = parse_plan(json.loads(path.read_text(encoding="utf-8"))["plan"])
    return lock_plan(first, table, folder)


def outcomes_of(
    locked: LockedPlan, table_path: Path, people: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], MeasuredOutcome]:
    """Outcome of each (participant, session) by the primary definition.

    Parameters
    ----------
    locked
        Nobody's outcome is read without one.
    table_path
        ``participants.tsv``.
    people
        "sub-…" and "ses-…" or "".

    Raises
    ------
    AppError
        ``cohort.table`` or ``cohort.definition``.
    """
    plan = locked.plan
    table = ParticipantsTable.read(table_path, plan)
    session = table.column_of("session", plan)
    cells = outcome_columns(locked, table_path)[plan.outcome.column]
    listed = {row_key(row, session): row for row in table.rows}
    selected = {row_key(row, session) for row in table.selected(plan)}
    found = {}
    for person in people:
        key = (person[0], person[1] if session else "")
        if key not in listed:
            words = UNKNOWN
        elif key not in selected or not is_planned(person[1], plan):
            words = NOT_SELECTED
        else:
            words = outcome_words(plan, cells[key], listed[key])
        found[person] = MeasuredOutcome(words, plan.definition.text)
    return found


def outcome_words(plan: Plan, cell: str, row: Mapping[str, str]) -> str:
    """The cell with what the plan's definition makes of it."""
    wanted = plan.outcome
    read = yes_or_no if wanted.kind == "label" else number
    value = read(cell, wanted.column)
    column = wanted.baseline_column
    before = float("nan") if column is None else number(row[column], column)
    outcome = Outcome(
        wanted.kind,
        np.array([value]),
        None if column is None else np.array([before]),
        wanted.direction == "lower_is_better",
    )
    responds = float(outcome.responders(plan.definition)[0])
    if not np.isfinite(responds):
        return UNKNOWN
    answer = RESPONDER if responds else OTHER
    if wanted.kind == "label":
        return answer
    if wanted.kind == "percent_improvement":
        return f"{answer}: improvement {value:.3g} %"
    if wanted.kind == "points_improvement":
        return f"{answer}: improvement {value:.3g}"
    if not np.isfinite(before):
        return f"{answer}: {value:.3g}"
    change = f" ({signed(100.0 * (value - before) / before, 0)} %)" if before else ""
    return f"{answer}: {before:.3g} to {value:.3g}{change}"
