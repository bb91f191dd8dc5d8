"""A private folder for decoded volumes: owner-only, emptied at start and at exit."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from app.core.folders import private_prefix

_NAME = re.compile(r"neuroresponder-(?P<pid>\d+)-[a-z0-9_]+")


def open_scratch(parent: Path | None = None) -> Path:
    """Make this process's private folder, after removing those of programs that have ended.

    The name holds a process id and random letters, nothing of a participant.
    """
    place = parent or Path(tempfile.gettempdir())
    clean_scratch(place)
    return Path(tempfile.mkdtemp(prefix=private_prefix(), dir=place))


def clean_scratch(parent: Path | None = None) -> int:
    """Remove folders of this user whose program has ended; return how many."""
    import psutil

    removed = 0
    for folder in (parent or Path(tempfile.gettempdir())).iterdir():
        match = _NAME.fullmatch(folder.name)
        if match is None or folder.is_symlink() or not _is_mine(folder):
            continue
        if not psutil.pid_exists(int(match["pid"])):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def remove_scratch_of(pid: int, parent: Path | None = None) -> int:
    """Remove the folders of one process of this user that has ended; return how many."""
    removed = 0
    for folder in (parent or Path(tempfile.gettempdir())).glob(f"neuroresponder-{pid}-*"):
        if _NAME.fullmatch(folder.name) and not folder.is_symlink() and _is_mine(folder):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def close_scratch(folder: Path) -> None:
    """Remove a folder made by `open_scratch` with all it holds."""
    shutil.rmtree(folder, ignore_errors=True)


def _is_mine(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
