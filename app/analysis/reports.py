"""Participant summaries of finished cases: previews, signed versions, many at once, and back.

A signed version is never written again: it lies under ``reports/`` of its case folder with its
JSON and its HTML twin, a later one supersedes it, and both stay.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.core import wording
from app.core.errors import AppError
from app.core.folders import private_prefix
from app.core.progress import Progress
from app.core.results import Case
from app.core.signing import LONGEST_COMMENT, LONGEST_NAME, ReaderNote
from app.study.case_store import read_case, update_case, verify_case
from app.study.case_view import is_drawn
from app.study.database import open_index

REPORTS = "reports"
_VERSION = re.compile(r".+_desc-summary_version-(\d{2,4})\.json")


@dataclass(frozen=True, slots=True)
class Layout:
    """How summaries are printed."""

    convention: str = wording.RADIOLOGICAL
    paper: str = "A4"


@dataclass(frozen=True, slots=True)
class SignedVersion:
    """One closed version of a summary."""

    note: ReaderNote
    report_id: str
    pdf: Path
    record_sha256: str


def signed_versions(folder: Path) -> tuple[SignedVersion, ...]:
    """The closed versions of a case, oldest first."""
    found = []
    for path in sorted((folder / REPORTS).glob("*.json")):
        if _VERSION.fullmatch(path.name) is None:
            continue
        facts = json.loads(path.read_text(encoding="utf-8"))
        found.append(
            SignedVersion(
                ReaderNote(**facts["reader"]),
                str(facts["report_id"]),
                path.with_suffix(".pdf"),
                str(facts["record_sha256"]),
            )
        )
    return tuple(sorted(found, key=lambda one: one.note.version))


def sign_report(
    folder: Path, note: ReaderNote, layout: Layout, progress: Progress | None = None
) -> SignedVersion:
    """Close a version of the summary: PDF, HTML and JSON beside the earlier ones.

    Parameters
    ----------
    folder
        Case folder; whole, or nothing is signed.
    note
        Comment and name; time, version and what it supersedes are filled in here.
    layout
        Convention and paper.

    Raises
    ------
    AppError
        ``report.quality_not_confirmed``, ``report.too_long``, or as `write_summary`.
    """
    progress = progress or Progress()
    if not note.quality_confirmed:
        raise AppError(
            "The quality of this scan is not confirmed yet.",
            "Look at the quality page and confirm its verdict; then the summary can be signed.",
            code="report.quality_not_confirmed",
        )
    if len(note.comment) > LONGEST_COMMENT or len(note.reader) > LONGEST_NAME:
        raise AppError(
            f"The comment may have {LONGEST_COMMENT} characters, the name {LONGEST_NAME}.",
            "Shorten it.",
            code="report.too_long",
        )
    verify_case(folder)
    case = read_case(folder)
    before = signed_versions(folder)
    closed = replace(
        note,
        signed_utc=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        version=1 + (before[-1].note.version if before else 0),
        supersedes=before[-1].report_id if before else "",
    )
    stem = f"{case.stem()}_desc-summary_version-{closed.version:02d}"
    with tempfile.TemporaryDirectory(prefix=private_prefix()) as private:
        pdf, html, facts = _written(case, folder, Path(private) / stem, closed, layout, progress)
        update_case(
            folder,
            case,
            {
                f"{REPORTS}/{stem}.pdf": pdf,
                f"{REPORTS}/{stem}.html": html,
                f"{REPORTS}/{stem}.json": facts,
            },
        )
    with open_index() as index:
        index.note("sign", case, f"report:{facts['report_id']}")
    return signed_versions(folder)[-1]


def _written(
    case: Case, folder: Path, base: Path, note: ReaderNote, layout: Layout, progress: Progress
) -> tuple[Path, Path, dict[str, Any]]:
    from dataclasses import asdict

    from app.reporting.html import write_html
    from app.reporting.reading import read_report
    from app.reporting.report import prepare, write_summary

    pdf = write_summary(
        case, folder, base.with_suffix(".pdf"), convention=layout.convention, paper=layout.paper,
        printed_utc=note.signed_utc, note=note, told=lambda done: progress.step(0.6 * done),
    )  # fmt: skip
    html = write_html(
        case, folder, base.with_suffix(".html"), convention=layout.convention,
        printed_utc=note.signed_utc, note=note,
        told=lambda done: progress.step(0.6 + 0.3 * done),
    )  # fmt: skip
    context = prepare(
        case, folder, convention=layout.convention, printed_utc=note.signed_utc, note=note
    )
    facts = {
        "report_id": context.report_id,
        "case_id": case.case_id,
        "record_sha256": read_report(pdf).record_sha256,
        "reader": asdict(note),
    }
    return pdf, html, facts


def preview_pages(
    folder: Path,
    out: Path,
    note: ReaderNote,
    layout: Layout,
    *,
    dots_per_inch: float,
    progress: Progress | None = None,
) -> tuple[Path, tuple[Path, ...]]:
    """The summary as it would be exported now, and a picture of each of its pages, in `out`.

    Raises
    ------
    AppError
        Files that the summary is drawn from were changed; or as `write_summary`.
    """
    from app.reporting.pages import page_pictures
    from app.reporting.report import write_summary

    progress = progress or Progress()
    verify_case(folder, is_drawn)
    pdf = write_summary(
        read_case(folder), folder, out / "preview.pdf", convention=layout.convention,
        paper=layout.paper, note=note, told=lambda done: progress.step(0.8 * done),
    )  # fmt: skip
    return pdf, page_pictures(pdf, out, dots_per_inch=dots_per_inch)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """What became of one case of a batch."""

    folder: Path
    case_id: str
    label: str
    outcome: str
    pdf: Path | None  # None where none was written
    trouble: str  # one sentence; "" = none
    stood: bool = False  # the very same summary lay there and was left


def batch_reports(
    folders: Sequence[Path],
    out: Path,
    layout: Layout,
    *,
    html: bool = False,
    progress: Progress | None = None,
    told: Callable[[BatchRow], None] = lambda _row: None,
) -> tuple[BatchRow, ...]:
    """A summary of each case in `out`; one that fails never stops the rest.

    An unsigned summary that lies there is made anew, and left where nothing about it differs:
    its record alone would not tell paper or drawing. One that is signed or commented stays as
    it is, and its row says so.
    """
    progress = progress or Progress()
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, folder in enumerate(folders):
        progress.step(number / max(len(folders), 1), f"case {number + 1} of {len(folders)}")
        try:
            verify_case(folder)
            case = read_case(folder)
            pdf = out / f"{case.stem()}_{case.case_id[:8]}_desc-summary.pdf"
            stood = _unsigned_summary(case, folder, pdf, layout, html=html)
            row = BatchRow(
                folder, case.case_id, case.participant.label, _outcome(case), pdf, "", stood
            )
        except AppError as error:
            row = BatchRow(folder, folder.name, "", "", None, error.message)
        rows.append(row)
        told(row)
    return tuple(rows)


def _outcome(case: Case) -> str:
    prediction = case.prediction
    return wording.outcome_word(prediction.outcome) if prediction else "no prediction"


def _unsigned_summary(case: Case, folder: Path, pdf: Path, layout: Layout, *, html: bool) -> bool:
    """Write it, and its twin if wanted; True where the very same files lay there already.

    Raises
    ------
    AppError
        ``report.signed``: a summary with a reader's comment or signature has this name;
        ``report.newer``; or as `write_summary`.
    """
    from app.reporting.html import write_html
    from app.reporting.report import write_summary

    _refuse_signed(pdf)
    twin = pdf.with_suffix(".html")
    targets = [pdf, twin] if html else [pdf]
    before = [_digest(path) for path in targets]
    write_summary(case, folder, pdf, convention=layout.convention, paper=layout.paper)
    if html:
        write_html(case, folder, twin, convention=layout.convention)
    return before == [_digest(path) for path in targets]


def _digest(path: Path) -> str:
    """SHA-256 of a file; "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _refuse_signed(pdf: Path) -> None:
    from app.reporting.reading import read_report

    if not pdf.is_file():
        return
    try:
        reader = read_report(pdf).record.get("reader")
    except AppError as error:
        if error.code == "report.not_ours":  # damaged or foreign: the summary takes its name
            return
        raise
    if isinstance(reader, dict) and any(reader.get(key) for key in ("signed_utc", "comment")):
        raise AppError(
            "A summary with a reader's comment or signature lies there; it was left as it is.",
            "Choose another folder.",
            code="report.signed",
        )
