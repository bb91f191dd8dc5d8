"""Which files of a folder may be opened at all: regular ones inside it, within limits."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.core.results import Finding, Severity
from app.scans.faults import Fault

MAXIMUM_FILES = 100_000
MAXIMUM_DEPTH = 12
MAXIMUM_FILE_BYTES = 4 << 30
SMALLEST_FILE_BYTES = 132  # preamble and "DICM"
_NEVER = {"dicomdir"}  # an index of files by path: nothing that it names is followed
_NO_IMAGES = (".json", ".tsv", ".txt", ".nii", ".gz", ".pdf", ".xml", ".csv", ".html", ".md")


@dataclass(frozen=True, slots=True)
class Listing:
    """Candidates of a folder, in an order that does not depend on the disk."""

    root: Path  # resolved
    files: tuple[Path, ...]
    signature: str  # changes when a name, a size or a time changes
    findings: tuple[Finding, ...]


def list_files(root: Path, step: Callable[[float, str], None] | None = None) -> Listing:
    """Walk a folder without following any link.

    Raises
    ------
    ScanError
        ``scan.missing``, ``scan.unreadable``, ``dicom.too_many_files``.
    """
    tell = step or (lambda _fraction, _message: None)
    try:
        place = root.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise Fault(
            "scan.missing", "There is no such folder.", "Choose it again."
        ).error() from None
    found: list[tuple[Path, int, int]] = []
    links_outside = unreadable = 0
    waiting = [(place, 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            unreadable += 1
            continue
        for entry in listed:
            path = Path(entry.path)
            if entry.is_symlink():
                links_outside += not _inside(path, place)
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                unreadable += 1
                continue
            if stat.S_ISDIR(status.st_mode):
                if depth < MAXIMUM_DEPTH:
                    waiting.append((path, depth + 1))
            elif stat.S_ISREG(status.st_mode) and _may_be_dicom(entry.name, status.st_size):
                found.append((path, status.st_size, status.st_mtime_ns))
                if len(found) > MAXIMUM_FILES:
                    raise Fault(
                        "dicom.too_many_files",
                        f"The folder holds more than {MAXIMUM_FILES:,} files.",
                        "Choose the folder of one examination.",
                    ).error()
        tell(0.0, f"{len(found)} files")
    if unreadable and not found:
        raise Fault(
            "scan.unreadable", "The folder cannot be read.", "Check its permissions."
        ).error()
    found.sort()
    digest = hashlib.sha256()
    for path, size, changed in found:
        digest.update(f"{path.relative_to(place)}\0{size}\0{changed}\n".encode(errors="replace"))
    return Listing(
        place,
        tuple(path for path, _, _ in found),
        digest.hexdigest(),
        _findings(links_outside, unreadable),
    )


def _may_be_dicom(name: str, size: int) -> bool:
    lower = name.lower()
    return (
        SMALLEST_FILE_BYTES <= size <= MAXIMUM_FILE_BYTES
        and lower not in _NEVER
        and not lower.startswith(".")
        and not lower.endswith(_NO_IMAGES)
    )


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError, ValueError):
        return False


def _findings(links_outside: int, unreadable: int) -> tuple[Finding, ...]:
    findings = []
    if links_outside:
        findings.append(
            Finding(
                "dicom.link_outside",
                Severity.WARNING,
                f"{links_outside} links lead out of the folder; they were not opened.",
                "Copy the files themselves into the folder.",
            )
        )
    if unreadable:
        findings.append(
            Finding(
                "dicom.unreadable_entries",
                Severity.WARNING,
                f"{unreadable} files or folders could not be read.",
                "Check their permissions.",
            )
        )
    return tuple(findings)
