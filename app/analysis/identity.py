"""The hash of a source: of every byte and statement that decides the answer or whose it is.

A case that lies in the folder is read back only where this hash is the same. So it holds, beside
the bytes of the scan, all that is read around it: what its sidecars and its name say, who it is
of, the table and images that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.analysis.opening import dicom_series, facts_about, scan_sha256
from app.core.errors import AppError
from app.core.provenance import file_sha256, record_sha256
from app.core.request import AnalysisRequest
from app.core.results import Finding
from app.scans.bids import ParticipantFacts, sidecar_record, space_of
from app.scans.contents import SourceKind
from app.scans.dataset import companion_findings
from app.scans.fmriprep import confounds_beside, made_by, match_run
from app.scans.parcel_series import atlas_of
from app.scans.sources import source_kind
from app.study.case_store import ARRAYS_FILE, CASE_FILE, MANIFEST_FILE

UNREADABLE = "0" * 64  # never stands for a source that can be opened


def source_sha256(request: AnalysisRequest) -> str:
    """Hash of all that decides the answer and whose it is; `UNREADABLE` for what cannot be read.

    What is wrong with the source is told by its door, in its own words.
    """
    try:
        kind = source_kind(request.scan_path)
        record = {
            "kind": kind.value,
            "scan": scan_sha256(request),
            "facts": _facts(facts_about(request)),
            **_of_kind(kind, request),
        }
        return record_sha256(record)
    except (AppError, OSError):
        return UNREADABLE


def _of_kind(kind: SourceKind, request: AnalysisRequest) -> dict[str, Any]:
    path = request.scan_path
    if kind is SourceKind.DICOM:
        return {"findings": _findings(dicom_series(request).findings)}
    if kind is SourceKind.PARCELS:
        own = path.parent
        return {
            **_around(path),
            "atlas": [request.atlas, atlas_of(path)],
            "confounds": _sha256(confounds_beside(path)),
            "case": [_sha256(own / name) for name in (CASE_FILE, ARRAYS_FILE, MANIFEST_FILE)],
        }
    if kind is SourceKind.DERIVATIVES:
        run = match_run(path, request.confounds_path)
        return {
            **_around(path),
            "files": [_sha256(item) for item in (run.mask, run.boldref, run.confounds)],
            "findings": _findings(run.findings),
            "made_by": made_by(path),
        }
    return {**_around(path), "findings": _findings(companion_findings(path))}


def _around(path: Path) -> dict[str, Any]:
    """What sidecars say, and which space the name claims."""
    space, findings = space_of(path)
    return {"sidecar": sidecar_record(path), "space": [space, *_findings(findings)]}


def _facts(facts: ParticipantFacts) -> list[object]:
    return [
        facts.label,
        facts.session,
        facts.task,
        facts.age_years,
        facts.sex,
        facts.baseline_pain,
        facts.site,
        *_findings(facts.findings),
    ]


def _findings(findings: Iterable[Finding]) -> list[list[str]]:
    return [[item.code, item.severity.value, item.message, item.hint] for item in findings]


def _sha256(path: Path | None) -> str:
    return file_sha256(path) if path is not None and path.is_file() else "-"
