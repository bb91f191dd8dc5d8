"""What the child can do: one function a job, each imported at its first use."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.signing import ReaderNote
from app.study.files import replace_file, storage_errors
from app.worker.bundle_jobs import BUNDLE_JOBS
from app.worker.cohort_jobs import COHORT_JOBS
from app.worker.demonstration import demonstrate
from app.worker.map_jobs import MAP_JOBS
from app.worker.model_jobs import MODEL_JOBS
from app.worker.report_jobs import REPORT_JOBS
from app.worker.requests import Inspection, pack, packed_encode_request, packed_request


def look(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """What a file or folder holds: series, runs, problems."""
    from app.scans.sources import contents_of

    progress.set_weights({"Look": 1.0})
    with progress.stage("Look"):
        return {"contents": pack(contents_of(Path(arguments["path"]), progress))}


def inspect(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Header, findings and participant facts of a scan; `inspection_of` rebuilds the answer."""
    from app.analysis import opening
    from app.scans.contents import SourceKind
    from app.scans.sources import source_kind

    _INSPECTED.clear()  # before its file may be written again: it is mapped
    request = _request(arguments)
    kind = source_kind(request.scan_path)
    progress.set_weights({"Open": 1.0})
    with progress.stage("Open"):
        if kind is SourceKind.PARCELS:
            scan, findings = opening.describe_series(request)
        else:
            if kind is SourceKind.DERIVATIVES:
                opening.checked_derivative(request)
            loaded = _load(arguments, progress)
            scan, findings = loaded.scan, loaded.findings
            _INSPECTED[_same_scan(arguments, scan.repetition_time_s)] = loaded
        facts = opening.facts_about(request)
    known = {
        field.name: getattr(facts, field.name)
        for field in dataclasses.fields(facts)
        if field.name != "findings"
    }
    return pack(Inspection(scan, (*findings, *facts.findings), known))


def preview(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Decode a scan to ``<scratch>/<name>.npy`` and ``.json``; answers both paths.

    A scan that was inspected just before is not converted and inflated a second time.

    The array is (x, y, z, frame) in closest-canonical (RAS+) order with the stored values, laid
    out so that one volume lies in one piece; the JSON holds affine, slope, intercept and
    repetition time.
    """
    import numpy as np

    progress.set_weights({"Open": 1.0, "Decode": 2.0})
    with progress.stage("Open"):
        inspected = _INSPECTED.pop(_same_scan(arguments, arguments["repetition_time_s"]), None)
        loaded = inspected or _load(arguments, progress)
    image = loaded.image
    base = Path(arguments["scratch"]) / f"preview-{loaded.scan.sha256[:16]}"
    target = base.with_suffix(".npy")
    frame_count = image.data.shape[3]
    with progress.stage("Decode"), storage_errors():
        part = base.with_suffix(".part")
        try:
            volumes = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
                part, "w+", _plain_dtype(image.data.dtype), image.data.shape, fortran_order=True
            )
            for frame in range(frame_count):
                volumes[..., frame] = image.data[..., frame]
                progress.step((frame + 1) / frame_count)
            volumes.flush()
            del volumes
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    facts = {
        "affine": np.asarray(image.affine).tolist(),
        "slope": image.slope,
        "intercept": image.intercept,
        "repetition_time_s": image.repetition_time_s,
        "space": image.space,
        "scan_sha256": loaded.scan.sha256,
    }
    replace_file(base.with_suffix(".json"), json.dumps(facts).encode())
    return {"volumes": str(target), "facts": str(base.with_suffix(".json"))}


def analyse(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The recipe; answers the case folder."""
    from app.analysis import analyse as run_recipe

    request = packed_request(arguments)
    case = run_recipe(request, progress)
    return {"case_folder": str(request.out_dir / case.case_id), "case_id": case.case_id}


def encode(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Embeddings of parcel series; answers where they lie, their shape, and notes."""
    from app.analysis.encode import encode as run_encoder

    return run_encoder(packed_encode_request(arguments), progress)


def report(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """The participant summary of a case folder as PDF, or as HTML by the name's ending."""
    from app.reporting.html import write_html
    from app.reporting.report import write_summary
    from app.study.case_store import read_case, verify_case
    from app.study.case_view import is_drawn

    progress.set_weights({"Report": 1.0})
    with progress.stage("Report"):
        folder, out = Path(arguments["case_folder"]), Path(arguments["out"])
        verify_case(folder, is_drawn)
        case, note = read_case(folder), ReaderNote(**arguments["note"])
        convention = arguments["convention"]
        if out.suffix.lower() in (".html", ".htm"):
            write_html(case, folder, out, convention=convention, note=note, told=progress.step)
        else:
            write_summary(
                case, folder, out, convention=convention, paper=arguments["paper"], note=note,
                told=progress.step,
            )  # fmt: skip
    return {"summary": str(out)}


def warm_up(_arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Import the recipe and the libraries behind it."""
    import importlib

    names = ("nibabel", "scipy.ndimage", "numba", "ants", "torch", "app.analysis")
    progress.set_weights({"Start": 1.0})
    with progress.stage("Start"):
        for index, name in enumerate(names):
            importlib.import_module(name)
            progress.step((index + 1) / len(names))
    return {}


# The scan of the last "inspect", mapped from its scratch folder, until its "preview" takes it.
_INSPECTED: dict[tuple[object, ...], Any] = {}


def _same_scan(arguments: Mapping[str, Any], repetition_time_s: float) -> tuple[object, ...]:
    """What decides the voxels and their timing."""
    return (
        arguments["path"],
        arguments["scratch"],
        arguments.get("series", ""),
        repetition_time_s,
    )


def _load(arguments: Mapping[str, Any], progress: Progress) -> Any:
    from app.analysis.opening import open_images

    return open_images(_request(arguments), Path(arguments["scratch"]), progress)


def _request(arguments: Mapping[str, Any]) -> AnalysisRequest:
    """What was chosen, as the recipe's own question."""
    table = arguments.get("confounds_path")
    return AnalysisRequest(
        scan_path=Path(arguments["path"]),
        out_dir=Path(arguments["scratch"]),
        repetition_time_s=arguments["repetition_time_s"],
        series=arguments.get("series", ""),
        confounds_path=None if table is None else Path(table),
        atlas=arguments.get("atlas", ""),
    )


def _plain_dtype(dtype: Any) -> Any:
    """The same numbers in the machine's own byte order."""
    return dtype.newbyteorder("=")


JOBS = {
    "look": look,
    "inspect": inspect,
    "preview": preview,
    "analyse": analyse,
    "encode": encode,
    "report": report,
    "warm_up": warm_up,
    "demonstrate": demonstrate,
    **MODEL_JOBS,
    **BUNDLE_JOBS,
    **REPORT_JOBS,
    **COHORT_JOBS,
    **MAP_JOBS,
}
