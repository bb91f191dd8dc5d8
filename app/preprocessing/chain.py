"""The whole chain: from a raw run to clean parcel series and their quality.

Also takes a run that is already motion-corrected and in the template: then the map is the
identity, nothing is moved, and motion is estimated only to be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.core.progress import PartOfStage, Progress
from app.core.provenance import array_sha256
from app.core.results import Finding, Motion, QualityReport
from app.preprocessing.brain_mask import FoundMask, find_brain_mask
from app.preprocessing.cleaning import CleanedSeries
from app.preprocessing.conclusions import Found, conclude
from app.preprocessing.confounds import (
    brain_voxels,
    mask_voxels,
    single_tissue_voxels,
    tissue_images,
    tissue_points,
)
from app.preprocessing.findings import chain_findings
from app.preprocessing.geometry import settled_affine
from app.preprocessing.motion import estimate_motion
from app.preprocessing.placement import (
    Placed,
    TemplateImages,
    finish_placement,
    place_directly,
    place_through_t1,
)
from app.preprocessing.presets import CleaningPreset
from app.preprocessing.reference import make_boldref
from app.preprocessing.sampling import SampledSeries, ScannerPoints, sample_parcels
from app.preprocessing.slice_timing import (
    SliceTimingPlan,
    correct_slice_timing,
    plan_slice_timing,
)
from app.preprocessing.stages import Stages
from app.preprocessing.steady_state import first_steady_frame, global_signal

__all__ = ["Beside", "Preprocessed", "TemplateImages", "preprocess"]


@dataclass(frozen=True, slots=True)
class Beside:
    """What lies beside the voxels of a run and may be used."""

    slice_times_s: tuple[float, ...] = ()  # lowest (RAS+ z) slice first
    t1: Image3D | None = None
    t1_sha256: str = ""
    censored_frames: tuple[int, ...] = ()  # of the file (first = 0), left out by hand


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """Everything the chain found out about one run."""

    first_frame: int  # row 0 of the series is this frame
    steady_frame: int  # first frame with settled magnetisation
    motion: Motion
    slice_timing: SliceTimingPlan
    boldref: Image3D
    mask: Image3D
    mask_method: str
    white: Image3D  # bool, native grid: where the tissue signals come from
    csf: Image3D
    spatial_map: SpatialMap
    sampled: SampledSeries
    confounds: dict[str, Floats]
    confound_facts: dict[str, dict[str, object]]
    good_frames: Bools
    cleaned: CleanedSeries
    left_right_margin: float
    temporal_snr: float
    temporal_snr_map: Image3D
    quality: QualityReport
    findings: tuple[Finding, ...]
    stage_keys: dict[str, str]
    stages_computed: tuple[str, ...]
    stages_recalled: tuple[str, ...]


def preprocess(
    image: Image4D,
    points: ParcelPoints,
    template: TemplateImages,
    preset: CleaningPreset,
    *,
    beside: Beside | None = None,
    seed: int = 0,
    moved_limits: Mapping[str, tuple[float, float]] | None = None,
    stages: Stages | None = None,
    scratch: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    threads: int = 1,
) -> Preprocessed:
    """Run all steps of `steps.STEPS` on one run.

    Parameters
    ----------
    image
        The run; `image.space` "scanner", or the template's name where it already lies there. In
        scanner space all is found at its rounded place (`geometry.settled_affine`).
    points, template
        Atlas sample points and the template they live in.
    preset
        Filter and regressors of the model in use.
    beside
        Slice times and T1 image, where there are any; frames to leave out.
    seed
        Of the registration; the only random numbers in the chain.
    moved_limits
        Quality limits that the model card moves.
    stages
        Recalls what was computed before; None computes everything.
    scratch
        Private folder for volumes that do not fit comfortably into memory.
    device
        "cpu" or "cuda" for motion and sampling.
    threads
        Must not, and does not, change a bit of the result.

    Raises
    ------
    PreprocessingError
        A step could not do its work; ``preprocessing.template_mismatch`` for another space.
    """
    raw = image.space == "scanner"
    if not raw and image.space != points.template:
        raise PreprocessingError(
            f"The run lies in {image.space}, but the atlas {points.atlas} in {points.template}.",
            "Use the raw run, or the derivative in the atlas's template.",
            code="preprocessing.template_mismatch",
        )
    beside, stated = beside or Beside(), image.affine
    if raw:
        image, beside = _settled(image, beside)
    run = _Run(
        image,
        points,
        template,
        preset,
        beside,
        seed,
        stages or Stages(),
        scratch,
        device,
        progress or Progress(),
        threads,
    )
    done = run.through(moved_limits)
    return _at_stated_place(done, stated) if raw else done


def _settled(image: Image4D, beside: Beside) -> tuple[Image4D, Beside]:
    """The run and its T1 image in places that the storage order of their files does not change."""
    if beside.t1 is not None:
        t1 = replace(beside.t1, affine=frozen(settled_affine(beside.t1.affine)))
        beside = replace(beside, t1=t1)
    return replace(image, affine=frozen(settled_affine(image.affine))), beside


def _at_stated_place(done: Preprocessed, stated: Floats) -> Preprocessed:
    """Images and map where the file says they lie, so that they fit the run in other tools.

    Motion stays as it was found: its axes differ by less than 1e-4 rad.
    """
    back = stated @ np.linalg.inv(done.boldref.affine)
    names = ("boldref", "mask", "white", "csf", "temporal_snr_map")
    images = {name: replace(getattr(done, name), affine=frozen(stated)) for name in names}
    spatial_map = replace(done.spatial_map, affine=frozen(back @ done.spatial_map.affine))
    return replace(done, spatial_map=spatial_map, **images)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run on its way through the steps, with everything that it depends on."""

    image: Image4D
    points: ParcelPoints
    template: TemplateImages
    preset: CleaningPreset
    beside: Beside
    seed: int
    stages: Stages
    scratch: Path | None
    device: str
    progress: Progress
    threads: int

    @property
    def raw(self) -> bool:
        """Whether head motion and place are still to be applied."""
        return self.image.space == "scanner"

    def through(self, moved_limits: Mapping[str, tuple[float, float]] | None) -> Preprocessed:
        """All steps, in order."""
        image, stages, progress = self.image, self.stages, self.progress
        with progress.stage("steady_state"):
            steady = first_steady_frame(global_signal(image))
            first = steady if self.preset.trimmed else 0
        with progress.stage("motion"):
            motion = stages.run(
                "motion", Motion, lambda: self.motion(steady), steady=steady, device=self.device
            )
        with progress.stage("reference"):
            boldref = stages.run(
                "reference",
                Image3D,
                lambda: self.boldref(motion, steady),
                after=("motion",),
                steady=steady,
                raw=self.raw,
            )
        with progress.stage("brain_mask"):
            mask = find_brain_mask(boldref, progress)
        placed = self.place(boldref, mask)
        tissues = tissue_points(
            self.template.white, self.template.csf, placed.spatial_map, placed.mask.image
        )
        with progress.stage("slice_timing"):
            plan = plan_slice_timing(
                self.preset.slice_timing and self.raw,
                self.beside.slice_times_s,
                image.data.shape[2],
                image.repetition_time_s,
                image.data.shape[3] - steady,
            )
        sampled = self.sample(motion, placed, tissues, plan, first, steady)
        return self.finish(
            Found(first, steady, motion, plan, boldref, placed, tissues, sampled), moved_limits
        )

    def motion(self, steady: int) -> Motion:
        """Head motion of the volumes as they were acquired."""
        return estimate_motion(
            self.image,
            first_frame=steady,
            device=self.device,
            progress=self.progress,
            threads=self.threads,
        )

    def boldref(self, motion: Motion, steady: int) -> Image3D:
        """Mean of the aligned frames."""
        return make_boldref(
            self.image,
            motion if self.raw else None,
            first_frame=steady,
            progress=self.progress,
            threads=self.threads,
        )

    def place(self, boldref: Image3D, mask: FoundMask) -> Placed:
        """Map to the template, by both routes where there is a T1 image."""
        template, stages, seed, progress = self.template, self.stages, self.seed, self.progress
        with progress.stage("registration"):
            chosen = stages.run(
                "registration",
                SpatialMap,
                lambda: place_directly(
                    boldref, mask, template, raw=self.raw, seed=seed, progress=progress
                ),
                after=("reference",),
                template=template.epi_contrast.space,
                seed=seed,
                raw=self.raw,
            )
            if self.beside.t1 is None or not self.raw:
                return finish_placement(boldref, mask, chosen, template)
        t1, direct = self.beside.t1, chosen
        with progress.stage("anatomy"):
            stages.keys["t1"] = self.beside.t1_sha256
            chosen = stages.run(
                "anatomy",
                SpatialMap,
                lambda: place_through_t1(
                    direct, boldref, mask, t1, template, seed=seed, progress=progress
                ),
                after=("registration", "t1"),
                seed=seed,
            )
            return finish_placement(boldref, mask, chosen, template)

    def sample(
        self,
        motion: Motion,
        placed: Placed,
        tissues: ScannerPoints,
        plan: SliceTimingPlan,
        first: int,
        steady: int,
    ) -> SampledSeries:
        """Parcels, tissues and brain voxels of every frame, slice timing first where planned."""
        stages, preset, mask = self.stages, self.preset, placed.mask.image

        def compute() -> SampledSeries:
            image = self.image
            if plan.applied and plan.reference_time_s is not None:
                image = correct_slice_timing(
                    image,
                    self.beside.slice_times_s,
                    plan.reference_time_s,
                    first_frame=steady,
                    scratch=self.scratch,
                    progress=PartOfStage(self.progress, 0.0, 0.3),
                    threads=self.threads,
                )
            counted = ~(motion.framewise_displacement_mm > preset.flag_fd_power_mm)
            counted[:steady] = False
            return sample_parcels(
                image,
                motion if self.raw else None,
                placed.spatial_map,
                self.points,
                mask,
                first_frame=first,
                counted_frames=frozen(counted),
                parcel_mean=preset.parcel_mean,
                tissues=tissues,
                voxel_points_mm=np.concatenate(
                    [brain_voxels(mask), single_tissue_voxels(tissues).points_mm]
                ),
                moment_points_mm=mask_voxels(mask),
                device=self.device,
                progress=PartOfStage(self.progress, 0.3 if plan.applied else 0.0, 1.0),
                threads=self.threads,
            )

        with self.progress.stage("sampling"):
            return stages.run(
                "sampling",
                SampledSeries,
                compute,
                after=("motion", "anatomy" if "anatomy" in stages.keys else "registration"),
                points=array_sha256(self.points.points_mm, self.points.parcel_of_point),
                tissue_maps=array_sha256(self.template.white.data, self.template.csf.data),
                first=first,
                slice_time_s=plan.reference_time_s,
                flag_fd_power_mm=preset.flag_fd_power_mm,
                parcel_mean=preset.parcel_mean,
                device=self.device,
            )

    def finish(
        self, found: Found, moved_limits: Mapping[str, tuple[float, float]] | None
    ) -> Preprocessed:
        """Confounds, cleaning and the verdict."""
        sampled, placed = found.sampled, found.placed
        end = conclude(
            found,
            preset=self.preset,
            repetition_time_s=self.image.repetition_time_s,
            points=self.points,
            moved_limits=moved_limits,
            censored_frames=self.beside.censored_frames,
            progress=self.progress,
        )
        white, csf = tissue_images(found.tissues, placed.mask.image)
        return Preprocessed(
            first_frame=found.first,
            steady_frame=found.steady,
            motion=found.motion,
            slice_timing=found.plan,
            boldref=found.boldref,
            mask=placed.mask.image,
            mask_method=placed.mask.method,
            white=white,
            csf=csf,
            spatial_map=placed.spatial_map,
            sampled=replace(sampled, voxels=frozen(sampled.voxels[:, :0]), moments=None),
            confounds=end.confounds,
            confound_facts=end.confound_facts,
            good_frames=end.good_frames,
            cleaned=end.cleaned,
            left_right_margin=placed.left_right_margin,
            temporal_snr=end.temporal_snr,
            temporal_snr_map=end.temporal_snr_map,
            quality=end.quality,
            findings=chain_findings(found.plan, found.motion, placed, sampled, self.device),
            stage_keys=dict(self.stages.keys),
            stages_computed=tuple(self.stages.computed),
            stages_recalled=tuple(self.stages.recalled),
        )
