"""The participants table of OpenNeuro ds000208 (v1.0.1, CC0; Tétreault et al. 2016), defensively.

Knee osteoarthritis, not neuropathic pain. Three arms that are never pooled across time points or
treatments: placebo for 2 weeks (study 1), placebo for 3 months and duloxetine for 3 months
(study 2). The published column `Response` is exactly a VAS analgesia of 20 % or more; both are
read, and where they disagree the table is refused.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import AppError

DATASET = "OpenNeuro ds000208"
CONDITION = "Knee osteoarthritis, not neuropathic pain"
POPULATION = "adults with chronic knee osteoarthritis pain (Tétreault et al. 2016)"
THRESHOLDS_PERCENT = (20, 30, 50)
PUBLISHED_PERCENT = 20  # what the column `Response` means
UNKNOWN = {"", "n/a", "na", "nan", "none", ".", "-"}
MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Arm:
    """Treatment and time point, never pooled with another."""

    id: str
    drug: str
    study: str
    time_point: str

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.drug}, {self.time_point}"


ARMS: tuple[Arm, ...] = (
    Arm("placebo-2-weeks", "placebo", "1", "2 weeks"),
    Arm("placebo-3-months", "placebo", "2", "3 months"),
    Arm("duloxetine-3-months", "duloxetine", "2", "3 months"),
)


@dataclass(frozen=True, slots=True)
class Participant:
    """One row; None where the table says n/a."""

    label: str  # "sub-01", as the folder writes it
    patient: bool
    study: str
    sex: str  # "F", "M" or ""
    age_years: float | None
    drug: str  # lower case; "" for controls
    response: bool | None
    vas_percent: float | None  # fall of the pain score in percent of baseline; negative = worse
    womac_percent: float | None

    def arm(self) -> Arm | None:
        """Whose arm it is; None for controls."""
        for arm in ARMS:
            if self.patient and (self.drug, self.study) == (arm.drug, arm.study):
                return arm
        return None


@dataclass(frozen=True, slots=True)
class Table:
    """All rows, and what was odd but could be read."""

    people: tuple[Participant, ...]
    notes: tuple[str, ...]

    def of_arm(self, arm: Arm) -> tuple[Participant, ...]:
        """Patients of one arm, in order."""
        return tuple(one for one in self.people if one.arm() == arm)


def read_table(path: Path, folder_labels: Sequence[str] = ()) -> Table:
    """Read ``participants.tsv`` of the data set.

    Parameters
    ----------
    path
        The table.
    folder_labels
        ``sub-…`` folders beside it; a row written ``sub-7``, ``7`` or ``07`` is the folder of the
        same number, whatever its zeros.

    Raises
    ------
    AppError
        ``ds000208.table``: no such table, a column that cannot be found, a participant twice, a
        number that is none, a patient without an arm; ``ds000208.response``: the published label
        contradicts the score.
    """
    header, rows = _cells(path)
    columns = {meaning: _column(header, meaning) for meaning in _COLUMNS}
    notes = [
        f"The column '{header[columns[meaning]]}' was read as {meaning}."
        for meaning in ("VAS", "WOMAC")
        if not header[columns[meaning]].lower().startswith("% analgesia")
    ]
    known = {_number_of(label): label for label in folder_labels}
    people, seen = [], set()
    for place, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise _refused(f"row {place} has {len(row)} cells, the header {len(header)}")
        cells = {meaning: row[index].strip() for meaning, index in columns.items()}
        person = _participant(cells, place, known)
        if _number_of(person.label) in seen:
            raise _refused(f"the participant {person.label} is there twice")
        seen.add(_number_of(person.label))
        people.append(person)
    if not people:
        raise _refused("it has no rows")
    _refuse_contradictions(people)
    absent = [label for label in folder_labels if _number_of(label) not in seen]
    if absent:
        raise _refused(f"{len(absent)} scanned participants have no row, {absent[0]} first")
    unknown = [one.label for one in people if one.patient and one.vas_percent is None]
    if unknown:
        notes.append(f"{len(unknown)} patients without a VAS outcome take no part.")
    return Table(tuple(people), tuple(notes))


_COLUMNS = {
    "participant": r"participant(_?id)?",
    "type": r"type|group|diagnosis",
    "study": r"study",
    "sex": r"gender|sex",
    "age": r"age(_?years)?",
    "drug": r"drug|treatment|arm",
    "response": r"response|responder",
    "VAS": r"%?\s*anal\w*\s*vas|vas\s*%?\s*anal\w*",  # published as "% Analsesia VAS"
    "WOMAC": r"%?\s*anal\w*\s*womac|womac\s*%?\s*anal\w*",
}


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refused("it is larger than 1 MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _refused("there is no such file, or it cannot be read") from error
    except UnicodeDecodeError as error:
        raise _refused("it is not UTF-8 text") from error
    lines = [row for row in csv.reader(io.StringIO(text), delimiter="\t") if any(row)]
    if not lines:
        raise _refused("it is empty")
    return [name.strip() for name in lines[0]], lines[1:]


def _column(header: Sequence[str], meaning: str) -> int:
    pattern = re.compile(_COLUMNS[meaning], re.IGNORECASE)
    found = [place for place, name in enumerate(header) if pattern.fullmatch(name.strip())]
    if len(found) != 1:
        how = "no column" if not found else f"{len(found)} columns"
        raise _refused(f"{how} for {meaning} among: {', '.join(n[:30] for n in header[:12])}")
    return found[0]


def _number_of(label: str) -> str:
    """What is compared: digits without leading zeros, or the label itself."""
    bare = label.removeprefix("sub-")
    return str(int(bare)) if bare.isascii() and bare.isdigit() else bare


def _participant(cells: dict[str, str], place: int, folders: dict[str, str]) -> Participant:
    name = cells["participant"]
    if name.lower() in UNKNOWN:
        raise _refused(f"row {place} names no participant")
    bare = name.removeprefix("sub-")
    plain = f"sub-{bare.zfill(2)}" if bare.isascii() and bare.isdigit() else f"sub-{bare}"
    label = folders.get(_number_of(name), plain)
    kind = cells["type"].lower()
    if kind not in ("patient", "control"):
        raise _refused(f"the type of {label} is '{cells['type'][:20]}', not patient or control")
    drug = "" if cells["drug"].lower() in UNKNOWN else cells["drug"].lower()
    study = _whole(cells["study"])
    person = Participant(
        label,
        kind == "patient",
        study,
        {"f": "F", "m": "M"}.get(cells["sex"][:1].lower(), ""),
        _value(cells["age"], label, "age"),
        drug,
        _yes(cells["response"], label),
        _value(cells["VAS"], label, "VAS analgesia"),
        _value(cells["WOMAC"], label, "WOMAC analgesia"),
    )
    if person.age_years is not None and not 18 <= person.age_years <= 100:
        raise _refused(f"the age of {label} is {person.age_years:g}")
    if person.vas_percent is not None and not -1000 <= person.vas_percent <= 100:
        raise _refused(f"the VAS analgesia of {label} is {person.vas_percent:g} %")
    if person.patient and person.arm() is None:
        raise _refused(
            f"{label} took '{drug or 'n/a'}' in study '{study or 'n/a'}', which is none of the "
            f"arms {', '.join(arm.id for arm in ARMS)}"
        )
    return person


def _whole(text: str) -> str:
    """ "1" of "1", "1.0" or "study 1"; "" where unknown."""
    found = re.fullmatch(r"(?:study\s*)?(\d+)(?:\.0+)?", text.strip().lower())
    return found[1] if found else ""


def _value(text: str, label: str, what: str) -> float | None:
    if text.lower() in UNKNOWN:
        return None
    try:
        value = float(text.replace("\N{MINUS SIGN}", "-").rstrip("%").strip())
    except ValueError as error:
        raise _refused(f"the {what} of {label} is '{text[:20]}', no number") from error
    if value != value or abs(value) == float("inf"):
        raise _refused(f"the {what} of {label} is not finite")
    return value


def _yes(text: str, label: str) -> bool | None:
    if text.lower() in UNKNOWN:
        return None
    if text in ("0", "1", "0.0", "1.0"):
        return text.startswith("1")
    raise _refused(f"the response of {label} is '{text[:20]}', not 0 or 1")


def _refuse_contradictions(people: Sequence[Participant]) -> None:
    wrong = [
        one.label
        for one in people
        if one.response is not None
        and one.vas_percent is not None
        and one.response != (one.vas_percent >= PUBLISHED_PERCENT)
    ]
    if wrong:
        raise AppError(
            f"The published response contradicts a VAS analgesia of {PUBLISHED_PERCENT} % or more "
            f"in {len(wrong)} participants, {wrong[0]} first.",
            "Fetch the table again; figures across definitions mean nothing.",
            code="ds000208.response",
        )


def _refused(what: str) -> AppError:
    return AppError(
        f"The participants table of {DATASET} cannot be used: {what}.",
        "Use the table as published (version 1.0.1).",
        code="ds000208.table",
    )


def normalised_tsv(people: Sequence[Participant]) -> str:
    """The rows with plain column names and one spelling, as the cohort commands read them.

    The published response is left out: it was checked against the score, and a second column with
    the outcome would lie open where the plan seals the first.
    """

    def number(value: float | None) -> str:
        return "n/a" if value is None else f"{value:g}"

    lines = ["\t".join(("participant_id", "age", "sex", "arm", "vas_fall"))]
    for one in people:
        arm = one.arm()
        lines.append(
            "\t".join(
                (
                    one.label,
                    number(one.age_years),
                    one.sex or "n/a",
                    arm.id if arm else "n/a",
                    number(one.vas_percent),
                )
            )
        )
    return "\n".join(lines) + "\n"
