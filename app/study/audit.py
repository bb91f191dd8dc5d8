"""An append-only chain of what was done: each row carries the hash of the one before.

Rows hold ids and codes, never a name or a path. A chain alone can be recomputed by anyone who
may write the database, and its end can be cut off; so the head (sequence and hash) goes into
exports, and `verify_chain` can be told which head must still be there.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from app import __version__
from app.core.errors import StorageError

ACTIONS = ("create", "open", "update", "export", "delete", "reject", "override", "sign")
START = "0" * 64

SCHEMA = """
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    utc TEXT NOT NULL,
    monotonic_s REAL NOT NULL,
    action TEXT NOT NULL,
    participant_uuid TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    app_version TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit chain is append-only'); END;
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain; (0, zeros) while it is empty."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class _Row:
    sequence: int
    utc: str
    monotonic_s: float
    action: str
    participant_uuid: str
    object: str
    outcome: str
    app_version: str
    previous: str

    def digest(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()


def append(
    connection: sqlite3.Connection,
    action: str,
    *,
    participant_uuid: str = "",
    what: str = "",
    outcome: str = "done",
) -> Head:
    """Add one row; call it inside the transaction of the change that it tells of.

    Parameters
    ----------
    connection
        With a transaction open.
    action
        One of `ACTIONS`.
    participant_uuid, what
        Ids: of the participant, and of the case or export.
    outcome
        A code such as "done" or "withheld".
    """
    if action not in ACTIONS:
        raise ValueError(f"unknown action {action!r}")
    last = head(connection)
    row = _Row(
        last.sequence + 1,
        datetime.now(UTC).isoformat(timespec="milliseconds"),
        time.monotonic(),
        action,
        participant_uuid,
        what,
        outcome,
        __version__,
        last.hash,
    )
    digest = row.digest()
    connection.execute(
        "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*asdict(row).values(), digest)
    )
    return Head(row.sequence, digest)


def head(connection: sqlite3.Connection) -> Head:
    """The last row's sequence number and hash."""
    found = connection.execute(
        "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"
    ).fetchone()
    return Head(*found) if found else Head(0, START)


def verify_chain(connection: sqlite3.Connection, anchor: Head | None = None) -> Head:
    """Recompute every hash and return the head.

    Parameters
    ----------
    connection
        Any.
    anchor
        A head that was printed earlier; it must still be part of the chain.

    Raises
    ------
    StorageError
        A row was changed, left out, put elsewhere, or the anchor is gone.
    """
    previous, sequence, anchored = START, 0, anchor is None or anchor.sequence == 0
    for *values, digest in connection.execute("SELECT * FROM audit ORDER BY sequence"):
        row = _Row(*values)
        if (row.sequence, row.previous, row.digest()) != (sequence + 1, previous, digest):
            raise _broken(f"Row {sequence + 1} does not fit.")
        previous, sequence = digest, row.sequence
        if anchor is not None and anchor == Head(sequence, previous):
            anchored = True
    if not anchored:
        raise _broken("Rows at the end are missing.")
    return Head(sequence, previous)


def _broken(what: str) -> StorageError:
    return StorageError(
        f"The audit trail of the study was changed. {what}",
        "The study can be read but not written; restore it from a backup.",
        code="study.audit_broken",
    )
