"""``participants.tsv`` with what ``participants.json`` says of its columns: values with units.

Read once for one scan or for a whole cohort, so that both know the same of a person. A value is
taken only where its unit is certain: years for age, 0 to 10 for pain. Stated months, weeks,
days and scales of 100 are converted, and that stands among the findings; a column whose unit is
not understood, or whose values contradict it, is not used at all. Codes of sex mean what ``Levels``
says of them. Who learns from a table under other names of columns asks the same functions.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.results import Finding, Severity

TABLE = "participants.tsv"
MISSING = frozenset({"", "n/a", "na", "nan", "none", "null", "-"})
HIGHEST_AGE_YEARS, HIGHEST_PAIN = 120.0, 10.0
_TABLE_LIMIT_BYTES = 16 << 20
_SEXES = {"f": "F", "female": "F", "m": "M", "male": "M", "o": "O", "other": "O"}
_SEX_WORDS = (("F", r"female|woman|women|girl|f"), ("M", r"male|man|men|boy|m"),
              ("O", r"other|diverse|intersex|non-?binary|o"))  # fmt: skip
_YEARS = {"year": 1.0, "yr": 1.0, "y": 1.0, "a": 1.0, "month": 1 / 12, "mo": 1 / 12,
          "week": 1 / 52.1775, "wk": 1 / 52.1775, "day": 1 / 365.25, "d": 1 / 365.25}  # fmt: skip
_OF_HUNDRED = re.compile(r"0\s*(-|–|to|\.\.+)\s*100\b|\bmm\b|percent|%", re.IGNORECASE)
_OF_TEN = re.compile(r"0\s*(-|–|to|\.\.+)\s*10\b|\bcm\b", re.IGNORECASE)
_TYPING_ERRORS = 0.05  # share of impossible values that says nothing about the column's scale
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class ParticipantsTable:
    """All rows as text by lower-case column, and how a number is made of them."""

    rows: tuple[Row, ...] = ()
    age_factor: float | None = 1.0  # to years; None = the unit is not understood
    pain_factor: float | None = 1.0  # to 0..10; None = the scale is not certain
    sex_codes: Mapping[str, str | None] = field(default_factory=lambda: dict(_SEXES))
    units: Mapping[str, str] = field(default_factory=dict)  # column -> unit as stated or assumed
    findings: tuple[Finding, ...] = ()  # of the whole table

    @property
    def columns(self) -> tuple[str, ...]:
        """Lower-case names of the columns."""
        return tuple(self.rows[0]) if self.rows else ()

    def rows_of(self, label: str, session: str = "") -> list[Row]:
        """Rows of ``sub-…``, those of the session where the table has sessions."""
        wanted = {label, label.removeprefix("sub-")}
        mine = [row for row in self.rows if row.get("participant_id", "").strip() in wanted]
        visit = session.removeprefix("ses-")
        own = [row for row in mine if row.get("session_id", "").strip() in (visit, f"ses-{visit}")]
        return own if visit and own else mine


def find_table(folders: list[Path]) -> Path | None:
    """The table of the first folder that has one."""
    return next((f / TABLE for f in folders if (f / TABLE).is_file()), None)


def read_participants(table: Path) -> ParticipantsTable:
    """Read a table and its description; whatever is wrong becomes a finding."""
    try:
        if table.stat().st_size > _TABLE_LIMIT_BYTES:
            raise ValueError("too large")
        text = table.read_text(encoding="utf-8-sig", errors="replace").replace("\0", "")
        first = text.partition("\n")[0]
        delimiter = next((mark for mark in "\t,;" if mark in first), "\t")
        rows = tuple(
            {(key or "").strip().lower(): (value or "") for key, value in row.items() if key}
            for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)
        )
    except (OSError, ValueError, csv.Error):
        return ParticipantsTable(
            findings=(
                Finding(
                    "scan.participants_damaged",
                    Severity.WARNING,
                    "participants.tsv cannot be read; age, sex and pain are unknown.",
                ),
            )
        )
    described = description_of(table)
    age, age_words, age_findings = age_unit(described)
    pains = [row.get("baseline_pain", "") for row in rows]
    pain, pain_words, pain_findings = pain_unit(described, pains)
    return ParticipantsTable(
        rows,
        age,
        pain,
        sex_codes(described),
        {"age": age_words, "baseline_pain": pain_words},
        (*_id_findings(rows), *age_findings, *pain_findings),
    )


def sex_of(table: ParticipantsTable, row: Row) -> tuple[str | None, list[Finding]]:
    """ "F", "M", "O" or None."""
    text = row.get("sex", "").strip().lower()
    sex = table.sex_codes.get(text)
    return sex, [_odd("sex")] if sex is None and text not in MISSING else []


def age_of(table: ParticipantsTable, row: Row) -> tuple[float | None, list[Finding]]:
    """Age in years, or None."""
    return _number(row, "age", table.age_factor, HIGHEST_AGE_YEARS)


def pain_of(table: ParticipantsTable, row: Row) -> tuple[float | None, list[Finding]]:
    """Pain before treatment, 0 to 10, or None."""
    return _number(row, "baseline_pain", table.pain_factor, HIGHEST_PAIN)


def text_of(row: Row, column: str, limit: int = 64) -> str:
    """A short text of letters, digits and plain marks; "" where it is missing."""
    text = re.sub(r"[^\w .,;:%()<>=+-]", "", row.get(column, "")).strip()[:limit]
    return "" if text.lower() in MISSING else text


def _number(
    row: Row, column: str, factor: float | None, highest: float
) -> tuple[float | None, list[Finding]]:
    text = row.get(column, "").strip()
    if text.lower() in MISSING or factor is None:
        return None, []
    try:
        value = float(text) * factor
    except ValueError:
        return None, [_odd(column)]
    return (value, []) if 0.0 <= value <= highest else (None, [_odd(column)])


def description_of(table: Path) -> Mapping[str, Any]:
    """What ``participants.json`` beside a table says, by lower-case column; {} without one."""
    path = table.with_suffix(".json")
    try:
        if path.stat().st_size > _TABLE_LIMIT_BYTES:
            return {}
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(key).lower(): value for key, value in content.items() if isinstance(value, dict)}


def sex_codes(described: Mapping[str, Any], column: str = "sex") -> Mapping[str, str | None]:
    """Lower-case code -> "F", "M", "O", or None where ``Levels`` is not understood."""
    levels = described.get(column.lower(), {}).get("Levels")
    codes: dict[str, str | None] = dict(_SEXES)
    for code, about in levels.items() if isinstance(levels, dict) else ():
        words = " ".join(map(str, about.values())) if isinstance(about, dict) else str(about)
        meant = [
            sex
            for sex, pattern in _SEX_WORDS
            if re.search(rf"\b(?:{pattern})\b", words[:200], re.IGNORECASE)
        ]
        codes[str(code).strip().lower()] = meant[0] if len(meant) == 1 else None
    return codes


def age_unit(
    described: Mapping[str, Any], column: str = "age"
) -> tuple[float | None, str, list[Finding]]:
    """Factor to years, None where the unit is not understood; words; findings."""
    stated = str(described.get(column.lower(), {}).get("Units", "")).strip()[:32]
    if not stated:
        return 1.0, "years (as BIDS has it)", []
    factor = _YEARS.get(stated.lower()) or _YEARS.get(stated.lower().rstrip("s"))
    if factor is None:
        return None, "not understood", [_unit_finding(column, "The unit of the column")]
    if factor == 1.0:
        return 1.0, "years", []
    return (
        factor,
        f"years, from {stated.lower()}",
        [_converted(column, f"{stated.lower()} to years")],
    )


def stated_pain_factor(
    described: Mapping[str, Any], column: str = "baseline_pain"
) -> tuple[float | None, bool]:
    """Factor to 0..10 as ``participants.json`` states it, and whether it says anything of it."""
    about = described.get(column.lower(), {})
    words = " ".join(str(about.get(key, "")) for key in ("Units", "Description"))[:2000]
    return pain_factor(words, _plain(about.get("Maximum")))


def pain_factor(words: str, top: float | None) -> tuple[float | None, bool]:
    """Factor to 0..10 of a scale by its highest value or its words; False where they say none."""
    if top == 100.0 or (top is None and _OF_HUNDRED.search(words)):
        return 0.1, True
    if top not in (None, HIGHEST_PAIN):
        return None, True
    if top == HIGHEST_PAIN or _OF_TEN.search(words):
        return 1.0, True
    return None, False


def pain_unit(
    described: Mapping[str, Any], cells: Iterable[str], column: str = "baseline_pain"
) -> tuple[float | None, str, list[Finding]]:
    """Factor to 0..10 of a column: as stated, or 1 where no cell contradicts it; words; findings.

    None where the scale is not certain.
    """
    factor, stated = stated_pain_factor(described, column)
    values = [one for one in map(_plain, cells) if one is not None]
    unsure = None, "not certain", [_unit_finding(column, "The scale of the column")]
    if factor == 1.0:
        return 1.0, "0 to 10", []
    if factor is not None:
        return factor, "0 to 10, from 0 to 100", [_converted(column, "0-100 to 0-10")]
    if stated:
        return unsure
    above = sum(value > HIGHEST_PAIN for value in values)
    if len(values) > 1 and above > _TYPING_ERRORS * len(values):
        return unsure
    return 1.0, "0 to 10 (assumed, no value contradicts it)", []


def _plain(value: object) -> float | None:
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _id_findings(rows: tuple[Row, ...]) -> list[Finding]:
    """Ids that are missing, or that two different rows have."""
    if rows and "participant_id" not in rows[0]:
        return [
            Finding(
                "scan.participants_no_id",
                Severity.WARNING,
                "participants.tsv has no column participant_id; nothing of it is used.",
                "Name the column of the participants' labels participant_id.",
            )
        ]
    findings = []
    nameless = sum(not row.get("participant_id", "").strip() for row in rows)
    if nameless:
        findings.append(
            Finding(
                "scan.participants_nameless",
                Severity.WARNING,
                f"{nameless} rows of participants.tsv have no participant_id; they are not used.",
            )
        )
    distinct = {tuple(sorted(row.items())) for row in rows}
    keys = Counter(
        (dict(row).get("participant_id", "").strip().removeprefix("sub-"),
         dict(row).get("session_id", "").strip().removeprefix("ses-"))
        for row in distinct
    )  # fmt: skip
    twice = sorted(f"sub-{label}" for (label, _), count in keys.items() if label and count > 1)
    if twice:
        more = f" and {len(twice) - 5} more" if len(twice) > 5 else ""
        findings.append(
            Finding(
                "scan.participants_duplicate",
                Severity.WARNING,
                f"participants.tsv has different rows for the same participant and visit "
                f"({', '.join(twice[:5])}{more}); none of them is used.",
                "Keep one row for each, or name the visits in a column session_id.",
            )
        )
    return findings


def _unit_finding(column: str, what: str) -> Finding:
    return Finding(
        "scan.participants_unit",
        Severity.WARNING,
        f"{what} {column} in participants.tsv is not certain; it is not used.",
        f"State it under Units of {column} in participants.json.",
    )


def _converted(column: str, how: str) -> Finding:
    return Finding(
        "scan.participants_converted",
        Severity.NOTE,
        f"The column {column} of participants.tsv was converted from {how}.",
    )


def _odd(column: str) -> Finding:
    return Finding(
        "scan.participants_odd_value",
        Severity.WARNING,
        f"The participant's {column} in participants.tsv is not a possible value; it is not used.",
    )
