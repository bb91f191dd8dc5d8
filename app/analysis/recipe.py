"""The recipe: from a raw scan on disk to a case. One line per stage, as a methods section reads.

`analyse` is the one function behind the window, the command line and the cohort. It knows
neither Qt nor processes: it takes plain frozen data, reports progress, can be cancelled at each
step, and writes nothing but whole case folders.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app import __version__
from app.analysis.explaining import (
    NOT_EXPLAINED,
    explained,
    fallback_findings,
    has_number,
    summary_path,
    with_summary,
)
from app.analysis.identity import UNREADABLE, source_sha256
from app.analysis.making import seconds_of_done, t1_sha256, with_seconds
from app.analysis.measure import (
    NOT_STATED,
    Measured,
    Measurement,
    measurement_weights,
    thread_count,
)
from app.analysis.outputs import attribution_files, measured_files
from app.analysis.override import reason_used, research_allowed
from app.analysis.routes import measure_source
from app.analysis.template_run import TEMPLATE_RUN_SECONDS, add_template_run, template_run_name
from app.core.progress import Progress
from app.core.provenance import software_versions
from app.core.pseudonym import participant_label, session_label
from app.core.request import AnalysisRequest
from app.core.results import CENSORED, PREPROCESSING, REQUEST, Case, Provenance, overrides_quality
from app.preprocessing.presets import find_preset
from app.study.case_store import case_id, damaged_files, read_case, update_case, write_case
from app.study.files import check_writable

if TYPE_CHECKING:
    from app.models.bundle import Bundle

# Where things lie; what series, table or atlas is meant is in the hash of the source.
_NOT_THE_ANSWER = (
    "scan_path", "out_dir", "threads", "participant_uuid", "write_pdf", "t1_path", "stage_cache",
    "write_mni_bold", "series", "confounds_path", "atlas",
)  # fmt: skip
PREDICT_SECONDS, EXPLAIN_SECONDS, REPORT_SECONDS = 3.0, 20.0, 6.0


def analyse(request: AnalysisRequest, progress: Progress | None = None) -> Case:
    """Take one scan through the whole recipe and write its case folder.

    Parameters
    ----------
    request
        Which scan and how.
    progress
        Told at every step; a cancel takes hold there and leaves nothing half-written. It
        announces ``case_updated`` with ``case_folder`` each time the folder has grown: when the
        prediction stands, and at the end. Readers see the old folder or the new one, never a
        mixture.

    Returns
    -------
    Case
        As written to ``request.out_dir / case.case_id``. A case that lies there whole is read
        back and not computed again.

    Raises
    ------
    AppError
        One typed error: what is wrong and what to do.
    """
    from app.models.bundle import load_bundle

    request = _checked(request)
    progress = progress or Progress()
    progress.set_weights(stage_weights(request))
    bundle = load_bundle(request.model_id)
    source = source_sha256(request)
    name = _case_id(request, bundle, source)
    folder = request.out_dir / name
    if source != UNREADABLE and _is_finished(folder, request):
        return read_case(folder)
    check_writable(request.out_dir)
    measured = measure_source(request, measurement_of(bundle), progress)
    with progress.stage("predict"):
        case = _predicted(name, request, measured, bundle, progress)
    case = with_seconds(case, progress, "predict")
    files = measured_files(case, measured)
    folder = write_case(case, request.out_dir, files=files, replace=True)
    progress.announce("case_updated", case_folder=str(folder))
    if request.write_mni_bold and measured.made is not None:
        with progress.stage("template_run"):
            folder = add_template_run(request, case, measured, folder, progress)
    if request.attribution and has_number(case):
        with progress.stage("explain"):
            case = explained(case, bundle, request.device, progress)
        case = with_seconds(case, progress, "explain")
        maps = attribution_files(case, measured.atlas.labels_2mm) if case.attribution else {}
        folder = update_case(folder, case, maps)
    if request.write_pdf and not overrides_quality(case):
        with progress.stage("report"):
            folder = with_summary(case, folder, progress)
    progress.announce("case_updated", case_folder=str(folder))
    return case


def stage_weights(request: AnalysisRequest) -> dict[str, float]:
    """Expected seconds of each stage, in order."""
    with_t1 = request.t1_path is not None
    weights = {**measurement_weights(with_t1=with_t1), "predict": PREDICT_SECONDS}
    if request.write_mni_bold:
        weights["template_run"] = TEMPLATE_RUN_SECONDS
    if request.attribution:
        weights["explain"] = EXPLAIN_SECONDS
    if request.write_pdf:
        weights["report"] = REPORT_SECONDS
    return weights


def measurement_of(bundle: Bundle) -> Measurement:
    """What the model was made from decides how a scan is measured for it."""
    contract = bundle.contract
    return Measurement(
        contract.atlas, contract.preset, contract.quality_limits, contract.repetition_time_s
    )


def _checked(request: AnalysisRequest) -> AnalysisRequest:
    """The request with pseudonym and visit in BIDS spelling, refused before any work is done."""
    return replace(
        request,
        participant_label=participant_label(request.participant_label),
        session=session_label(request.session),
        cleared=tuple(sorted(set(request.cleared))),
        censored_frames=tuple(sorted(set(request.censored_frames))),
    )


def _settings(request: AnalysisRequest) -> dict[str, object]:
    """What was asked; neither where things lie nor how many threads run may change the answer."""
    return {key: value for key, value in asdict(request).items() if key not in _NOT_THE_ANSWER}


def _case_id(request: AnalysisRequest, bundle: Bundle, source: str) -> str:
    settings = _settings(request)
    if request.t1_path is not None:
        settings["t1_sha256"] = t1_sha256(request)
    return case_id(
        scan_sha256=source,
        settings=settings,
        model_sha256=bundle.identity_sha256,
    )


def _is_finished(folder: Path, request: AnalysisRequest) -> bool:
    """The same question was answered here before, whole, and nothing was changed since."""
    if not folder.is_dir() or damaged_files(folder):
        return False
    case = read_case(folder)
    explained = (
        case.attribution is not None
        or not request.attribution
        or not has_number(case)
        or NOT_EXPLAINED in case.findings
    )
    no_pdf = not request.write_pdf or overrides_quality(case)
    if request.write_mni_bold and case.scan.space == "scanner":
        explained = explained and (folder / template_run_name(case)).exists()
    return explained and (no_pdf or summary_path(case, folder).exists())


def _predicted(
    name: str, request: AnalysisRequest, measured: Measured, bundle: Bundle, progress: Progress
) -> Case:
    from app.models.gates import Asked

    research, more = research_allowed(request, measured.quality)
    findings = (*measured.findings, *more)
    asked = Asked(
        measured.signals,
        measured.connectome,
        measured.participant,
        measured.scan,
        measured.quality,
        findings,
        request.question,
    )
    prediction, device, notes = bundle.predict_with_notes(
        asked, research=research, device=request.device, progress=progress
    )
    case = Case(
        case_id=name,
        participant=measured.participant,
        scan=measured.scan,
        findings=(*findings, *fallback_findings(notes)),
        motion=measured.motion,
        signals=measured.signals,
        quality=measured.quality,
        connectome=measured.connectome,
        prediction=prediction,
    )
    return replace(case, provenance=_provenance(request, measured, bundle, progress, device, notes))


def _provenance(
    request: AnalysisRequest,
    measured: Measured,
    bundle: Bundle,
    progress: Progress,
    device: str,
    notes: tuple[str, ...],
) -> Provenance:
    from app.models.device import TORCH_THREADS

    spatial_map = measured.spatial_map
    return Provenance(
        app_version=__version__,
        versions=software_versions(),
        device=device,
        threads=thread_count(request),
        seeds={"run": request.seed},
        parameters={
            "device_notes": list(notes),
            "deterministic": True,
            "finished_utc": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            **_preset_facts(measured.signals.preset),
            "quality_table": measured.quality.table_version,
            "registration": "none" if spatial_map is None else spatial_map.method,
            "registration_notes": [] if spatial_map is None else list(spatial_map.notes),
            "route": measured.route,
            "repetition_time_source": measured.scan.repetition_time_source,
            "research": request.research,
            PREPROCESSING: _making_record(measured),
            REQUEST: _settings(request),
            **(
                {"override_reason": reason}
                if (reason := reason_used(request, measured.quality))
                else {}
            ),
            **({CENSORED: list(request.censored_frames)} if request.censored_frames else {}),
            "torch_threads": TORCH_THREADS,
        },
        hashes={
            "scan": measured.scan.sha256,
            "atlas": measured.atlas.sha256,
            "template": measured.template.sha256,
            "weights": bundle.weights_sha256,
            "model_card": bundle.card.sha256,
        },
        stage_seconds=seconds_of_done(progress.stage_seconds, measured.made),
    )


def _preset_facts(name: str) -> dict[str, object]:
    """Filter and limits in force; only the name where parcel series do not say how they came."""
    if name == NOT_STATED:
        return {"preset": name}
    preset = find_preset(name)
    return {
        "high_pass_hz": preset.high_pass_hz,
        "low_pass_hz": preset.low_pass_hz,
        "flag_fd_power_mm": preset.flag_fd_power_mm,
        "flag_std_dvars": preset.flag_std_dvars,
        "preset": preset.name,
    }


def _making_record(measured: Measured) -> dict[str, object]:
    """How the run was preprocessed; what was recalled from the cache changes nothing here."""
    made, motion, spatial_map = measured.made, measured.motion, measured.spatial_map
    if made is None or motion is None or spatial_map is None:
        return {}
    return {
        "preset_sha256": made.preset_sha256,
        "slice_timing_reference_s": made.slice_time_s,
        "first_steady_frame": made.steady_frame,
        "mask_method": made.mask_method,
        "registration_route": spatial_map.route,
        "registration_route_scores": dict(spatial_map.route_scores),
        "interpolation": made.interpolation,
        "motion_device": made.devices["motion"],
        "sampling_device": made.devices["sampling"],
        "motion_frames_retried": len(motion.retried_frames),
        "motion_frames_fallback": len(motion.fallback_frames),
        "motion_frames_uncertain": len(motion.uncertain_frames),
        "t1_sha256": made.t1_sha256,
        "stage_keys": dict(made.stage_keys),
    }
