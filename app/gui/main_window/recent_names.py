"""What recent files are called in menus: each place once, and no two by the same words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

CASE_FILE = "case.json"
_FINISHED = re.compile(rb'"finished_utc":\s*"([0-9 :UTC-]{10,24})"')
_LARGEST_BYTES = 16 << 20


def recent_names(paths: Sequence[Path]) -> tuple[tuple[Path, str], ...]:
    """(path, words) of what was opened last; a case is told by its id and when it was analysed.

    Neither a participant nor a folder above a case is named: where two folders hold the same
    analysis, they are numbered, the one opened last first.
    """
    once: dict[str, Path] = {}
    for path in paths:
        once.setdefault(_place(path), path)
    kept = tuple(once.values())
    words = [_words(path) for path in kept]
    several, seen = Counter(words), Counter[str]()
    told = []
    for path, name in zip(kept, words, strict=True):
        seen[name] += 1
        copy = f", folder {seen[name]} of {several[name]}" if several[name] > 1 else ""
        told.append((path, name + copy))
    return tuple(told)


def _place(path: Path) -> str:
    """One spelling of a place, however it was reached."""
    try:
        return str(path.resolve())
    except (OSError, RuntimeError):
        return str(path.absolute())


def _words(path: Path) -> str:
    case = path / CASE_FILE
    try:
        facts = case.stat()
    except OSError:
        return path.name
    when = _analysed(case, facts.st_mtime_ns) if facts.st_size <= _LARGEST_BYTES else ""
    return f"Case {path.name[:8]}, analysed {when}" if when else f"Case {path.name}"


@lru_cache(maxsize=64)
def _analysed(case: Path, _written_ns: int) -> str:
    """When a case was analysed, as it says itself, such as "2026-11-26 16:20 UTC"; "" unknown."""
    try:
        found = _FINISHED.search(case.read_bytes())
    except OSError:
        return ""
    return found[1].decode() if found else ""
