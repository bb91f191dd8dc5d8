"""From a participant summary back to its case: find the folder, or compute it from the data.

What differs is told, part by part; nothing that was altered is shown as if it were the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.core.folders import data_folder
from app.core.progress import Progress
from app.core.request import AnalysisRequest, Question
from app.core.results import PREPROCESSING, REQUEST, Case
from app.core.signing import ReaderNote
from app.reporting.reading import ReadReport, differing, read_report
from app.scans.bids import UNNAMED
from app.study.case_store import damaged_files, nameless, read_case

TOLERANCE = 1e-6  # of a probability, computed again on a CPU
# Parts of a record that differ between two runs of the same analysis and change no answer.
_OF_THE_RUN = ("case_id", "provenance", "reader", "convention", "participant")
_OF_THE_PERSON = ("session", "age_years", "sex", "baseline_pain", "site")


@dataclass(frozen=True, slots=True)
class Reopened:
    """What a summary led to."""

    report: ReadReport
    folder: Path | None  # the case; None where its data have to be shown first
    altered: tuple[str, ...]  # sentences; empty = everything is as it was printed
    needs_t1: bool = False  # its scan was analysed with a T1 image, wanted to compute it again


def reopen(path: Path, places: Sequence[Path] = ()) -> Reopened:
    """Find the case of a summary and compare it with what the summary says.

    Parameters
    ----------
    path
        The PDF.
    places
        More folders that may hold case folders.

    Raises
    ------
    AppError
        As `read_report`.
    """
    report = read_report(path)
    altered = () if report.intact else ("The record in the PDF was changed after it was written.",)
    folder = _find(report.case_id, path, places)
    if folder is None:
        return Reopened(report, None, altered, bool(_t1_of(report)))
    wrong = damaged_files(folder)
    if wrong:
        names = ", ".join(map(nameless, wrong))
        altered = (*altered, f"Changed or missing in the case folder: {names}.")
        return Reopened(report, folder, altered)
    return Reopened(report, folder, (*altered, *_differences(report, read_case(folder))))


def recompute(
    path: Path,
    scan: Path,
    out: Path,
    progress: Progress | None = None,
    *,
    t1: Path | None = None,
) -> Reopened:
    """Analyse a summary's scan again and compare.

    Parameters
    ----------
    path
        The PDF.
    scan
        The data that it was made from; other bytes are refused before anything is computed.
    out
        Receives the case folder.
    t1
        The T1 image that it was analysed with, where it was: a summary keeps no place of it, and
        without it another registration, and so another result, would come out.

    Raises
    ------
    AppError
        ``report.other_scan``, ``report.t1_needed``, ``report.other_t1``, ``report.no_t1``;
        ``report.no_request`` for summaries of earlier versions; or whatever the analysis ends
        with.
    """
    from app.analysis.opening import scan_sha256, with_series_of
    from app.analysis.recipe import analyse

    report = read_report(path)
    request = replace(_request_of(report, scan, out), t1_path=_same_t1(report, t1))
    request = with_series_of(request, report.scan_sha256)
    if scan_sha256(request) != report.scan_sha256:
        raise AppError(
            "This scan is not the one of the report: its bytes differ.",
            "Choose the scan that the report was made from; it may have been altered since.",
            code="report.other_scan",
        )
    altered = () if report.intact else ("The record in the PDF was changed after it was written.",)
    case = analyse(_with_person(request, report), progress)
    return Reopened(report, out / case.case_id, (*altered, *_differences(report, case)))


def _request_of(report: ReadReport, scan: Path, out: Path) -> AnalysisRequest:
    provenance = report.record.get("provenance") or {}
    stored = (provenance.get("parameters") or {}).get(REQUEST)
    if not isinstance(stored, dict):
        raise AppError(
            "The report does not say how its scan was analysed: it is of an earlier version.",
            "Analyse the scan by hand and compare the numbers.",
            code="report.no_request",
        )
    known = {field.name for field in fields(AnalysisRequest)} - {"scan_path", "out_dir"}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in stored.items()
        if key in known
    }
    values["question"] = Question(**(values.get("question") or {}))
    participant = report.record.get("participant") or {}
    return AnalysisRequest(
        scan_path=scan.absolute(),
        out_dir=out.absolute(),
        participant_uuid=str(participant.get("uuid", "")),
        stage_cache=True,
        **values,
    )


def _t1_of(report: ReadReport) -> str:
    """Hash of the T1 image that the scan was analysed with; "" for none."""
    parameters = (report.record.get("provenance") or {}).get("parameters") or {}
    return str((parameters.get(PREPROCESSING) or {}).get("t1_sha256") or "")


def _same_t1(report: ReadReport, t1: Path | None) -> Path | None:
    """The T1 image, if it is the one of the report; refused before anything is computed."""
    from app.core.provenance import files_sha256
    from app.scans.nifti import stored_files

    wanted = _t1_of(report)
    if not wanted and t1 is not None:
        raise AppError(
            "The scan of this report was analysed without a T1 image.",
            "Leave the T1 image out: with it another result would come out.",
            code="report.no_t1",
        )
    if wanted and t1 is None:
        raise AppError(
            "The scan of this report was analysed with a T1 image, which the report does not hold.",
            "Name that image too (--t1 FILE): without it another result would come out.",
            code="report.t1_needed",
        )
    if t1 is None:
        return None
    if not t1.is_file() or files_sha256(*stored_files(t1)) != wanted:
        raise AppError(
            "This is not the T1 image of the report: its bytes differ.",
            "Choose the image that the scan was analysed with; it may have been altered since.",
            code="report.other_t1",
        )
    return t1.absolute()


def _with_person(request: AnalysisRequest, report: ReadReport) -> AnalysisRequest:
    """What the report says of the person where the data, carried elsewhere, do not say it."""
    from app.analysis.opening import facts_about

    told, known = report.record.get("participant") or {}, facts_about(request)
    nothing = (None, "")
    values = {
        name: told[name]
        for name in _OF_THE_PERSON
        if getattr(request, name) in nothing
        and name not in request.cleared
        and getattr(known, name) in nothing
        and told.get(name) not in nothing
    }
    if not request.participant_label and known.label == UNNAMED:
        values["participant_label"] = str(told.get("label") or "")
    return replace(request, **values)


def _find(case_id: str, path: Path, places: Sequence[Path]) -> Path | None:
    home = data_folder()
    near = path.absolute().parent
    candidates = (
        near, near.parent, near / case_id, near.parent / case_id, home / "cases" / case_id,
        home / "demonstration" / "cases" / case_id,
        *(place / case_id for place in places), *places,
    )  # fmt: skip
    for folder in candidates:
        if folder.name == case_id and (folder / "case.json").is_file():
            return folder
    return None


def _differences(report: ReadReport, case: Case) -> tuple[str, ...]:
    """Sentences on what the case now says otherwise than the report."""
    from app.core.sides import without_unknown_sides
    from app.reporting.privacy import reportable
    from app.reporting.record import report_record

    told = report.record
    note = ReaderNote(**_fields_of(told.get("reader")))
    now = report_record(
        without_unknown_sides(reportable(case)), convention=str(told["convention"]), note=note
    )
    found = []
    for name in ("outcome", "probability"):
        one, two = _of(told, name), _of(now, name)
        if not _same(one, two):
            found.append(f"The {name} is not the one that was printed.")
    later = [
        part
        for part in differing(told, now)
        if part.split(":")[0] not in _OF_THE_RUN and not _only_rounding(told, now, part)
    ]
    # Health and sensitivity may have been computed since: more is known, nothing is altered.
    grown = [p for p in later if p in ("explanation_health", "sensitivity") and told.get(p) is None]
    altered = [part for part in later if part not in grown and not part.startswith("prediction")]
    if altered:
        found.append(f"Not as printed: {', '.join(altered[:6])}.")
    return tuple(found)


def _fields_of(value: Any) -> dict[str, Any]:
    known = {field.name for field in fields(ReaderNote)}
    return {k: v for k, v in value.items() if k in known} if isinstance(value, dict) else {}


def _of(record: dict[str, Any], name: str) -> Any:
    prediction = record.get("prediction") or {}
    return prediction.get(name)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return math.isclose(one, two, rel_tol=0.0, abs_tol=TOLERANCE)
    return bool(one == two)


def _only_rounding(told: dict[str, Any], now: dict[str, Any], part: str) -> bool:
    key, _, inner = part.partition(": ")
    one, two = told.get(key), now.get(key)
    if inner and isinstance(one, dict) and isinstance(two, dict):
        one, two = one.get(inner), two.get(inner)
    return _close(one, two)


def _close(one: Any, two: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(two, (int, float)):
        return math.isclose(one, two, rel_tol=1e-5, abs_tol=1e-6)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(_close, one, two))
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_close(one[k], two[k]) for k in one)
    return bool(one == two)
