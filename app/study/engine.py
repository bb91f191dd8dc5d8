"""What must hold before SQLite is trusted: a safe journal, one writer, a local folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.core.errors import StorageError

NETWORK_FILE_SYSTEMS = frozenset(
    ("nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afpfs", "webdav", "davfs",
     "fuse.sshfs", "fuse.davfs2", "ncpfs", "glusterfs", "fuse.glusterfs", "ceph", "lustre")
)  # fmt: skip
BUSY_WAIT_MS = 5000
_SYNCHRONOUS = {"FULL": 2, "EXTRA": 3}


def journal_plan(engine: tuple[int, int, int]) -> tuple[str, str]:
    """Journal mode and level of `synchronous` for a version of SQLite.

    WAL is used only where the WAL-reset corruption (3.7.0 to 3.51.2; sqlite.org/wal.html) is
    mended: 3.51.3, and the backports 3.50.7 and 3.44.6.
    """
    safe = (
        engine >= (3, 51, 3)
        or (engine[:2] == (3, 50) and engine[2] >= 7)
        or (engine[:2] == (3, 44) and engine[2] >= 6)
    )
    return ("WAL", "FULL") if safe else ("DELETE", "EXTRA")


def apply_pragmas(connection: sqlite3.Connection, engine: tuple[int, int, int]) -> None:
    """Set journal, durability and foreign keys, and read each back.

    Raises
    ------
    StorageError
        One of them did not take.
    """
    journal, synchronous = journal_plan(engine)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_WAIT_MS}")
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")
    took = tuple(
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    )
    if took != (journal.lower(), _SYNCHRONOUS[synchronous], 1):
        raise StorageError(
            "The study index cannot be opened safely here.",
            "Choose a data folder on a local disk.",
            code="study.unsafe_engine",
        )


def refuse_network_folder(folder: Path) -> None:
    """Raise `StorageError` for a folder on a network file system, where that can be seen."""
    kind = file_system_of(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise StorageError(
            f"The study folder lies on a network file system ({kind}).",
            "File locks cannot be trusted there: choose a folder on a local disk.",
            code="study.network_folder",
        )


def file_system_of(folder: Path) -> str:
    """Kind of the file system that holds `folder`, lower case; "" when unknown."""
    import psutil

    place = folder.resolve()
    best, kind = "", ""
    for part in psutil.disk_partitions(all=True):
        mount = Path(part.mountpoint)
        if (place == mount or mount in place.parents) and len(part.mountpoint) >= len(best):
            best, kind = part.mountpoint, part.fstype.lower()
            if sys.platform == "win32" and "remote" in part.opts:
                kind = "smb"
    return kind


@contextlib.contextmanager
def hold_lock(path: Path, wait_s: float) -> Iterator[None]:
    """Be the only writer; the file names who is. A program that dies gives the lock back.

    Raises
    ------
    StorageError
        Another program kept it for `wait_s` seconds.
    """
    with path.open("a+b") as handle:
        deadline = time.monotonic() + wait_s
        while not _try_lock(handle.fileno()):
            if time.monotonic() >= deadline:
                raise StorageError(
                    "Another program is writing to the study.",
                    "Close it, or try again in a moment.",
                    code="study.busy",
                )
            time.sleep(0.05)
        try:
            handle.truncate(0)
            owner = {"pid": os.getpid(), "host": socket.gethostname(), "since_s": time.time()}
            handle.write(json.dumps(owner).encode())
            handle.flush()
            yield
        finally:
            _unlock(handle.fileno())


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 30, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)
