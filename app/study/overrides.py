"""Numbers that stand against a quality verdict: always entered in the index and its audit log."""

from __future__ import annotations

from pathlib import Path

from app.core.results import Case, overrides_quality
from app.study.database import open_index


def known_participant(scan_sha256: str) -> str:
    """UUID under which a scan of these bytes was first entered, "" if it never was.

    Raises
    ------
    StorageError
        The index cannot be opened: then nothing could be logged, so nothing may be overruled.
    """
    with open_index() as index:
        return index.participant_of_scan(scan_sha256) or ""


def log_override(case: Case, folder: Path) -> tuple[str, ...]:
    """Enter a case whose verdict was overruled; any other is left alone. Returns warnings.

    Raises
    ------
    StorageError
        It could not be entered; its number must not be shown then.
    """
    if not overrides_quality(case):
        return ()
    with open_index() as index:
        return index.record(case, folder)
