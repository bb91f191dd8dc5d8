"""``participants.tsv``, read strictly; outcome columns stay shut until the plan is locked."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.learn.plan import ALIASES, Plan
from app.cohort.learn.plan_lock import LockedPlan
from app.core.arrays import Floats
from app.core.errors import AppError

MAX_TABLE_BYTES = 64 << 20
UNKNOWN = {"", "n/a", "na", "nan", "none", "."}
YES = {"1", "1.0", "yes", "true", "responder", "r"}
NO = {"0", "0.0", "no", "false", "non-responder", "nonresponder", "nr"}


@dataclass(frozen=True, slots=True)
class ParticipantsTable:
    """Rows by participant (and session), without the sealed columns."""

    path: Path
    columns: tuple[str, ...]  # of the file, sealed ones included
    sealed: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    @classmethod
    def read(cls, path: Path, plan: Plan) -> ParticipantsTable:
        """Read everything but the outcome.

        Raises
        ------
        AppError
            ``cohort.table``: no such file, no ``participant_id``, a column twice, a row of
            another length, a participant twice, a sealed column that is absent.
        """
        header, rows = _cells(path)
        for name in (*plan.sealed_columns, *plan.select, *plan.columns.values()):
            if name not in header:
                raise table_error(f"it has no column '{name[:60]}'", _there(header))
        baseline = plan.outcome.baseline_column
        if baseline is not None and baseline not in header:
            raise table_error(f"it has no column '{baseline[:60]}'", _there(header))
        kept = tuple(
            {key: value for key, value in row.items() if key not in plan.sealed_columns}
            for row in rows
        )
        table = cls(path, header, plan.sealed_columns, kept)
        table._refuse_twice(plan)
        return table

    def column_of(self, meaning: str, plan: Plan) -> str | None:
        """The column that holds `meaning` (a key of `ALIASES`); None where there is none."""
        if meaning in plan.columns:
            return plan.columns[meaning]
        names = {name.casefold(): name for name in self.columns if name not in self.sealed}
        return next((names[one] for one in ALIASES[meaning] if one in names), None)

    def selected(self, plan: Plan) -> tuple[dict[str, str], ...]:
        """Rows of people who take part."""
        return tuple(
            row
            for row in self.rows
            if all(row[name] in values for name, values in plan.select.items())
        )

    def visits(self, plan: Plan) -> tuple[frozenset[tuple[str, str]], bool]:
        """(participant, session) of every row, and whether the table tells sessions."""
        session = self.column_of("session", plan)
        return frozenset(row_key(row, session) for row in self.rows), session is not None

    def _refuse_twice(self, plan: Plan) -> None:
        session = self.column_of("session", plan)
        seen = [row_key(row, session) for row in self.rows]
        twice = sorted({one for one in seen if seen.count(one) > 1})
        if twice:
            what = "participant and session" if session else "participant"
            raise table_error(
                f"{len(twice)} {what} rows are there twice, {' '.join(twice[0]).strip()} first",
                "Keep one row of each and try again.",
            )


def outcome_columns(locked: LockedPlan, path: Path) -> dict[str, dict[tuple[str, str], str]]:
    """Sealed column -> {(participant, session): cell}; only for a locked plan."""
    plan = locked.plan
    _, rows = _cells(path)
    session = ParticipantsTable.read(path, plan).column_of("session", plan)
    return {
        name: {row_key(row, session): row[name] for row in rows} for name in plan.sealed_columns
    }


def row_key(row: dict[str, str], session_column: str | None) -> tuple[str, str]:
    """Participant and session ("ses-…" or "") of a row."""
    session = row[session_column] if session_column else ""
    if session.lower() in UNKNOWN:
        session = ""
    if session and not session.startswith("ses-"):
        session = f"ses-{session}"
    return row["participant_id"], session


def number(cell: str, what: str, whose: str = "") -> float:
    """A cell as a number, NaN where unknown; `whose` row it is stands in the message.

    Raises
    ------
    AppError
        ``cohort.table``.
    """
    text = cell.strip().removesuffix("%").strip()
    if text.lower() in UNKNOWN:
        return float("nan")
    try:
        value = float(text)
    except ValueError as error:
        raise table_error(
            f"'{what[:60]}'{_row_of(whose)} holds '{cell[:20]}', which is no number",
            "Correct the cell: digits with a point, or n/a.",
        ) from error
    if not np.isfinite(value):
        raise table_error(
            f"'{what[:60]}'{_row_of(whose)} holds an infinite value", "Correct the cell."
        )
    return value


def yes_or_no(cell: str, what: str, whose: str = "") -> float:
    """A label: 1, 0, or NaN where unknown; anything else is refused."""
    text = cell.strip().lower()
    if text in UNKNOWN:
        return float("nan")
    if text in YES or text in NO:
        return float(text in YES)
    raise table_error(
        f"'{what[:60]}'{_row_of(whose)} holds '{cell[:20]}', which is neither responder nor "
        "non-responder",
        "Use 1 and 0; or say in outcome.kind what the numbers are.",
    )


def _row_of(whose: str) -> str:
    return f" of {whose[:60]}" if whose else ""


def _cells(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    if not path.is_file():
        raise table_error("there is no such file", "Give the path of a participants.tsv.")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise table_error("it is larger than 64 MiB", "Give the participants table alone.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise table_error("it is not UTF-8 text", "Save it as tab-separated text.") from error
    lines = list(csv.reader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    lines = [row for row in lines if any(cell.strip() for cell in row)]
    header = tuple(cell.strip() for cell in lines[0]) if lines else ()
    if "participant_id" not in header:
        raise table_error(
            "it has no column 'participant_id'", f"Separate columns by tabs. {_there(header)}"
        )
    if len(set(header)) < len(header):
        raise table_error("it has a column twice", "Rename one of them.")
    rows = []
    for place, row in enumerate(lines[1:], start=2):
        if len(row) != len(header):
            raise table_error(
                f"row {place} has {len(row)} cells, the header {len(header)}", "Correct the row."
            )
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        name = cells["participant_id"]
        if name.lower() in UNKNOWN:
            raise table_error(f"row {place} has no participant_id", "Give the row a name.")
        cells["participant_id"] = name if name.startswith("sub-") else f"sub-{name}"
        rows.append(cells)
    return header, rows


def _there(header: Sequence[str]) -> str:
    return f"It has: {', '.join(name[:40] for name in header[:20])}."


def table_error(what: str, hint: str) -> AppError:
    """A participants table that cannot be used."""
    return AppError(f"The participants table cannot be used: {what}.", hint, code="cohort.table")


def values_of(
    cells: dict[tuple[str, str], str], keys: Sequence[tuple[str, str]], what: str, *, label: bool
) -> Floats:
    """(key,) numbers of a column, NaN where unknown."""
    read = yes_or_no if label else number
    return np.array([read(cells[key], what, " ".join(key).strip()) for key in keys], float)
