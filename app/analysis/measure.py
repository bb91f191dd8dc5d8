"""From a scan on disk to clean parcel series, their quality and their connectivity."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.analysis.censoring import censoring_findings, check_censored
from app.analysis.making import Making, beside_of, making_of, stages_of
from app.analysis.opening import facts_about, open_images
from app.analysis.repetition_time import with_repetition_time
from app.connectome.atlases import Atlas, load_atlas
from app.connectome.connectivity import gram_connectivity, pearson_connectivity
from app.connectome.templates import Template, load_template
from app.core.arrays import frozen
from app.core.folders import private_prefix
from app.core.frames import not_cleaned_text
from app.core.images import Image3D, SpatialMap
from app.core.progress import Progress
from app.core.provenance import step_seed
from app.core.request import AnalysisRequest
from app.core.results import (
    CleanSignals,
    Connectome,
    Finding,
    Motion,
    Participant,
    QualityReport,
    Scan,
    Severity,
)
from app.preprocessing.chain import Preprocessed, TemplateImages, preprocess
from app.preprocessing.presets import CleaningPreset, find_preset
from app.preprocessing.sampling import preprocessing_device
from app.preprocessing.steps import stage_weights
from app.scans.bids import UNNAMED, ParticipantFacts

NOT_STATED = "not stated"  # the preset of parcel series that do not say how they were cleaned
_T = TypeVar("_T")
OPEN_SECONDS = 1.5  # typical share of the time, for progress


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a model asks of the recipe; part of its contract."""

    atlas: str = "HCPEx"
    preset: str = "simple-highpass"
    moved_limits: Mapping[str, tuple[float, float]] | None = None
    repetition_time_s: float | None = None  # what the model was made with


@dataclass(frozen=True, slots=True)
class Measured:
    """A scan, measured: everything short of a model's answer."""

    participant: Participant
    scan: Scan
    findings: tuple[Finding, ...]
    motion: Motion | None  # None where nothing is known of it
    signals: CleanSignals
    quality: QualityReport
    connectome: Connectome
    boldref: Image3D | None  # None where there are parcel series only
    mask: Image3D | None
    spatial_map: SpatialMap | None
    atlas: Atlas
    template: Template
    route: str = "raw run"
    made: Making | None = None  # None where there was no raw run


def measurement_weights(*, with_t1: bool = False) -> dict[str, float]:
    """Expected seconds of each stage of `measure`, for `Progress`."""
    return {"open": OPEN_SECONDS, **stage_weights(with_t1=with_t1)}


def measure(request: AnalysisRequest, wanted: Measurement, progress: Progress) -> Measured:
    """Open, preprocess and connect one scan.

    The voxels are inflated into a private folder that is gone when this returns.

    Raises
    ------
    AppError
        Whatever is wrong with the scan, in one sentence, or `CancelledError`.
    """
    atlas = load_atlas(wanted.atlas)
    template = load_template(atlas.template)
    preset = find_preset(wanted.preset)
    with tempfile.TemporaryDirectory(prefix=private_prefix()) as private:
        with progress.stage("open"):
            loaded = open_images(request, Path(private), progress)
        check_censored(request.censored_frames, loaded.scan.shape[3])
        beside = beside_of(request, loaded.scan)
        done = preprocess(
            loaded.image,
            atlas.points,
            TemplateImages(
                template.epi_contrast_2mm,
                template.brain_mask_2mm,
                template.csf_2mm,
                template.white_2mm,
                template.t1_2mm,
            ),
            preset,
            beside=beside,
            seed=step_seed(request.seed, loaded.scan.sha256, "registration"),
            moved_limits=wanted.moved_limits,
            stages=stages_of(request, loaded.scan, template),
            scratch=Path(private),
            device=preprocessing_device(request.device),
            progress=progress,
            threads=thread_count(request),
        )
    signals = _signals(atlas, wanted.preset, done, loaded.scan)
    participant, findings = participant_and_findings(request)
    return Measured(
        participant=participant,
        scan=loaded.scan,
        findings=(
            *loaded.findings,
            *findings,
            *done.findings,
            *motion_findings(signals),
            *censoring_findings(request.censored_frames),
        ),
        motion=done.motion,
        signals=signals,
        quality=with_repetition_time(
            done.quality, loaded.scan, loaded.findings, wanted.repetition_time_s
        ),
        connectome=connectome_of(signals, preset),
        boldref=done.boldref,
        mask=done.mask,
        spatial_map=done.spatial_map,
        atlas=atlas,
        template=template,
        made=making_of(done, preset, beside),
    )


def connectome_of(signals: CleanSignals, preset: CleaningPreset) -> Connectome:
    """The measure that the preset fixes: correlation of the good frames, or X X' of all."""
    if preset.connectivity == "gram":
        return gram_connectivity(signals.cleaned)
    return pearson_connectivity(signals.cleaned, signals.good_frames)


def thread_count(request: AnalysisRequest) -> int:
    """Threads asked for, or one a core."""
    return request.threads or os.cpu_count() or 1


def _signals(atlas: Atlas, preset: str, done: Preprocessed, scan: Scan) -> CleanSignals:
    return CleanSignals(
        atlas=atlas.name,
        template=atlas.template,
        parcel_names=atlas.parcel_names,
        networks=atlas.networks,
        hemispheres=atlas.hemispheres,
        centroids_mm=frozen(atlas.centroids_mm),
        raw=frozen(done.sampled.series),
        cleaned=frozen(done.cleaned.values),
        good_frames=frozen(np.asarray(done.good_frames, np.bool_)),
        coverage=frozen(done.sampled.coverage),
        repetition_time_s=scan.repetition_time_s,
        first_frame=done.first_frame,
        preset=preset,
        residual_degrees_of_freedom=done.cleaned.residual_degrees_of_freedom,
        confounds={name: frozen(values) for name, values in done.confounds.items()},
        units=done.cleaned.units,
        confound_facts=dict(done.confound_facts),
        atlas_sha256=atlas.sha256,
    )


def motion_findings(signals: CleanSignals) -> tuple[Finding, ...]:
    """Says it where head motion left nothing that could be cleaned."""
    few = not_cleaned_text(signals)
    if not few:
        return ()
    return (
        Finding(
            "scan.too_few_good_frames",
            Severity.WARNING,
            few,
            "Repeat the scan; what moved and when stands on the quality page.",
        ),
    )


def participant_and_findings(request: AnalysisRequest) -> tuple[Participant, tuple[Finding, ...]]:
    """Who was scanned: what the request states, then what lies beside the scan."""
    facts = facts_about(request)
    return stated_over(request, facts), tuple(facts.findings)


def stated_over(request: AnalysisRequest, known: ParticipantFacts | Participant) -> Participant:
    """What the request states of the person, then what is known, except what was cleared."""

    def kept(name: str, value: _T, nothing: _T) -> _T:
        return nothing if name in request.cleared else value

    def first(name: str, stated: _T | None, value: _T | None) -> _T | None:
        return stated if stated is not None else kept(name, value, None)

    return Participant(
        uuid=request.participant_uuid or str(uuid.uuid4()),
        label=request.participant_label or kept("participant_label", known.label, UNNAMED),
        session=request.session or kept("session", known.session, ""),
        age_years=first("age_years", request.age_years, known.age_years),
        sex=first("sex", request.sex or None, known.sex),
        baseline_pain=first("baseline_pain", request.baseline_pain, known.baseline_pain),
        site=first("site", request.site or None, known.site),
    )
