"""The route of those who have parcel series only: connectivity, and a number only if all is known.

A file of one of this program's own cases brings everything that the case knows. For other files
a quality that cannot be measured without images must be stated beside them; what is missing
blocks the number and is named.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.analysis.censoring import (
    censored_frames,
    censoring_findings,
    check_censored,
    recensored,
    without_censored,
)
from app.analysis.measure import (
    NOT_STATED,
    Measured,
    Measurement,
    participant_and_findings,
    stated_over,
)
from app.analysis.opening import open_series
from app.connectome.atlases import load_atlas
from app.connectome.connectivity import pearson_connectivity
from app.connectome.templates import load_template
from app.core.arrays import Bools, Floats, frozen
from app.core.errors import AppError, ScanError
from app.core.number_tables import read_numbers
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import (
    PARCEL_SPACE,
    Case,
    CleanSignals,
    Finding,
    Motion,
    QualityReport,
    Scan,
    Severity,
)
from app.preprocessing.presets import PRESETS, find_preset
from app.preprocessing.quality import LIMITS, judge_known
from app.scans.bids import SIMULATOR, participant_of
from app.scans.fmriprep import confounds_beside
from app.scans.parcel_series import ParcelSeries, atlas_of
from app.study.case_store import CASE_FILE, damaged_files, read_case

_STATE_IT = "State it in the sidecar (the JSON file beside the series), or open the scan itself."


def measure_parcels(request: AnalysisRequest, wanted: Measurement, progress: Progress) -> Measured:
    """Connectivity and gates from parcel series.

    Raises
    ------
    AppError
        ``series.…`` and ``table.…``: what is wrong with the file.
    """
    with progress.stage("open"):
        own = own_case(request.scan_path)
        if own is not None:
            return _from_case(own, request)
        series = open_series(request)
        moved, motion_findings = _moved_mm(request.scan_path, len(series.values))
    with progress.stage("quality"):
        return _from_series(series, moved, motion_findings, request, wanted)


def own_case(path: Path) -> Case | None:
    """The case whose folder the table lies in; a table that was changed is refused."""
    if not (path.parent / CASE_FILE).is_file():
        return None
    case = read_case(path.parent)
    if path.name in damaged_files(path.parent):
        raise ScanError(
            "The table was changed after its case was written.",
            "Open the case folder, or analyse the scan again.",
            code="series.changed",
        )
    if case.signals is None or not (atlas_of(path) and path.name.endswith("_timeseries.tsv")):
        raise ScanError(
            "This table of the case holds no cleaned parcel series.",
            "Open the case folder, or its …_timeseries.tsv of the atlas.",
            code="series.not_series",
        )
    return case


def _from_case(case: Case, request: AnalysisRequest) -> Measured:
    case = _left_out(case, request.censored_frames)
    assert case.signals is not None
    if case.quality is None or case.connectome is None:
        raise ScanError("The case was not finished.", "Analyse the scan again.",
                        code="series.unfinished")  # fmt: skip
    atlas = load_atlas(case.signals.atlas)
    note = Finding("scan.route_case", Severity.NOTE, "Parcel series of a case of this program.")
    return Measured(
        participant=stated_over(request, case.participant),
        scan=case.scan,
        findings=(*case.findings, note),
        motion=case.motion,
        signals=case.signals,
        quality=case.quality,
        connectome=case.connectome,
        boldref=None,
        mask=None,
        spatial_map=None,
        atlas=atlas,
        template=load_template(atlas.template),
        route="parcel series of a case",
    )


def _left_out(case: Case, frames: tuple[int, ...]) -> Case:
    """The case without more frames, besides those that it already leaves out."""
    check_censored(frames, case.scan.shape[3])
    if not frames or case.signals is None:
        return case
    again = recensored(case, {*censored_frames(case), *frames})
    return replace(
        case,
        signals=again.signals,
        connectome=again.connectome,
        quality=again.quality,
        findings=(*case.findings, *censoring_findings(frames)),
    )


def _from_series(
    series: ParcelSeries,
    moved_mm: Floats | None,
    findings: list[Finding],
    request: AnalysisRequest,
    wanted: Measurement,
) -> Measured:
    atlas = load_atlas(series.atlas)
    frames = len(series.values)
    preset_name = str(series.facts.get("CleaningPreset", series.facts.get("Preset", "")))
    known_preset = preset_name in {preset.name for preset in PRESETS}
    preset = find_preset(preset_name if known_preset else "none")
    good: Bools = np.ones(frames, bool)
    if moved_mm is not None:
        good = np.asarray(~(np.nan_to_num(moved_mm) > preset.flag_fd_power_mm), bool)
    check_censored(request.censored_frames, frames)
    good = without_censored(good, 0, request.censored_frames)
    quality, missing = _quality(series, good, moved_mm, wanted)
    blocked = []
    if not known_preset:
        blocked.append("how the series were cleaned (CleaningPreset)")
    if not str(series.facts.get("Units", "")).startswith("percent"):
        blocked.append('their unit (Units, "percent" of the parcel\'s mean)')
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        names = ", ".join(missing[:3])
        blocked.append(f"{len(missing)} of {len(LIMITS)} quality measures ({names}{more})")
    if blocked:
        findings = [*findings, _unstated(blocked)]
    signals = CleanSignals(
        atlas=atlas.name,
        template=atlas.template,
        parcel_names=atlas.parcel_names,
        networks=atlas.networks,
        hemispheres=atlas.hemispheres,
        centroids_mm=frozen(atlas.centroids_mm),
        raw=frozen(series.values),
        cleaned=frozen(series.values),
        good_frames=frozen(good),
        coverage=frozen(series.present.astype(float)),
        repetition_time_s=series.repetition_time_s,
        first_frame=0,
        preset=preset.name if known_preset else NOT_STATED,
        residual_degrees_of_freedom=_stated(series, "residual_degrees_of_freedom"),
        confounds={} if moved_mm is None else {"framewise_displacement": frozen(moved_mm)},
        atlas_sha256=atlas.sha256,
    )
    participant, known = participant_and_findings(request)
    note = Finding(
        "scan.route_parcels",
        Severity.NOTE,
        "Only parcel series were opened: nothing was preprocessed here and no image was seen.",
    )
    return Measured(
        participant=participant,
        scan=scan_of(series, request.scan_path),
        findings=(
            *series.findings,
            *findings,
            note,
            *known,
            *censoring_findings(request.censored_frames),
        ),
        motion=None if moved_mm is None else _motion(moved_mm),
        signals=signals,
        quality=quality,
        connectome=pearson_connectivity(signals.cleaned, signals.good_frames),
        boldref=None,
        mask=None,
        spatial_map=None,
        atlas=atlas,
        template=load_template(atlas.template),
        route="parcel series",
    )


def _unstated(what: list[str]) -> Finding:
    return Finding(
        "series.not_stated",
        Severity.BLOCKING,
        "Parcel series alone do not say: " + "; ".join(what) + ".",
        _STATE_IT,
    )


def _quality(
    series: ParcelSeries, good: Bools, moved_mm: Floats | None, wanted: Measurement
) -> tuple[QualityReport, list[str]]:
    """What can be measured or is stated against its limits, and the names of the rest."""
    values = {
        "usable_time_s": float(good.sum()) * series.repetition_time_s,
        "frames": float(len(good)),
        "low_coverage_percent": 100.0 * float(1.0 - series.present.mean()),
    }
    if moved_mm is not None:
        values["mean_fd_power_mm"] = float(np.nanmean(moved_mm))
        values["flagged_percent"] = 100.0 * float(1.0 - good.mean())
    for limit in LIMITS:
        stated = _stated(series, limit.name)
        if math.isfinite(stated):
            values.setdefault(limit.name, stated)
    missing = [limit.label for limit in LIMITS if limit.name not in values]
    return judge_known(values, wanted.moved_limits), missing


def _stated(series: ParcelSeries, name: str) -> float:
    """A quality measure that the sidecar states; NaN without."""
    return float(series.stated_quality.get(name, math.nan))


def _moved_mm(path: Path, frames: int) -> tuple[Floats | None, list[Finding]]:
    """Framewise displacement of the confound table with exactly the file's entities."""
    table = confounds_beside(path)
    if table is None:
        return None, []
    try:
        read = read_numbers(table, wanted=["framewise_displacement"], what="confound table")
    except AppError as error:
        return None, [Finding("series.confounds_damaged", Severity.WARNING, error.message)]
    if len(read.values) != frames or read.header != ("framewise_displacement",):
        return None, [
            Finding(
                "series.confounds_rows",
                Severity.WARNING,
                f"The confound table beside the series does not fit ({len(read.values)} rows for "
                f"{frames} frames); head motion is unknown.",
            )
        ]
    return np.asarray(read.values[:, 0]), []


def _motion(moved_mm: Floats) -> Motion:
    """Displacement is all that is known."""
    unknown = np.full(len(moved_mm), np.nan)
    return Motion(
        parameters=frozen(np.full((len(moved_mm), 6), np.nan)),
        centre_mm=frozen(np.full(3, np.nan)),
        framewise_displacement_mm=frozen(moved_mm),
        framewise_displacement_jenkinson_mm=frozen(unknown),
        residual_cost=frozen(unknown),
        reference_frame=0,
    )


def scan_of(series: ParcelSeries, path: Path) -> Scan:
    """Series described as a scan without a grid."""
    frames, parcels = series.values.shape
    return Scan(
        sha256=series.sha256,
        shape=(parcels, 1, 1, frames),
        voxel_size_mm=(math.nan, math.nan, math.nan),
        affine=frozen(np.eye(4)),
        repetition_time_s=series.repetition_time_s,
        repetition_time_source=series.repetition_time_source,
        storage_orientation="",
        sform_code=0,
        qform_code=0,
        stored_dtype="float64",
        space=PARCEL_SPACE,
        task=participant_of(path).task,
        simulated=str(series.facts.get("SimulatedBy", "")).startswith(SIMULATOR),
        scanner="",
        field_strength_t=None,
    )
