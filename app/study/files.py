"""Writing that either happens completely or leaves no trace.

A folder is filled beside its place under a ``.tmp-`` name, every file is written in full and
synced, and one rename makes it visible. Errors of the operating system become
`StorageError` with what to do about it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import platform
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from app.core.errors import StorageError

NOTHING_CHANGED = " Nothing was changed."
STALE_AFTER_S = 24 * 3600.0
_TEMPORARY = re.compile(
    r"\.(tmp|old)-(?P<name>.+?)(-(?P<place>[0-9a-f]{8})\.(?P<pid>\d+))?-[0-9a-f]{12}"
)
_PIECE_BYTES = 1 << 20
_RENAME_EXCHANGE = 2  # linux/fs.h
_AT_FDCWD = -100

_REASONS = {
    errno.ENOSPC: ("study.no_space", "There is no space left.", "Free some disk space."),
    errno.EDQUOT: ("study.no_space", "The disk quota is used up.", "Free some disk space."),
    errno.EFBIG: ("study.no_space", "A file may not grow as large as needed.", "Raise the limit."),
    errno.EROFS: ("study.read_only", "The output folder is read-only.", "Choose another folder."),
    errno.EACCES: (
        "study.no_permission",
        "This program may not write to the output folder.",
        "Choose another folder or change its permissions.",
    ),
    errno.EPERM: (
        "study.no_permission",
        "This program may not write to the output folder.",
        "Choose another folder or change its permissions.",
    ),
    errno.ENOTDIR: (
        "study.not_a_folder",
        "The output place is not a folder.",
        "Choose another folder.",
    ),
}


def storage_error(fault: OSError) -> StorageError:
    """What an error of the operating system means to the user; it names no path."""
    code, message, hint = _REASONS.get(
        fault.errno or 0,
        (
            "study.write_failed",
            f"The result could not be written ({errno.errorcode.get(fault.errno or 0, 'EIO')}).",
            "Check the disk, then try again.",
        ),
    )
    return StorageError(message, f"{hint}{NOTHING_CHANGED}", code=code)


@contextlib.contextmanager
def storage_errors() -> Iterator[None]:
    """Turn every `OSError` of the block into a `StorageError`."""
    try:
        yield
    except OSError as fault:
        raise storage_error(fault) from fault


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; a short count is continued, no progress at all is ``ENOSPC``."""
    rest = memoryview(data).cast("B")
    while len(rest):
        count = os.write(descriptor, rest[: 64 * _PIECE_BYTES])
        if count <= 0:
            raise OSError(errno.ENOSPC, "write made no progress")
        rest = rest[count:]


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Create a new file with `data` and sync it; the file must not exist."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _binary(), 0o666)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_file(source: Path, path: Path) -> None:
    """Copy `source` into the new file `path` in pieces of 1 MiB and sync it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _binary(), 0o666)
    try:
        with source.open("rb") as handle:
            while piece := handle.read(_PIECE_BYTES):
                write_all(descriptor, piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_or_copy(source: Path, path: Path) -> None:
    """Give an unchanged file a second name; where that is not possible, copy it."""
    try:
        os.link(source, path)
    except OSError:
        copy_file(source, path)


def replace_file(path: Path, data: bytes) -> None:
    """Replace one file's content: the old content stays whole until the new one is.

    Raises
    ------
    StorageError
        The old content is intact and nothing is left over.
    """
    temporary = _hidden_sibling(path)
    with storage_errors():
        try:
            write_file(temporary, data)
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def check_writable(folder: Path) -> None:
    """Prove that files can be made in `folder`, before work is done whose answer goes there.

    A folder that is not there yet is not made: its nearest existing parent is tried.

    Raises
    ------
    StorageError
        Read-only, no permission, no space, or not a folder.
    """
    with storage_errors():
        place = folder
        while not place.exists() and place != place.parent:
            place = place.parent
        probe = _hidden_sibling(place / "probe")
        try:
            write_file(probe, b"0")
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` last through a power cut (POSIX; elsewhere nothing is done)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def temporary_sibling(target: Path) -> Iterator[Path]:
    """A new folder beside `target` to be filled; gone afterwards unless it was renamed."""
    folder = _hidden_sibling(target)
    try:
        folder.mkdir()
        yield folder
    finally:
        # A folder that cannot be removed now is removed as stale by a later start.
        shutil.rmtree(folder, ignore_errors=True)


def sync_tree(folder: Path) -> None:
    """Sync `folder` and every folder below it."""
    for place, _folders, _files in os.walk(folder):
        sync_folder(Path(place))


def publish(temporary: Path, target: Path) -> bool:
    """Rename a filled folder to its place; False when somebody else was first."""
    sync_tree(temporary)
    try:
        os.rename(temporary, target)
    except OSError as fault:
        if target.is_dir() and fault.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES):
            return False
        raise
    sync_folder(target.parent)
    return True


def swap(temporary: Path, target: Path) -> None:
    """Put a filled folder, made by `temporary_sibling`, in the place of an existing one.

    Linux exchanges both names in one step. Elsewhere the old folder is first renamed to an
    ``.old-`` name, from which `recover` restores it if the program dies in between.
    """
    sync_tree(temporary)
    if _exchange(temporary, target):
        sync_folder(target.parent)
        return  # the old folder now has the temporary name and goes with it
    old = _hidden_sibling(target, "old")
    os.rename(target, old)
    try:
        os.rename(temporary, target)
    except BaseException:
        os.rename(old, target)
        raise
    try:
        sync_folder(target.parent)
    finally:
        shutil.rmtree(old, ignore_errors=True)


def recover(parent: Path, *, now_s: float | None = None) -> tuple[str, ...]:
    """Clean up after a killed program; return the names of folders that were restored.

    An ``.old-`` folder whose place is empty is put back. Temporary entries of a program that
    has ended on this machine are removed, and of any other once they are 24 hours old: younger
    ones may belong to a program that is running, perhaps elsewhere on a shared disk.
    """
    now = time.time() if now_s is None else now_s
    restored: list[str] = []
    for entry in sorted(parent.iterdir()) if parent.is_dir() else []:
        match = _TEMPORARY.fullmatch(entry.name)
        if match is None or entry.is_symlink():
            continue
        target = parent / match["name"]
        if entry.name.startswith(".old-") and not target.exists():
            os.rename(entry, target)
            restored.append(target.name)
        elif _owner_ended(match) or _age_s(entry, now) > STALE_AFTER_S:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
    return tuple(restored)


def _age_s(entry: Path, now: float) -> float:
    try:
        return now - entry.stat().st_mtime
    except FileNotFoundError:  # its owner was faster
        return 0.0


def _hidden_sibling(target: Path, kind: str = "tmp") -> Path:
    """A new name beside `target` that says whose it is: machine, process, random digits."""
    owner = f"{_this_machine()}.{os.getpid()}"
    return target.with_name(f".{kind}-{target.name}-{owner}-{uuid.uuid4().hex[:12]}")


def _owner_ended(match: re.Match[str]) -> bool:
    """Whether an entry's program ran on this machine and runs no more."""
    import psutil

    if match["place"] != _this_machine():
        return False
    return not psutil.pid_exists(int(match["pid"]))


@lru_cache(maxsize=1)
def _this_machine() -> str:
    """Where a process id means something: this host, and on Linux its process namespace."""
    space = Path("/proc/self/ns/pid")
    inner = os.readlink(space) if space.exists() else ""
    return hashlib.sha256(f"{platform.node()} {inner}".encode()).hexdigest()[:8]


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two names atomically; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    done = renameat2(
        _AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE
    )
    return bool(done == 0)


def _binary() -> int:
    return int(getattr(os, "O_BINARY", 0))
