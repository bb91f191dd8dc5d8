"""A private folder for decoded volumes: owner-only, emptied at start and at exit."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from app.core.folders import private_prefix
from app.study.private_folders import clean_scratch, remove_scratch_of

__all__ = ["clean_scratch", "close_scratch", "open_scratch", "remove_scratch_of"]


def open_scratch(parent: Path | None = None) -> Path:
    """Make this process's private folder, after removing those of programs that have ended.

    The name holds a process id and random letters, nothing of a participant.
    """
    place = parent or Path(tempfile.gettempdir())
    clean_scratch(place)
    return Path(tempfile.mkdtemp(prefix=private_prefix(), dir=place))


def close_scratch(folder: Path) -> None:
    """Remove a folder made by `open_scratch` with all it holds."""
    shutil.rmtree(folder, ignore_errors=True)
