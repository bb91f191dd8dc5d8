"""The whole chain without a T1 image: from a raw run to clean parcel series and their quality.

Also takes a run that is already motion-corrected and in the template: then the map is the
identity, nothing is moved, and motion is estimated only to be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion, QualityReport
from app.preprocessing.brain_mask import make_brain_mask, refine_brain_mask
from app.preprocessing.cleaning import (
    CleanedSeries,
    CleaningPreset,
    clean_series,
    good_frames,
)
from app.preprocessing.confounds import (
    brain_voxels,
    compute_confounds,
    temporal_snr,
    tissue_points,
)
from app.preprocessing.motion import estimate_motion
from app.preprocessing.quality import judge_quality
from app.preprocessing.reference import make_boldref
from app.preprocessing.registration import (
    identity_registration,
    left_right_margin,
    register_to_template,
)
from app.preprocessing.sampling import SampledSeries, sample_parcels
from app.preprocessing.steady_state import first_steady_frame, global_signal


@dataclass(frozen=True, slots=True)
class TemplateImages:
    """What the chain needs of a template, all on one grid in its space."""

    epi_contrast: Image3D
    brain_mask: Image3D
    csf: Image3D  # probability 0..1
    white: Image3D


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """Everything the chain found out about one run."""

    first_frame: int
    motion: Motion
    boldref: Image3D
    mask: Image3D
    spatial_map: SpatialMap
    sampled: SampledSeries
    confounds: dict[str, Floats]
    good_frames: Bools
    cleaned: CleanedSeries
    left_right_margin: float
    temporal_snr: float
    quality: QualityReport


def preprocess(
    image: Image4D,
    points: ParcelPoints,
    template: TemplateImages,
    preset: CleaningPreset,
    *,
    seed: int = 0,
    moved_limits: Mapping[str, tuple[float, float]] | None = None,
    progress: Progress | None = None,
    threads: int = 1,
) -> Preprocessed:
    """Run all steps of `steps.STEPS` on one run.

    Parameters
    ----------
    image
        The run; `image.space` "scanner", or the template's name where it already lies there.
    points, template
        Atlas sample points and the template they live in.
    preset
        Filter and regressors of the model in use.
    seed
        Of the registration; the only random numbers in the chain.
    moved_limits
        Quality limits that the model card moves.
    threads
        Must not, and does not, change a bit of the result.

    Raises
    ------
    PreprocessingError
        A step could not do its work; ``preprocessing.template_mismatch`` for another space.
    """
    progress = progress or Progress()
    raw = image.space == "scanner"
    if not raw and image.space != points.template:
        raise PreprocessingError(
            f"The run lies in {image.space}, but the atlas {points.atlas} in {points.template}.",
            "Use the raw run, or the derivative in the atlas's template.",
            code="preprocessing.template_mismatch",
        )
    with progress.stage("steady_state"):
        first = first_steady_frame(global_signal(image))
    with progress.stage("motion"):
        motion = estimate_motion(image, first_frame=first, progress=progress, threads=threads)
        applied = motion if raw else None
    with progress.stage("reference"):
        boldref = make_boldref(
            image, applied, first_frame=first, progress=progress, threads=threads
        )
    with progress.stage("brain_mask"):
        mask = make_brain_mask(boldref)
    with progress.stage("registration"):
        if raw:
            spatial_map = register_to_template(
                boldref,
                mask,
                template.epi_contrast,
                template.brain_mask,
                seed=seed,
                progress=progress,
            )
        else:
            spatial_map = identity_registration(
                boldref, mask, template.epi_contrast, template.brain_mask
            )
        mask = refine_brain_mask(mask, boldref, spatial_map, template.brain_mask)
        margin = left_right_margin(boldref, spatial_map, template.epi_contrast, template.brain_mask)
    with progress.stage("sampling"):
        displacement = motion.framewise_displacement_mm
        sampled = sample_parcels(
            image,
            applied,
            spatial_map,
            points,
            mask,
            first_frame=first,
            counted_frames=frozen(~(displacement > preset.flag_fd_power_mm)),
            tissues=tissue_points(template.white, template.csf, spatial_map, mask),
            voxel_points_mm=brain_voxels(mask),
            progress=progress,
            threads=threads,
        )
    with progress.stage("confounds"):
        confounds = compute_confounds(
            motion, sampled, first_frame=first, repetition_time_s=image.repetition_time_s
        )
        good = good_frames(confounds, preset)
        good &= ~np.isin(np.arange(first, first + len(good)), motion.uncertain_frames)
    with progress.stage("cleaning"):
        cleaned = clean_series(sampled.series, confounds, good, image.repetition_time_s, preset)
    with progress.stage("quality"):
        snr = temporal_snr(sampled.voxels, good)
        quality = judge_quality(
            framewise_displacement_mm=confounds["framewise_displacement"],
            good_frames=good,
            repetition_time_s=image.repetition_time_s,
            temporal_snr=snr,
            coverage=sampled.coverage,
            spatial_map=spatial_map,
            left_right_margin=margin,
            residual_degrees_of_freedom=cleaned.residual_degrees_of_freedom,
            moved_limits=moved_limits,
        )
    return Preprocessed(
        first_frame=first,
        motion=motion,
        boldref=boldref,
        mask=mask,
        spatial_map=spatial_map,
        sampled=replace(sampled, voxels=frozen(sampled.voxels[:, :0])),
        confounds=confounds,
        good_frames=frozen(good),
        cleaned=cleaned,
        left_right_margin=margin,
        temporal_snr=snr,
        quality=quality,
    )
