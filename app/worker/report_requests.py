"""Jobs on explanations and participant summaries, as window and command line ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from app.core.signing import ReaderNote
from app.worker.protocol import Job
from app.worker.requests import ANALYSE_LIMIT_S, REPORT_LIMIT_S, new_job_id

BATCH_LIMIT_S = 24 * 3600.0


def explain_job(
    case_folder: Path,
    *,
    health: bool = False,
    sensitivity: bool = False,
    again: bool = False,
    device: str = "auto",
    write_pdf: bool = True,
    scan_sha256: str = "",
) -> Job:
    """Explain a finished case; announces ``case_updated`` and answers ``case_folder``."""
    arguments = {
        "case_folder": str(case_folder.absolute()),
        "health": health,
        "sensitivity": sensitivity,
        "again": again,
        "device": device,
        "write_pdf": write_pdf,
    }
    return Job("explain", arguments, new_job_id(), scan_sha256, time_limit_s=ANALYSE_LIMIT_S)


def preview_pages_job(
    case_folder: Path,
    scratch: Path,
    note: ReaderNote,
    *,
    convention: str,
    paper: str,
    dots_per_inch: float,
    scan_sha256: str = "",
) -> Job:
    """Pages of the summary as pictures; answers ``pages`` and ``preview_pdf``."""
    arguments = {
        **_layout(case_folder, note, convention, paper),
        "scratch": str(scratch),
        "dots_per_inch": dots_per_inch,
    }
    return Job("preview_pages", arguments, new_job_id(), scan_sha256, time_limit_s=REPORT_LIMIT_S)


def sign_job(
    case_folder: Path, note: ReaderNote, *, convention: str, paper: str, scan_sha256: str = ""
) -> Job:
    """Close a version of the summary; answers ``signed``: its PDF and version."""
    arguments = _layout(case_folder, note, convention, paper)
    return Job("sign_report", arguments, new_job_id(), scan_sha256, time_limit_s=REPORT_LIMIT_S)


def batch_job(
    folders: Sequence[Path], out: Path, *, convention: str, paper: str, html: bool
) -> Job:
    """Summaries of many cases; answers ``rows``, one a case."""
    arguments = {
        "folders": [str(folder.absolute()) for folder in folders],
        "out": str(out.absolute()),
        "convention": convention,
        "paper": paper,
        "html": html,
    }
    return Job("batch_reports", arguments, new_job_id(), time_limit_s=BATCH_LIMIT_S)


def reopen_job(
    pdf: Path, *, scan: Path | None = None, out: Path | None = None, t1: Path | None = None
) -> Job:
    """From a summary back to its case.

    Answers ``reopened``: folder or "", altered, case_id, and whether it ``needs_t1`` to be
    computed again.
    """
    arguments = {
        "pdf": str(pdf.absolute()),
        "scan": None if scan is None else str(scan.absolute()),
        "out": None if out is None else str(out.absolute()),
        "t1": None if t1 is None else str(t1.absolute()),
    }
    return Job("reopen", arguments, new_job_id(), time_limit_s=ANALYSE_LIMIT_S)


def _layout(case_folder: Path, note: ReaderNote, convention: str, paper: str) -> dict[str, object]:
    return {
        "case_folder": str(case_folder.absolute()),
        "note": asdict(note),
        "convention": convention,
        "paper": paper,
    }
