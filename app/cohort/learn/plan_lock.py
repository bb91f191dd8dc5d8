"""Locking a plan: its hash is on disk before any outcome may be read, and stays there.

The lock is one file in the result folder. A later run in the same folder with another plan is
allowed and is told as a deviation: the first lock is never replaced. The lock is an honest
person's record, not a proof against a dishonest one; registering the hash elsewhere is.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cohort.learn.lock_people import WHAT, TakingPart, people_differences, record_people
from app.cohort.learn.plan import Plan, parse_plan, plan_toml
from app.core.errors import AppError
from app.core.provenance import file_sha256
from app.core.wording import counted
from app.study.files import storage_errors, write_file

LOCK_FILE = "plan.lock.json"
PLAN_FILE = "plan.toml"
MADE_AFTER_LOCK = ("evaluation.json", "private/folds")


@dataclass(frozen=True, slots=True)
class Deviation:
    """Where the analysis differs from its locked plan."""

    what: str  # field of the plan, or a word for what happened
    planned: str
    done: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LockedPlan:
    """A plan whose hash is recorded. Made by `lock_plan` alone; labels ask for one."""

    plan: Plan
    sha256: str
    locked_utc: str
    table_sha256: str  # of participants.tsv as it was when the plan was locked
    folder: Path
    deviations: tuple[Deviation, ...] = ()


def lock_plan(
    plan: Plan, table: Path, folder: Path, people: TakingPart | None = None
) -> LockedPlan:
    """Record the plan's hash; or recognise the record that is there.

    Parameters
    ----------
    plan
        Complete.
    table
        The participants table; its hash is recorded, its content is not looked at.
    folder
        Result folder, made if absent.
    people
        Who is to take part: recorded with a new lock, compared with an earlier one. None where
        nothing is analysed, as for a look at outcomes.

    Raises
    ------
    AppError
        ``cohort.lock`` when the record there is damaged.
    StorageError
        When it cannot be written.
    """
    with storage_errors():
        folder.mkdir(parents=True, exist_ok=True)
    path, sha256, table_sha256 = folder / LOCK_FILE, plan.sha256, file_sha256(table)
    if path.exists():
        return _recognised(plan, table, table_sha256, folder, people)
    if any((folder / name).exists() for name in MADE_AFTER_LOCK):
        raise AppError(
            "The result folder holds what was made under a locked plan, but the lock is gone.",
            "Put plan.lock.json back, or use a new result folder and say why.",
            code="cohort.lock",
        )
    record: dict[str, Any] = {
        "plan_sha256": sha256,
        "locked_utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "table_sha256": table_sha256,
        "description_sha256": _sha256_beside(table),
        "primary_outcome": plan.primary,
        "plan": plan.model_dump(mode="json"),
    }
    if people is not None:
        record["participants"] = record_people(people, folder)
    with storage_errors():
        if not (folder / PLAN_FILE).exists():
            write_file(folder / PLAN_FILE, plan_toml(plan).encode())
        partial = folder / f".{LOCK_FILE}.partial"
        partial.unlink(missing_ok=True)
        write_file(partial, (json.dumps(record, indent=2, sort_keys=True) + "\n").encode())
        partial.replace(path)
    return LockedPlan(plan, sha256, str(record["locked_utc"]), table_sha256, folder)


def _sha256_beside(table: Path) -> str:
    """Of participants.json, which tells units and codes; "" without one."""
    path = table.with_suffix(".json")
    return file_sha256(path) if path.is_file() else ""


def _recognised(
    plan: Plan, table: Path, table_sha256: str, folder: Path, people: TakingPart | None
) -> LockedPlan:
    try:
        record: dict[str, Any] = json.loads((folder / LOCK_FILE).read_text(encoding="utf-8"))
        first = parse_plan(record["plan"])
        locked_utc = str(record["locked_utc"])
        recorded, first_table = str(record["plan_sha256"]), str(record["table_sha256"])
        described = record.get("description_sha256")  # None: an earlier version locked
        held = record.get("participants")
        if held is not None:
            int(held["count"]), str(held["noun"]), str(held["sha256"])
    except (OSError, ValueError, KeyError, TypeError, AppError) as error:
        raise AppError(
            "The record of the locked plan is damaged.",
            "Use a new result folder; say in your report why.",
            code="cohort.lock",
        ) from error
    if first.sha256 != recorded:
        raise AppError(
            "The plan's lock was edited: the recorded plan does not have the recorded hash.",
            "Put plan.lock.json back as it was, or use a new result folder and say why.",
            code="cohort.lock",
        )
    found = list(_differences(first, plan))
    if first_table != table_sha256:
        found.append(_changed("participants.tsv", first_table, table_sha256, "the table was"))
    if described is not None and described != (now := _sha256_beside(table)):
        found.append(_changed("participants.json", described, now, "units and codes were"))
    if people is not None:
        found += _other_people(held, people, folder)
    return LockedPlan(plan, recorded, locked_utc, first_table, folder, tuple(found))


def _changed(name: str, first: str, now: str, what: str) -> Deviation:
    one, other = (f"SHA-256 {text[:12]}" if text else "no such file" for text in (first, now))
    return Deviation(name, one, other, f"{what} changed after the plan was locked")


def _other_people(held: dict[str, Any] | None, people: TakingPart, folder: Path) -> list[Deviation]:
    if held is None:  # locked by a version that did not record it
        return [
            Deviation(WHAT, "not recorded", counted(len(people), people.noun),
                      "the lock does not record who was there: that nobody left or came since, and "
                      "that the data are the same, cannot be shown")
        ]  # fmt: skip
    return [Deviation(*one) for one in people_differences(held, people, folder)]


def _differences(first: Plan, now: Plan) -> list[Deviation]:
    one, other = _flat(first.model_dump(mode="json")), _flat(now.model_dump(mode="json"))
    return [
        Deviation(name, str(one.get(name, "none")), str(other.get(name, "none")),
                  "the plan was changed after it was locked")
        for name in sorted(set(one) | set(other))
        if one.get(name) != other.get(name)
    ]  # fmt: skip


def _flat(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        found |= _flat(value, name) if isinstance(value, dict) else {name: value}
    return found
