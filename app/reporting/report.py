"""The participant summary: a list of sections, written as PDF or as HTML."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from app.core import wording
from app.core.errors import AppError, StorageError
from app.core.results import Case, overrides_quality
from app.core.signing import UNSIGNED, ReaderNote
from app.reporting.blocks import Section
from app.reporting.context import ReportContext, make_context

Told = Callable[[float], None]  # fraction done, 0..1; may raise to cancel


def silent(_fraction: float) -> None:
    """Nobody asks how far it is."""


def write_summary(
    case: Case,
    case_folder: Path,
    out_pdf: Path,
    *,
    convention: str = wording.RADIOLOGICAL,
    printed_utc: str = "",
    paper: str = "A4",
    note: ReaderNote = UNSIGNED,
    told: Told = silent,
) -> Path:
    """Write the participant summary as PDF with the machine-readable record attached.

    Parameters
    ----------
    case_folder
        Holds ``view/``, from which the pictures are drawn; a missing file makes its figure say
        so, it does not stop the report.
    convention
        `wording.RADIOLOGICAL` or `wording.NEUROLOGICAL`, for all slices.
    printed_utc
        Time of writing to print, ISO 8601; "" prints none, beside when the case was computed.
        No clock is read, so the same case gives the same bytes.
    paper
        "A4" or "Letter".
    note
        The reader's comment and signature.
    told
        Told after each section and each figure; may raise to cancel: nothing is written then.

    Returns
    -------
    Path
        `out_pdf`. Written beside it and renamed, so it is whole or not there.

    Raises
    ------
    StorageError
        The file cannot be written.
    ValueError
        `convention` or `paper` is unknown.
    """
    from app.reporting.pdf import PAPERS, report_pdf

    if paper not in PAPERS:
        raise ValueError(f"paper is {paper!r}, expected one of {sorted(PAPERS)}")
    context = prepare(case, case_folder, convention=convention, printed_utc=printed_utc, note=note)
    sections = sections_of(context, lambda done: told(0.5 * done))
    content = report_pdf(context, sections, paper, lambda done: told(0.5 + 0.5 * done))
    write_whole(out_pdf, content)
    return out_pdf


def prepare(
    case: Case,
    case_folder: Path,
    *,
    convention: str,
    printed_utc: str = "",
    note: ReaderNote = UNSIGNED,
) -> ReportContext:
    """Context of a report after checking its settings.

    Raises
    ------
    AppError
        ``reporting.override``: a number that quality withholds gets no summary.
    """
    if convention not in wording.CONVENTION_MEANING:
        raise ValueError(
            f"convention is {convention!r}, expected one of {sorted(wording.CONVENTION_MEANING)}"
        )
    if overrides_quality(case):
        raise AppError(
            "The quality verdict of this case was overruled in research mode.",
            "It gets no participant summary; its tables and images are in the case folder.",
            code="reporting.override",
        )
    return make_context(
        case, case_folder, convention=convention, printed_utc=printed_utc, note=note
    )


def sections_of(context: ReportContext, told: Told = silent) -> tuple[Section, ...]:
    """The sections that this case has, in reading order."""
    from app.reporting.sections import SECTIONS
    from app.reporting.theme import drawing_style

    with drawing_style():
        built = []
        for number, build in enumerate(SECTIONS):
            told(number / len(SECTIONS))
            built.append(build(context))
    return tuple(section for section in built if section is not None)


def write_whole(target: Path, content: bytes) -> None:
    """Same-folder temporary file, flushed to disk, then renamed; the same bytes are left alone.

    Raises
    ------
    StorageError
        The file cannot be written; an older one is untouched.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        if target.stat().st_size == len(content) and target.read_bytes() == content:
            return
    try:
        temporary.unlink(missing_ok=True)  # left by a killed process that had our number
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _not_written() from error


def made_folder(folder: Path) -> None:
    """A folder of a report, made where it is absent.

    Raises
    ------
    StorageError
        As `write_whole`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written() from error


def _not_written() -> StorageError:
    return StorageError(
        "The report could not be written.",
        "Check that there is space and that the folder may be written to.",
        code="reporting.write_failed",
    )
