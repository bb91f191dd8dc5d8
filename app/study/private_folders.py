"""Private folders with voxels that a killed process left behind: found by its number, removed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_NAME = re.compile(r"neuroresponder-(?P<pid>\d+)-[a-z0-9_]+")


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


def _is_mine(folder: Path) -> bool:
    try:
        return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:  # another program that cleans up was faster
        return False
