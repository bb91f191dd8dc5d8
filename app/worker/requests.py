"""Jobs as the window and the command line ask for them, and their answers as results."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core import wording
from app.core.request import AnalysisRequest, EncodeRequest
from app.core.results import Finding, Scan
from app.core.signing import UNSIGNED, ReaderNote
from app.scans.contents import Contents
from app.study.codec import decode, encode
from app.worker.protocol import Job

LOOK_LIMIT_S = 600.0
INSPECT_LIMIT_S = 600.0  # a DICOM series is converted
PREVIEW_LIMIT_S = 600.0
WARM_UP_LIMIT_S = 180.0
ANALYSE_LIMIT_S = 3600.0
ENCODE_LIMIT_S = 24 * 3600.0  # many scans through the largest encoder on a slow CPU
REPORT_LIMIT_S = 300.0
MODELS_LIMIT_S = 24 * 3600.0  # 2.6 GB over a slow line


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is known of a scan before it is analysed."""

    scan: Scan
    findings: tuple[Finding, ...]
    participant: dict[str, object]  # facts from BIDS names and participants.tsv


def look_job(path: Path) -> Job:
    """List what a file or folder holds; `contents_of` rebuilds the answer."""
    return Job("look", {"path": str(path.absolute())}, new_job_id(), time_limit_s=LOOK_LIMIT_S)


def contents_of(result: Mapping[str, Any]) -> Contents:
    """The answer of a "look" job."""
    contents: Contents = unpack(Contents, result["contents"])
    return contents


def inspect_job(
    path: Path,
    scratch: Path,
    *,
    repetition_time_s: float | None = None,
    series: str = "",
    confounds_path: Path | None = None,
    atlas: str = "",
) -> Job:
    """Read a scan's header, check it, and say what was found.

    `series`, `confounds_path` and `atlas` are what the user chose (see `AnalysisRequest`).
    """
    arguments = {
        "path": str(path.absolute()),
        "scratch": str(scratch),
        "repetition_time_s": repetition_time_s,
        "series": series,
        "confounds_path": None if confounds_path is None else str(confounds_path.absolute()),
        "atlas": atlas,
    }
    return Job("inspect", arguments, new_job_id(), time_limit_s=INSPECT_LIMIT_S)


def preview_job(path: Path, scratch: Path, scan: Scan, *, series: str = "") -> Job:
    """Decode a scan into a private file that the window maps into memory."""
    arguments = {
        "path": str(path.absolute()),
        "scratch": str(scratch),
        "repetition_time_s": scan.repetition_time_s,
        "series": series,
    }
    return Job(
        "preview", arguments, new_job_id(), scan_sha256=scan.sha256, time_limit_s=PREVIEW_LIMIT_S
    )


def analyse_job(request: AnalysisRequest, *, scan_sha256: str = "") -> Job:
    """Run the recipe; announces ``case_updated`` and answers, both with ``case_folder``."""
    return Job(
        "analyse",
        {"request": encode(request, {}), "device": request.device},
        new_job_id(),
        scan_sha256,
        request.participant_uuid,
        time_limit_s=ANALYSE_LIMIT_S,
    )


def encode_job(request: EncodeRequest) -> Job:
    """Encode parcel series; answers ``out``, ``shape``, ``notes`` and ``encoder``."""
    arguments = {"request": encode(request, {}), "device": request.device}
    return Job("encode", arguments, new_job_id(), time_limit_s=ENCODE_LIMIT_S)


def report_job(
    case_folder: Path,
    out: Path,
    *,
    note: ReaderNote = UNSIGNED,
    convention: str = wording.RADIOLOGICAL,
    paper: str = "A4",
    scan_sha256: str = "",
) -> Job:
    """Write the participant summary of a case folder to another place; HTML where `out` says so."""
    arguments = {
        "case_folder": str(case_folder.absolute()),
        "out": str(out.absolute()),
        "note": asdict(note),
        "convention": convention,
        "paper": paper,
    }
    return Job("report", arguments, new_job_id(), scan_sha256, time_limit_s=REPORT_LIMIT_S)


def warm_up_job() -> Job:
    """Import what an analysis needs, so that the first one starts at once."""
    return Job("warm_up", {}, new_job_id(), time_limit_s=WARM_UP_LIMIT_S)


def new_job_id() -> str:
    """A random id; says nothing about the scan."""
    return uuid.uuid4().hex


def pack(value: Any) -> dict[str, Any]:
    """A result with small arrays as plain JSON."""
    arrays: dict[str, Any] = {}
    record = encode(value, arrays)
    return {
        "record": record,
        "arrays": {
            name: {"dtype": array.dtype.str, "shape": list(array.shape), "values": array.tolist()}
            for name, array in arrays.items()
        },
    }


def unpack(kind: type[Any], packed: Mapping[str, Any]) -> Any:
    """Rebuild what `pack` made; `ValueError`, `TypeError` or `KeyError` if it does not fit."""
    arrays = {
        name: np.array(item["values"], dtype=np.dtype(item["dtype"])).reshape(item["shape"])
        for name, item in packed["arrays"].items()
    }
    return decode(kind, packed["record"], arrays)


def inspection_of(result: Mapping[str, Any]) -> Inspection:
    """The answer of an "inspect" job."""
    inspection: Inspection = unpack(Inspection, result)
    return inspection


def packed_request(arguments: Mapping[str, Any]) -> AnalysisRequest:
    """In the child: the request of an "analyse" job."""
    return decode(AnalysisRequest, arguments["request"], {})


def packed_encode_request(arguments: Mapping[str, Any]) -> EncodeRequest:
    """In the child: the request of an "encode" job."""
    return decode(EncodeRequest, arguments["request"], {})


def models_job(name: str, **arguments: Any) -> Job:
    """A job on published models and atlases, answered with plain values.

    `name` is "models_state", "models_install" (id, accepted), "models_import" (paths, id or "",
    accepted), "models_recognise" (paths), "models_convert" (path, out), "models_verify" (ids)
    or "models_remove" (id); see `app.worker.model_jobs`.
    """
    return Job(name, arguments, new_job_id(), time_limit_s=MODELS_LIMIT_S)
