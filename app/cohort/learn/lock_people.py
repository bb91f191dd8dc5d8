"""Who was there when a plan was locked: recorded without a name, compared ever after.

The lock holds a count and one digest over everybody. ``private/`` holds the salt and one salted
hash a person, a visit and a visit's prepared data: enough to count who is missing and whose data
were replaced, not to read who it was. People who leave or come after the lock may do so for their
outcome's sake, and so may a scan that is prepared anew: each difference is told.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.provenance import record_sha256
from app.core.wording import counted
from app.study.files import storage_errors, write_file

PRIVATE = "private"
PEOPLE_FILE = "participants.lock.json"
WHAT, DATA = "participants", "prepared data"
NOT_IN_TABLE = "not in the table"


@dataclass(frozen=True, slots=True)
class TakingPart:
    """Who takes part now, and why others do not; nobody's outcome is known yet."""

    visits: tuple[tuple[str, str], ...]  # (participant, session) of each scan
    reasons: Mapping[str, str]  # participant -> why not
    contents: tuple[str, ...]  # hash of each visit's prepared data

    @property
    def noun(self) -> str:
        """What is counted: people, or visits where somebody has several."""
        return "participant" if len({one for one, _ in self.visits}) == len(self) else "visit"

    def __len__(self) -> int:
        return len(self.visits)


def record_people(people: TakingPart, folder: Path) -> dict[str, Any]:
    """Write the private record; return what the lock itself holds.

    Raises
    ------
    StorageError
        When it cannot be written.
    """
    salt = secrets.token_hex(16)
    hashes = sorted(_rows(salt, people))
    record = json.dumps({"salt": salt, "participants": hashes}, indent=1) + "\n"
    place = folder / PRIVATE
    with storage_errors():
        place.mkdir(mode=0o700, exist_ok=True)
        partial = place / f".{PEOPLE_FILE}.partial"
        partial.unlink(missing_ok=True)
        write_file(partial, record.encode())
        partial.replace(place / PEOPLE_FILE)
    return {"count": len(people), "noun": people.noun, "sha256": record_sha256([salt, hashes])}


def people_differences(
    held: Mapping[str, Any], people: TakingPart, folder: Path
) -> list[tuple[str, str, str, str]]:
    """What, planned, done and reason of each difference to the lock; [] where there is none.

    Parameters
    ----------
    held
        What `record_people` gave the lock.
    people
        Who takes part now.
    folder
        Of the lock.

    Raises
    ------
    AppError
        ``cohort.lock`` when the private record was edited.
    """
    count, noun = int(held["count"]), str(held["noun"])
    planned = counted(count, noun)
    done = counted(len(people), people.noun)
    path = folder / PRIVATE / PEOPLE_FILE
    if not path.is_file():
        return [(WHAT, planned, done, (
            "the private record of who was there at the lock is gone: that they are the same, "
            f"with the same data, cannot be shown; {len(people) - count:+d} in number"
        ))]  # fmt: skip
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        salt, hashes = str(record["salt"]), [list(map(str, one)) for one in record["participants"]]
        whole = record_sha256([salt, hashes]) == held["sha256"]
        before = Counter((one[0], one[1]) for one in hashes)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _edited() from error
    if not whole:
        raise _edited()
    rows = _rows(salt, people)
    other = _others(before, Counter((one[0], one[1]) for one in rows), people, salt, noun)
    found = [] if other is None else [(WHAT, planned, done, other)]
    return found + _replaced(hashes, rows)


def _rows(salt: str, people: TakingPart) -> list[list[str]]:
    """Salted hashes of person, visit and prepared data, one row a visit."""
    return [
        [_hash(salt, person), _hash(salt, person, session), _hash(salt, person, session, content)]
        for (person, session), content in zip(people.visits, people.contents, strict=True)
    ]


def _others(
    before: Counter[tuple[str, str]],
    now: Counter[tuple[str, str]],
    people: TakingPart,
    salt: str,
    noun: str,
) -> str | None:
    """Who is missing and who came, counted; None where nobody is and did."""
    missing, added = list((before - now).elements()), (now - before).total()
    if not missing and not added:
        return None
    why = {_hash(salt, person): reason for person, reason in people.reasons.items()}
    still = {person for person, _ in now}
    told = Counter(
        why.get(person, "visit without a prepared scan" if person in still else NOT_IN_TABLE)
        for person, _ in missing
    )
    words = ", ".join(f"{number} {reason}" for reason, number in sorted(told.items()))
    were = "was" if len(missing) == 1 else "were"
    are = "is" if len(missing) == 1 else "are"
    return (
        f"{counted(len(missing), noun)} who {were} there at the lock {are} missing"
        + (f" ({words})" if words else "")
        + f", {added} added after it"
    )


def _replaced(hashes: list[list[str]], rows: list[list[str]]) -> list[tuple[str, str, str, str]]:
    """Whose prepared data are others than at the lock, counted as people."""
    if any(len(one) < 3 for one in hashes):  # locked by a version that did not record it
        reason = "the lock does not record the data: that they are the same cannot be shown"
        return [(DATA, "not recorded", "as they are now", reason)]
    before = {visit: content for _, visit, content in hashes}
    changed = {person for person, visit, content in rows if before.get(visit, content) != content}
    if not changed:
        return []
    count = len(changed)
    who = "1 person's" if count == 1 else f"{count} people's"
    return [(DATA, "as at the lock", f"changed for {counted(count, 'person', 'people')}",
             f"{who} prepared data changed after the lock")]  # fmt: skip


def _hash(salt: str, *names: str) -> str:
    return hashlib.sha256("\0".join((salt, *names)).encode()).hexdigest()


def _edited() -> AppError:
    return AppError(
        f"The record of who was there at the lock was edited: {PRIVATE}/{PEOPLE_FILE}.",
        "Put it back as it was, or use a new result folder and say why.",
        code="cohort.lock",
    )
