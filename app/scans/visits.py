"""Every participant-visit of a BIDS folder and its one resting run; no image is opened.

Names alone decide, so that ten thousand scans are listed in seconds and a hostile file waits for
the process that may be killed. A visit that cannot be analysed is listed too, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.results import Finding
from app.scans.bids import KNOWN_SPACES, clean_label, entities_of, stem_of
from app.scans.dataset import functional_files
from app.scans.fmriprep import is_derivative
from app.scans.participants import (
    TABLE,
    ParticipantsTable,
    age_of,
    pain_of,
    read_participants,
    sex_of,
    text_of,
)

STATED = ("drug", "arm", "time_point", "responder_definition")  # columns that a table may have
_REST = re.compile(r"rest", re.IGNORECASE)
_OWN = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run")  # entities that make another run


@dataclass(frozen=True, slots=True)
class Visit:
    """One participant at one visit: what is to be analysed, or why nothing is."""

    key: str  # file-name safe and unique in the folder
    participant: str  # "sub-…"
    session: str = ""  # "ses-…" or ""
    run: str = ""  # entities that tell this run from others of the visit, e.g. "acq-a_run-1"
    scan_path: Path | None = None
    obstacle: str = ""  # why it cannot be analysed
    code: str = ""  # of the obstacle
    age_years: float | None = None
    sex: str | None = None
    baseline_pain: float | None = None
    site: str = ""
    stated: tuple[str, ...] = ("", "", "", "")  # what the table says of `STATED`
    in_table: bool = True  # participants.tsv has a row for it


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits of a folder in order, the units of its table, and its problems."""

    visits: tuple[Visit, ...]
    units: dict[str, str]
    findings: tuple[Finding, ...]
    columns: tuple[str, ...]  # of participants.tsv


def list_visits(
    root: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    task: str = "",
    template: str = KNOWN_SPACES[0],
) -> Visits:
    """List the visits of a dataset, raw or derivatives.

    Parameters
    ----------
    participants, sessions
        Labels with or without ``sub-`` and ``ses-``; empty = all.
    task
        Name of the task; "" = any whose name holds "rest".
    template
        Of several preprocessed versions of a run, the one in this space is taken if it is there.
    """
    table_path = root / TABLE
    table = read_participants(table_path) if table_path.is_file() else ParticipantsTable()
    wanted = {label.removeprefix("sub-") for label in participants}
    wanted_sessions = {label.removeprefix("ses-") for label in sessions}
    found: list[Visit] = []
    seen: set[str] = set()
    for person, paths in _by_person(functional_files(root)):
        seen.add(person)
        if wanted and person not in wanted:
            continue
        of_person = _visits_of(person, paths, task, template)
        found += [v for v in of_person if not wanted_sessions or _session(v) in wanted_sessions]
    listed = {row.get("participant_id", "").strip().removeprefix("sub-") for row in table.rows}
    absent = sorted(
        label for label in (listed | wanted) - seen - {""} if not wanted or label in wanted
    )
    found += [
        _nothing(label, "", "cohort.no_images", "No functional run of this participant is there.")
        for label in absent
    ]
    rows = tuple(_with_facts(visit, table) for visit in _unique(found))
    return Visits(rows, dict(table.units), table.findings, table.columns)


def _session(visit: Visit) -> str:
    return visit.session.removeprefix("ses-")


def _by_person(paths: Iterable[Path]) -> list[tuple[str, list[Path]]]:
    people: dict[str, list[Path]] = {}
    for path in paths:
        people.setdefault(_person(path), []).append(path)
    return sorted(people.items())


def _person(path: Path) -> str:
    """Label of the folder, which decides whose a file is."""
    for part in reversed(path.parts[:-1]):
        if part.startswith("sub-"):
            return part.removeprefix("sub-")
    return entities_of(stem_of(path)).get("sub", "")


def _visits_of(person: str, paths: list[Path], task: str, template: str) -> list[Visit]:
    """Runs of one person: those of one visit that differ are rows of their own."""
    runs: dict[tuple[str, ...], list[Path]] = {}
    sessions: dict[str, bool] = {}
    for path in paths:
        entities = entities_of(stem_of(path))
        session = entities.get("ses", "")
        sessions.setdefault(session, False)
        name = entities.get("task", "")
        if (name != task) if task else not _REST.search(name):
            continue
        sessions[session] = True
        runs.setdefault(tuple(entities.get(key, "") for key in _OWN), []).append(path)
    visits = [_visit(person, images, template) for _, images in sorted(runs.items())]
    what = f"no run of task {clean_label('task', task)}" if task else "no resting-state run"
    visits += [
        _nothing(person, session, "cohort.no_rest", f"The visit has {what}.")
        for session, has_run in sorted(sessions.items())
        if not has_run
    ]
    return visits


def _visit(person: str, images: list[Path], template: str) -> Visit:
    """The run in the best space of those that lie there, or why none can be used."""
    first = entities_of(stem_of(images[0]))
    label = clean_label("sub", person)
    session = clean_label("ses", first["ses"]) if "ses" in first else ""
    run = "_".join(clean_label(key, first[key]) for key in _OWN[2:] if key in first)
    key = "_".join(filter(None, (label, session, run)))
    base = Visit(key, label, session, run)
    if first.get("sub", "") != person:
        return _refused(base, "cohort.misplaced",
                        "The file's name names another participant than its folder.")  # fmt: skip
    if any("echo" in entities_of(stem_of(path)) for path in images):
        return _refused(base, "cohort.echoes",
                        "The run has several echoes; they are not combined here.")  # fmt: skip
    plain = [p for p in images if entities_of(stem_of(p)).get("part", "mag") == "mag"]
    derived = [path for path in plain if is_derivative(path)]
    if not derived:
        if len(plain) == 1:
            return _at(base, plain[0])
        return _refused(base, "cohort.several_files",
                        f"{len(plain)} files have the names of this one run.")  # fmt: skip
    ready = [p for p in derived if entities_of(stem_of(p)).get("desc") == "preproc"]
    usable = [p for p in ready if entities_of(stem_of(p)).get("space") in KNOWN_SPACES]
    if not usable:
        return _refused(base, "cohort.no_template_run",
                        "No preprocessed run lies in a template that is known here.")  # fmt: skip
    return _at(base, min(usable, key=lambda path: _preference(path, template)))


def _preference(path: Path, template: str) -> tuple[bool, int, str, str]:
    """The wanted template first, then the native resolution, then the name."""
    entities = entities_of(stem_of(path))
    space = entities["space"]
    return (space != template, KNOWN_SPACES.index(space), entities.get("res", ""), path.name)


def _at(base: Visit, path: Path) -> Visit:
    return Visit(base.key, base.participant, base.session, base.run, path)


def _refused(base: Visit, code: str, why: str) -> Visit:
    return Visit(base.key, base.participant, base.session, base.run, obstacle=why, code=code)


def _nothing(person: str, session: str, code: str, why: str) -> Visit:
    label = clean_label("sub", person)
    visit = clean_label("ses", session) if session else ""
    key = "_".join(filter(None, (label, visit)))
    return Visit(key, label, visit, obstacle=why, code=code)


def _unique(visits: list[Visit]) -> list[Visit]:
    """Keys are folder-wide names of files: a second one of a name is refused, never mixed up."""
    taken: set[str] = set()
    rows = []
    for visit in sorted(visits, key=lambda v: v.key):
        key, number = visit.key, 2
        while key.lower() in taken:
            key, number = f"{visit.key}_again{number}", number + 1
        taken.add(key.lower())
        same = key == visit.key
        rows.append(
            visit
            if same
            else Visit(key, visit.participant, visit.session, visit.run,
                       obstacle="Another visit has the same name.", code="cohort.same_name")
        )  # fmt: skip
    return rows


def _with_facts(visit: Visit, table: ParticipantsTable) -> Visit:
    """Covariates of the visit; contradicting rows give none."""
    rows = table.rows_of(visit.participant, visit.session)
    row = rows[0] if rows and all(other == rows[0] for other in rows) else {}
    return Visit(
        visit.key,
        visit.participant,
        visit.session,
        visit.run,
        visit.scan_path,
        visit.obstacle,
        visit.code,
        age_of(table, row)[0],
        sex_of(table, row)[0],
        pain_of(table, row)[0],
        text_of(row, "site"),
        tuple(text_of(row, column) for column in STATED),
        bool(rows) or not table.rows,
    )
