"""What a raw run is preprocessed with, and the record of how it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.analysis.stage_store import FolderStore
from app.connectome.templates import Template
from app.core.errors import ScanError
from app.core.images import Image3D
from app.core.progress import Progress
from app.core.provenance import files_sha256, record_sha256, software_versions
from app.core.request import AnalysisRequest
from app.core.results import Case, Scan
from app.preprocessing.chain import Beside, Preprocessed
from app.preprocessing.presets import CleaningPreset
from app.preprocessing.stages import Stages
from app.scans.nifti import stored_files
from app.scans.volume import read_volume


@dataclass(frozen=True, slots=True)
class Making:
    """How a raw run was preprocessed, and the images that only it has."""

    white: Image3D  # bool, scanner space
    csf: Image3D
    temporal_snr: Image3D
    mask_method: str
    slice_time_s: float | None  # after the start of the volume; None = not corrected
    steady_frame: int
    interpolation: str
    devices: dict[str, str]
    stage_keys: dict[str, str]
    stages_computed: tuple[str, ...]
    stages_recalled: tuple[str, ...]
    preset_sha256: str
    t1_sha256: str


def seconds_of_done(stage_seconds: Mapping[str, float], making: Making | None) -> dict[str, float]:
    """Seconds of each stage that this run did: none of what was recalled or decided against."""
    not_done = set() if making is None else set(making.stages_recalled)
    if making is not None and making.slice_time_s is None:
        not_done.add("slice_timing")
    return {name: round(s, 3) for name, s in stage_seconds.items() if name not in not_done}


def with_seconds(case: Case, progress: Progress, *stages: str) -> Case:
    """The case with the seconds of stages that this run has finished."""
    now = {name: round(s, 3) for name, s in progress.stage_seconds.items() if name in stages}
    provenance = case.provenance
    if provenance is None:
        return case
    return replace(
        case, provenance=replace(provenance, stage_seconds={**provenance.stage_seconds, **now})
    )


def beside_of(request: AnalysisRequest, scan: Scan) -> Beside:
    """Slice times, and the T1 image that the request names."""
    if request.t1_path is None:
        return Beside(scan.slice_times_s, censored_frames=request.censored_frames)
    if not request.t1_path.is_file():
        raise ScanError(
            "The T1 image is not there.",
            "Check its place, or go on without it.",
            code="scan.t1_missing",
        )
    t1 = read_volume(request.t1_path, "t1")
    return Beside(scan.slice_times_s, t1, t1_sha256(request), request.censored_frames)


def t1_sha256(request: AnalysisRequest) -> str:
    """Hash of the T1 image, of both files of a pair; "" where there is none."""
    if request.t1_path is None or not request.t1_path.is_file():
        return ""
    return files_sha256(*stored_files(request.t1_path))


def stages_of(request: AnalysisRequest, scan: Scan, template: Template) -> Stages:
    """Keyed by the run's bytes, the facts used of its sidecar, the template and the software."""
    source = {
        "scan": scan.sha256,
        "repetition_time_s": scan.repetition_time_s,
        "slice_times_s": list(scan.slice_times_s),
        "space": scan.space,
        "template": template.sha256,
        "software": software_versions(),
    }
    store = FolderStore() if request.stage_cache else None
    return Stages(record_sha256(source), store)


def making_of(done: Preprocessed, preset: CleaningPreset, beside: Beside) -> Making:
    return Making(
        white=done.white,
        csf=done.csf,
        temporal_snr=done.temporal_snr_map,
        mask_method=done.mask_method,
        slice_time_s=done.slice_timing.reference_time_s,
        steady_frame=done.steady_frame,
        interpolation=done.sampled.interpolation,
        devices={"motion": done.motion.device, "sampling": done.sampled.device},
        stage_keys=done.stage_keys,
        stages_computed=done.stages_computed,
        stages_recalled=done.stages_recalled,
        preset_sha256=preset.sha256,
        t1_sha256=beside.t1_sha256,
    )
