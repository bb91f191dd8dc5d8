"""The study index: which participant, which scan, which result, and where its folder lies.

Results themselves are case folders; the index can be lost without losing one. There is one
writer at a time (a lock file), every change and its audit row are one transaction, and the
journal mode is one that this SQLite engine is safe in.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.core.errors import StorageError
from app.core.folders import data_folder
from app.core.provenance import file_sha256, record_sha256
from app.core.results import Case, overrides_quality
from app.study import audit
from app.study.codec import encode
from app.study.engine import apply_pragmas, hold_lock, refuse_network_folder

SCHEMA_VERSION = 1
DATABASE_FILE = "study.sqlite"
LOCK_FILE = "study.lock"

_SCHEMA = """
CREATE TABLE participants (
    uuid TEXT PRIMARY KEY NOT NULL,
    label TEXT NOT NULL,
    created_utc TEXT NOT NULL
) STRICT;
CREATE TABLE scans (
    sha256 TEXT NOT NULL,
    participant_uuid TEXT NOT NULL REFERENCES participants (uuid),
    created_utc TEXT NOT NULL,
    PRIMARY KEY (sha256, participant_uuid)
) STRICT;
CREATE TABLE results (
    number INTEGER PRIMARY KEY,
    case_id TEXT NOT NULL,
    scan_sha256 TEXT NOT NULL,
    participant_uuid TEXT NOT NULL REFERENCES participants (uuid),
    outcome TEXT NOT NULL,
    model_id TEXT NOT NULL,
    weights_sha256 TEXT NOT NULL,
    atlas_sha256 TEXT NOT NULL,
    parameters_sha256 TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    folder TEXT NOT NULL UNIQUE,
    created_utc TEXT NOT NULL,
    FOREIGN KEY (scan_sha256, participant_uuid) REFERENCES scans (sha256, participant_uuid)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class RecentCase:
    """One line of the list of results."""

    case_id: str
    participant_uuid: str
    label: str
    scan_sha256: str
    outcome: str
    model_id: str
    folder: Path
    created_utc: str


class StudyIndex:
    """One open study index; belongs to the thread that opened it, and is the only writer."""

    def __init__(self, connection: sqlite3.Connection, read_only_reason: str = "") -> None:
        self._connection = connection
        self.read_only_reason = read_only_reason  # "" = may be written

    def participant_of_scan(self, scan_sha256: str) -> str | None:
        """UUID under which a scan of these bytes was first seen, or None."""
        found = self._connection.execute(
            "SELECT participant_uuid FROM scans WHERE sha256 = ? ORDER BY created_utc, rowid",
            (scan_sha256,),
        ).fetchone()
        return str(found[0]) if found else None

    def record(self, case: Case, folder: Path) -> tuple[str, ...]:
        """Enter a finished case; return warnings that must be shown before its number is.

        Raises
        ------
        StorageError
            The index may not or cannot be written; nothing was changed.
        """
        who, scan = case.participant, case.scan
        now = _now()
        with self._change():
            run = self._connection.execute
            run("INSERT OR IGNORE INTO participants VALUES (?, ?, ?)", (who.uuid, who.label, now))
            run("INSERT OR IGNORE INTO scans VALUES (?, ?, ?)", (scan.sha256, who.uuid, now))
            values = (*_result_values(case), _manifest_sha256(folder), str(folder.absolute()), now)
            run("DELETE FROM results WHERE folder = ?", (str(folder.absolute()),))
            run(
                "INSERT INTO results (case_id, scan_sha256, participant_uuid, outcome, model_id, "
                "weights_sha256, atlas_sha256, parameters_sha256, manifest_sha256, folder, "
                "created_utc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )
            audit.append(
                self._connection,
                "create",
                participant_uuid=who.uuid,
                what=case.case_id,
                outcome=values[3],
            )
            if overrides_quality(case):
                audit.append(
                    self._connection,
                    "override",
                    participant_uuid=who.uuid,
                    what=case.case_id,
                    outcome=_reason_code(case),
                )
        return self._warnings(scan.sha256)

    def note(self, action: str, case: Case, outcome: str = "done") -> audit.Head:
        """Add an audit row about a case (open, export); returns the head to print in exports."""
        with self._change():
            return audit.append(
                self._connection,
                action,
                participant_uuid=case.participant.uuid,
                what=case.case_id,
                outcome=outcome,
            )

    def recent_cases(self, count: int = 20) -> tuple[RecentCase, ...]:
        """Results entered last, newest first."""
        rows = self._connection.execute(
            "SELECT case_id, participant_uuid, label, scan_sha256, outcome, model_id, folder, "
            "results.created_utc FROM results JOIN participants ON uuid = participant_uuid "
            "ORDER BY number DESC LIMIT ?",
            (count,),
        )
        return tuple(
            RecentCase(name, who, label, scan, outcome, model, Path(place), when)
            for name, who, label, scan, outcome, model, place, when in rows
        )

    def verify(self, anchor: audit.Head | None = None) -> audit.Head:
        """Check the database and the audit chain; raises `StorageError` when they do not hold."""
        with _storage_errors():
            (answer,) = self._connection.execute("PRAGMA integrity_check").fetchone()
            orphans = self._connection.execute("PRAGMA foreign_key_check").fetchall()
        if answer != "ok" or orphans:
            raise _damaged()
        return audit.verify_chain(self._connection, anchor)

    def _warnings(self, scan_sha256: str) -> tuple[str, ...]:
        (count,) = self._connection.execute(
            "SELECT COUNT(*) FROM scans WHERE sha256 = ?", (scan_sha256,)
        ).fetchone()
        if count < 2:
            return ()
        return (
            f"The same scan is recorded under {count} participants. One of them is wrong: check "
            "whose scan this is.",
        )

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        """One transaction: all of it or nothing."""
        if self.read_only_reason:
            raise StorageError(
                self.read_only_reason, "The study can only be read.", code="study.index_read_only"
            )
        with _storage_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def open_index(
    folder: Path | None = None,
    *,
    lock_wait_s: float = 10.0,
    engine: tuple[int, int, int] = sqlite3.sqlite_version_info,
    check_folder: Callable[[Path], None] = refuse_network_folder,
) -> Iterator[StudyIndex]:
    """Open, or make, the study index; hold it as shortly as possible.

    Parameters
    ----------
    folder
        Where it lies; this user's data folder by default.
    lock_wait_s
        How long to wait for another writer.
    engine
        SQLite's version, which decides the journal mode.
    check_folder
        Raises `StorageError` for a folder that locks cannot be trusted in.

    Raises
    ------
    StorageError
        Another program writes, network folder, newer schema, damage, no space.
    """
    place = folder or data_folder()
    with contextlib.ExitStack() as stack:
        with _storage_errors():
            place.mkdir(parents=True, exist_ok=True)
            check_folder(place)
            stack.enter_context(hold_lock(place / LOCK_FILE, lock_wait_s))
            connection = sqlite3.connect(place / DATABASE_FILE, isolation_level=None)
            stack.callback(connection.close)
            apply_pragmas(connection, engine)
            _prepare(connection)
        try:
            audit.verify_chain(connection)
            reason = ""
        except StorageError as error:
            reason = error.message
        yield StudyIndex(connection, reason)


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise StorageError(
            "The study was written by a newer version of the program.",
            "Update the program to use it.",
            code="study.newer_schema",
        )
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} {audit.SCHEMA} "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def _result_values(case: Case) -> tuple[str, ...]:
    prediction, provenance = case.prediction, case.provenance
    model = prediction.model if prediction else None
    return (
        case.case_id,
        case.scan.sha256,
        case.participant.uuid,
        prediction.outcome.value if prediction else "none",
        model.model_id if model else "none",
        model.weights_sha256 if model else "none",
        provenance.hashes.get("atlas", "none") if provenance else "none",
        record_sha256(encode(provenance.parameters, {})) if provenance else "none",
    )


def _reason_code(case: Case) -> str:
    """Hash of the stated reason: the words stand in the case, a row holds codes only."""
    parameters = case.provenance.parameters if case.provenance else {}
    reason = str(parameters.get("override_reason", ""))
    return "reason-sha256:" + hashlib.sha256(reason.encode()).hexdigest()[:16]


def _manifest_sha256(folder: Path) -> str:
    return file_sha256(folder / "manifest.json")


@contextlib.contextmanager
def _storage_errors() -> Iterator[None]:
    from app.study.files import storage_error

    try:
        yield
    except OSError as fault:
        raise storage_error(fault) from fault
    except sqlite3.OperationalError as fault:
        raise StorageError(
            "The study index could not be used.",
            "Check free space and permissions of the data folder. Nothing was changed.",
            code="study.index_failed",
        ) from fault
    except sqlite3.DatabaseError as fault:
        raise _damaged() from fault


def _damaged() -> StorageError:
    return StorageError(
        "The study index is damaged.",
        "Restore it from a backup; the case folders are not affected.",
        code="study.index_damaged",
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
