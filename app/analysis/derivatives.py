"""The route of a run that fMRIPrep has preprocessed: its images, its confounds, our parcels.

Nothing is moved: the atlas is sampled in the run's own template by world coordinates, with one
cubic B-spline. Motion and nuisance signals come from fMRIPrep's table, never from a second
estimate. Cleaning and quality are those of every other route.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from app.analysis.censoring import censoring_findings, check_censored, without_censored
from app.analysis.measure import (
    Measured,
    Measurement,
    connectome_of,
    motion_findings,
    participant_and_findings,
    thread_count,
)
from app.analysis.opening import checked_derivative
from app.analysis.space_check import space_findings
from app.analysis.template_versions import version_findings
from app.connectome.atlases import load_atlas
from app.connectome.templates import load_template
from app.core.arrays import Floats, frozen
from app.core.errors import PreprocessingError
from app.core.folders import private_prefix
from app.core.images import Image3D, Image4D
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import MOTION_COLUMNS, CleanSignals, Finding, Motion, Severity
from app.preprocessing.cleaning import clean_series, good_frames
from app.preprocessing.confounds import brain_voxels, temporal_snr
from app.preprocessing.edge_offset import edge_offset_mm
from app.preprocessing.presets import find_preset
from app.preprocessing.quality import judge_quality
from app.preprocessing.registration import identity_registration, left_right_margin
from app.preprocessing.sampling import sample_parcels
from app.scans.faults import Fault, raise_all
from app.scans.fmriprep import DerivativeRun, check_rows, made_by, read_mask, same_grid
from app.scans.fmriprep_table import read_confounds
from app.scans.nifti import LoadedScan, read_nifti
from app.scans.volume import read_volume

SAME_RUN_CORRELATION = 0.7  # of the table's global signal with the run's own
DERIVATIVE_SECONDS = {"open": 2.0, "registration": 3.0, "sampling": 12.0, "cleaning": 0.3,
                      "quality": 0.2}  # fmt: skip


def measure_derivative(
    request: AnalysisRequest, wanted: Measurement, progress: Progress
) -> Measured:
    """Measure one fMRIPrep run.

    Raises
    ------
    AppError
        ``derivative.…``: what does not belong together or cannot be used, and why;
        ``derivative.choose_confounds`` when the user has to say which table is the run's.
    """
    atlas = load_atlas(wanted.atlas)
    template = load_template(atlas.template)
    preset = find_preset(wanted.preset)
    run = checked_derivative(request)
    if run.space != atlas.template:
        raise PreprocessingError(
            f"The run lies in {run.space}, but the atlas {atlas.name} in {atlas.template}.",
            "Use fMRIPrep's output in the atlas's template, or the unprocessed run.",
            code="preprocessing.template_mismatch",
        )
    with tempfile.TemporaryDirectory(prefix=private_prefix()) as private:
        with progress.stage("open"):
            loaded = read_nifti(
                run.bold,
                cache_dir=Path(private),
                stated_repetition_time_s=request.repetition_time_s,
                progress=progress,
            )
            check_censored(request.censored_frames, loaded.scan.shape[3])
            mask, boldref = _companions(run, loaded)
            assert run.confounds is not None
            table, first = read_confounds(run.confounds, loaded.scan.shape[3], preset.regressors)
        with progress.stage("registration"):
            spatial_map = identity_registration(
                boldref, mask, template.epi_contrast_2mm, template.brain_mask_2mm
            )
            margin = left_right_margin(
                boldref, spatial_map, template.epi_contrast_2mm, template.brain_mask_2mm
            )
            offset = edge_offset_mm(
                boldref, mask, spatial_map, template.epi_contrast_2mm, template.brain_mask_2mm
            )
            space = space_findings(
                boldref,
                mask,
                template.name,
                {template.name: (template.epi_contrast_2mm, template.brain_mask_2mm)},
            )
            if all(finding.severity is not Severity.BLOCKING for finding in space):
                space += version_findings(boldref, mask, template.name)
        first = first if preset.trimmed else 0
        confounds = {name: frozen(values[first:]) for name, values in table.items()}
        good = without_censored(good_frames(confounds, preset), first, request.censored_frames)
        counted = np.ones(loaded.scan.shape[3], bool)
        counted[first:] = good
        with progress.stage("sampling"):
            sampled = sample_parcels(
                loaded.image,
                None,
                spatial_map,
                atlas.points,
                mask,
                first_frame=first,
                counted_frames=frozen(counted),
                parcel_mean=preset.parcel_mean,
                voxel_points_mm=brain_voxels(mask),
                progress=progress,
                threads=thread_count(request),
            )
    _same_run(confounds, sampled.voxels.mean(axis=1, dtype=np.float64))
    seconds = loaded.scan.repetition_time_s
    with progress.stage("cleaning"):
        cleaned = clean_series(sampled.series, confounds, good, seconds, preset)
    freedom = cleaned.residual_degrees_of_freedom
    with progress.stage("quality"):
        quality = judge_quality(
            framewise_displacement_mm=confounds["framewise_displacement"],
            good_frames=good,
            repetition_time_s=seconds,
            temporal_snr=temporal_snr(sampled.voxels, good),
            coverage=sampled.coverage,
            spatial_map=spatial_map,
            left_right_margin=margin,
            edge_offset_mm=offset,
            residual_degrees_of_freedom=None if np.isnan(freedom) else freedom,
            moved_limits=wanted.moved_limits,
        )
    signals = CleanSignals(
        atlas=atlas.name,
        template=atlas.template,
        parcel_names=atlas.parcel_names,
        networks=atlas.networks,
        hemispheres=atlas.hemispheres,
        centroids_mm=frozen(atlas.centroids_mm),
        raw=frozen(sampled.series),
        cleaned=frozen(cleaned.values),
        good_frames=frozen(np.asarray(good, np.bool_)),
        coverage=frozen(sampled.coverage),
        repetition_time_s=seconds,
        first_frame=first,
        preset=wanted.preset,
        residual_degrees_of_freedom=freedom,
        confounds=confounds,
        units=cleaned.units,
        atlas_sha256=atlas.sha256,
    )
    participant, findings = participant_and_findings(request)
    return Measured(
        participant=participant,
        scan=loaded.scan,
        findings=(
            *loaded.findings,
            *run.findings,
            *space,
            _route(run),
            *findings,
            *motion_findings(signals),
            *censoring_findings(request.censored_frames),
        ),
        motion=_motion(table),
        signals=signals,
        quality=quality,
        connectome=connectome_of(signals, preset),
        boldref=boldref,
        mask=mask,
        spatial_map=spatial_map,
        atlas=atlas,
        template=template,
        route="fMRIPrep derivative",
    )


def _companions(run: DerivativeRun, loaded: LoadedScan) -> tuple[Image3D, Image3D]:
    """Mask and reference image, on the run's own grid."""
    assert run.mask is not None
    image = loaded.image
    shape = image.data.shape[:3]
    mask = read_mask(run.mask, image.space)
    faults = [
        *same_grid(mask, shape, image.affine, "brain mask"),
        *check_rows(run, image.data.shape[3]),
    ]
    if run.boldref is None:
        boldref = Image3D(frozen(_mean(image)), image.affine, image.space)
    else:
        boldref = read_volume(run.boldref, image.space)
        faults += same_grid(boldref, shape, image.affine, "reference image")
    raise_all(faults)
    return mask, boldref


def _mean(image: Image4D) -> Floats:
    total = np.zeros(image.data.shape[:3])
    for frame in range(image.data.shape[3]):
        total += image.data[..., frame]
    return np.asarray(total / image.data.shape[3] * image.slope + image.intercept)


def _same_run(confounds: dict[str, Floats], own: Floats) -> None:
    """The table's global signal must be this run's: another run's table can have as many rows."""
    theirs = confounds.get("global_signal")
    if theirs is None or np.ptp(theirs) == 0 or np.ptp(own) == 0:
        return
    r = float(np.corrcoef(theirs, own)[0, 1])
    if r < SAME_RUN_CORRELATION:
        raise Fault(
            "derivative.confounds_other_run",
            f"The confound table is not of this run: its global signal and the run's own "
            f"correlate at {r:.2f}.",
            "Choose the table of this run.",
        ).error()


def _motion(table: dict[str, Any]) -> Motion:
    """Motion as fMRIPrep tells it; its rotation centre is not in the table."""
    parameters = np.stack([table[name] for name in MOTION_COLUMNS], axis=1)
    unknown = np.full(len(parameters), np.nan)
    return Motion(
        parameters=frozen(parameters),
        centre_mm=frozen(np.full(3, np.nan)),
        framewise_displacement_mm=frozen(table["framewise_displacement"]),
        framewise_displacement_jenkinson_mm=frozen(table.get("rmsd", unknown)),
        residual_cost=frozen(unknown),
        reference_frame=0,
    )


def _route(run: DerivativeRun) -> Finding:
    return Finding(
        "scan.route_derivatives",
        Severity.NOTE,
        f"Preprocessed by {made_by(run.bold)}: motion correction, placement and confounds are "
        f"its own, space {run.space}. Parcels were sampled at their world coordinates with a cubic "
        "B-spline; cleaning is this program's.",
    )
