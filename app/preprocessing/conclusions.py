"""From sampled series to the verdict: confounds, cleaning, quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.images import Image3D, ParcelPoints
from app.core.progress import Progress
from app.core.results import Motion, QualityReport
from app.preprocessing.cleaning import CleanedSeries, clean_series, good_frames
from app.preprocessing.compcor import compcor
from app.preprocessing.confounds import (
    brain_voxels,
    compute_confounds,
    non_steady_columns,
    single_tissue_voxels,
    temporal_snr,
)
from app.preprocessing.framewise import breathing_filtered, framewise_displacement_power
from app.preprocessing.informing import informing_values, temporal_snr_map
from app.preprocessing.placement import Placed
from app.preprocessing.presets import CleaningPreset
from app.preprocessing.quality import SMALLEST_JUDGED_PARCEL, judge_quality
from app.preprocessing.sampling import SampledSeries, ScannerPoints
from app.preprocessing.slice_timing import SliceTimingPlan


@dataclass(frozen=True, slots=True)
class Found:
    """What the steps up to sampling found."""

    first: int
    steady: int
    motion: Motion
    plan: SliceTimingPlan
    boldref: Image3D
    placed: Placed
    tissues: ScannerPoints
    sampled: SampledSeries


@dataclass(frozen=True, slots=True)
class Conclusions:
    """What was made of it; rows are frames from `Found.first` on."""

    confounds: dict[str, Floats]
    confound_facts: dict[str, dict[str, object]]
    good_frames: Bools
    cleaned: CleanedSeries
    temporal_snr: float
    temporal_snr_map: Image3D
    quality: QualityReport


def conclude(
    found: Found,
    *,
    preset: CleaningPreset,
    repetition_time_s: float,
    points: ParcelPoints,
    moved_limits: Mapping[str, tuple[float, float]] | None,
    progress: Progress,
    censored_frames: tuple[int, ...] = (),
) -> Conclusions:
    """Confounds, cleaned series and the quality verdict of one sampled run.

    Parameters
    ----------
    found
        With `sampled.voxels` of `brain_voxels`, then `single_tissue_voxels`, and with moments.
    preset
        Filter, regressors and limits of flagging.
    points
        Of the atlas; parcels of a single point are not judged by their coverage.
    moved_limits
        Quality limits that the model card moves.
    censored_frames
        Of the file, left out by hand: they count as flagged.
    """
    sampled, motion, first = found.sampled, found.motion, found.first
    mask, seconds = found.placed.mask.image, repetition_time_s
    brain = sampled.voxels[:, : len(brain_voxels(mask))]
    with progress.stage("confounds"):
        whole = replace(sampled, voxels=np.ascontiguousarray(brain))
        confounds = compute_confounds(motion, whole, first_frame=first, repetition_time_s=seconds)
        progress.step(0.5, "Principal components of noise")
        singles = single_tissue_voxels(found.tissues)
        slow = {name: row for name, row in confounds.items() if name.startswith("cosine")}
        noise = compcor(
            whole.voxels, sampled.voxels[:, brain.shape[1] :], singles.group_of_point, slow
        )
        confounds |= {name: frozen(row) for name, row in noise.columns.items()}
        confounds |= non_steady_columns(len(brain), found.steady - first)
        good = good_frames(confounds, preset)
        frames = np.arange(first, first + len(good))
        left_out = (*motion.uncertain_frames, *censored_frames)
        good &= ~np.isin(frames, left_out) & (frames >= found.steady)
    with progress.stage("cleaning"):
        cleaned = clean_series(sampled.series, confounds, good, seconds, preset)
    with progress.stage("quality"):
        snr = temporal_snr(whole.voxels, good)
        assert sampled.moments is not None
        snr_map = temporal_snr_map(sampled.moments, mask)
        progress.step(0.3, "Measuring quality")
        informing = informing_values(whole.voxels, good, found.boldref, mask, confounds)
        informing |= _informing(found, seconds)
        sizes = np.bincount(points.parcel_of_point, minlength=points.parcel_count)
        freedom = cleaned.residual_degrees_of_freedom
        quality = judge_quality(
            framewise_displacement_mm=confounds["framewise_displacement"],
            good_frames=good,
            repetition_time_s=seconds,
            temporal_snr=snr,
            coverage=sampled.coverage[sizes >= SMALLEST_JUDGED_PARCEL],
            spatial_map=found.placed.spatial_map,
            left_right_margin=found.placed.left_right_margin,
            edge_offset_mm=found.placed.edge_offset_mm,
            residual_degrees_of_freedom=None if np.isnan(freedom) else freedom,
            informing=informing,
            moved_limits=moved_limits,
        )
    return Conclusions(confounds, noise.facts, frozen(good), cleaned, snr, snr_map, quality)


def _informing(found: Found, repetition_time_s: float) -> dict[str, float]:
    spatial_map, motion = found.placed.spatial_map, found.motion
    values = {
        "dummy_frames": float(found.steady),
        "uncertain_frames": float(len(motion.uncertain_frames)),
        "mask_overlap": spatial_map.mask_overlap,
        "mutual_information": spatial_map.mutual_information,
    }
    calm = breathing_filtered(motion.parameters[found.steady :], repetition_time_s)
    if calm is not None:
        values["mean_fd_filtered_mm"] = float(np.nanmean(framewise_displacement_power(calm)))
    return values
