"""A participant summary read back: its attached record, and whether the file was altered.

The record's hash stands in the file's own properties and, in short, at the foot of every page.
That shows a careless change; who can write the file can write both, so what counts is the
comparison with the case folder, whose files have hashes of their own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.reporting.record import FORMAT, FORMAT_VERSION

LARGEST_BYTES = 64 << 20
HASH_KEY = "/RecordSHA256"
ATTACHMENT = "report.json"


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What a summary says of itself."""

    record: dict[str, Any]
    record_sha256: str
    intact: bool  # the record has the hash that the file states

    @property
    def case_id(self) -> str:
        """Of the case that it was made from."""
        return str(self.record.get("case_id", ""))

    @property
    def scan_sha256(self) -> str:
        """Of the scan's bytes."""
        scan = self.record.get("scan")
        return str(scan.get("sha256", "")) if isinstance(scan, dict) else ""


def read_report(path: Path) -> ReadReport:
    """Read the record out of a PDF.

    Raises
    ------
    AppError
        ``report.not_ours``: no PDF, or none of this program; ``report.newer``.
    """
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _not_ours("it is too large")
        reader = PdfReader(path)
        attached = reader.attachments.get(ATTACHMENT, [])
        stated = "" if reader.metadata is None else str(reader.metadata.get(HASH_KEY, ""))
        data = attached[0] if attached else b""
    except (OSError, PyPdfError, ValueError, KeyError, TypeError, RecursionError) as fault:
        raise _not_ours("it cannot be read as a PDF") from fault
    if not data:
        raise _not_ours("it carries no record of a case")
    if len(data) > LARGEST_BYTES:
        raise _not_ours("its record is too large")
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise _not_ours("its record cannot be read") from fault
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise _not_ours("its record is of another kind")
    if (
        not isinstance(record.get("format_version"), int)
        or record["format_version"] > FORMAT_VERSION
    ):
        raise AppError(
            "This report was written by a newer version of the program.",
            "Update the program to open it.",
            code="report.newer",
        )
    digest = hashlib.sha256(data).hexdigest()
    return ReadReport(record, digest, digest == stated)


def _not_ours(what: str) -> AppError:
    return AppError(
        f"This is no participant summary of this program: {what}.",
        "Choose a PDF that NeuroResponder wrote.",
        code="report.not_ours",
    )


def differing(record: dict[str, Any], other: dict[str, Any]) -> tuple[str, ...]:
    """Names of the parts in which two records differ, as far as one level down."""
    names = []
    for key in sorted(record.keys() | other.keys()):
        one, two = record.get(key), other.get(key)
        if one == two:
            continue
        if isinstance(one, dict) and isinstance(two, dict):
            names += [
                f"{key}: {inner}"
                for inner in sorted(one.keys() | two.keys())
                if one.get(inner) != two.get(inner)
            ]
        else:
            names.append(key)
    return tuple(names)
