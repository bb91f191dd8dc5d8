"""Outcomes of single people for the group's own screen, once the plan is locked; never before."""

from __future__ import annotations

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
from app.cohort.learn.plan import Plan
from app.cohort.learn.plan_lock import LOCK_FILE, LockedPlan, lock_plan
from app.core.wording import signed

UNKNOWN, NOT_SELECTED = "unknown", "not selected by the plan"
RESPONDER, OTHER = "responder", "non-responder"


@dataclass(frozen=True, slots=True)
class MeasuredOutcome:
    """What the table says of one person at one visit."""

    words: str  # "responder: 7 to 4.2 (−40 %)"
    definition: str  # of the plan that was locked


def recorded_lock(plan: Plan, table: Path, folder: Path) -> LockedPlan | None:
    """The lock that a result folder holds; None where nothing was locked there.

    Raises
    ------
    AppError
        As `lock_plan`.
    """
    return lock_plan(plan, table, folder) if (folder / LOCK_FILE).is_file() else None


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
        elif key not in selected:
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
