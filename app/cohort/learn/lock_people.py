"""Who was there when a plan was locked: recorded without a name, compared ever after.

The lock holds a count and one digest over everybody. ``private/`` holds the salt and one salted
hash a person and a visit: enough to count who is missing, not to read who it was. People who
leave or come after the lock may do so for their outcome's sake, so each difference is told.
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
WHAT = "participants"
NOT_IN_TABLE = "not in the table"


@dataclass(frozen=True, slots=True)
class TakingPart:
    """Who takes part now, and why others do not; nobody's outcome is known yet."""

    visits: tuple[tuple[str, str], ...]  # (participant, session) of each scan
    reasons: Mapping[str, str]  # participant -> why not

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
    hashes = sorted(
        [_hash(salt, person), _hash(salt, person, session)] for person, session in people.visits
    )
    record = json.dumps({"salt": salt, "participants": hashes}, indent=1) + "\n"
    place = folder / PRIVATE
    with storage_errors():
        place.mkdir(mode=0o700, exist_ok=True)
        partial = place / f".{PEOPLE_FILE}.partial"
        partial.unlink(missing_ok=True)
        write_file(partial, record.encode())
        partial.replace(place / PEOPLE_FILE)
    return {"count": len(people), "noun": people.noun, "sha256": record_sha256([salt, hashes])}


def people_difference(
    held: Mapping[str, Any], people: TakingPart, folder: Path
) -> tuple[str, str, str] | None:
    """Planned, done and reason where others take part than at the lock; None where nobody else.

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
        return planned, done, (
            "the private record of who was there at the lock is gone: that they are the same "
            f"cannot be shown; {len(people) - count:+d} in number"
        )  # fmt: skip
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        salt, hashes = str(record["salt"]), [list(one) for one in record["participants"]]
        whole = record_sha256([salt, hashes]) == held["sha256"]
        before = Counter((str(person), str(visit)) for person, visit in hashes)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _edited() from error
    if not whole:
        raise _edited()
    now = Counter(
        (_hash(salt, person), _hash(salt, person, session)) for person, session in people.visits
    )
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
    return planned, done, (
        f"{counted(len(missing), noun)} who {were} there at the lock {are} missing"
        + (f" ({words})" if words else "")
        + f", {added} added after it"
    )  # fmt: skip


def _hash(salt: str, *names: str) -> str:
    return hashlib.sha256("\0".join((salt, *names)).encode()).hexdigest()


def _edited() -> AppError:
    return AppError(
        f"The record of who was there at the lock was edited: {PRIVATE}/{PEOPLE_FILE}.",
        "Put it back as it was, or use a new result folder and say why.",
        code="cohort.lock",
    )
