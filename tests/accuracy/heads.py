"""Still simulated heads, placed in the template by the recipe, and how far off each place is.

A still head needs a few frames only: their mean is the reference image that the motion step
would make. So registration, its quality measures and both routes are judged on many people at
small cost; motion has its own study.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.connectome.atlases import Atlas, load_atlas
from app.connectome.templates import load_template
from app.core.images import Image3D, Image4D, SpatialMap
from app.core.progress import Progress
from app.core.results import Verdict
from app.preprocessing.brain_mask import FoundMask, find_brain_mask
from app.preprocessing.placement import (
    Placed,
    TemplateImages,
    finish_placement,
    place_directly,
)
from app.preprocessing.quality import SMALLEST_JUDGED_PARCEL, judge_quality
from app.preprocessing.reference import make_boldref
from app.preprocessing.sampling import sample_parcels
from app.preprocessing.spatial_map import to_scanner
from app.simulation.cohort import CohortSettings
from app.simulation.scan import SimulatedVolumes, simulate_volumes
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings, ScannerSettings
from tests.accuracy.truth import distortion_at, seen_points

Array = NDArray[Any]

STEADY_FROM = 8  # frames that the scanner throws away before the file begins
DISTORTED_MM = 2.0  # a parcel that is shown farther off than that counts as distorted
MIDLINE_MM = 12.0  # nearer to the midline, a parcel's side is not judged
PLACEMENT_METRICS = (
    "low_coverage_percent",
    "mask_dice",
    "template_similarity",
    "edge_offset_mm",
    "jacobian_min",
    "jacobian_max",
    "left_right_margin",
)


@dataclass(frozen=True)
class Head:
    """One still head in its scanner."""

    settings: ParticipantSettings
    volumes: SimulatedVolumes
    image: Image4D
    boldref: Image3D
    mask: FoundMask


@lru_cache(maxsize=1)
def atlas_and_template() -> tuple[Atlas, TemplateImages]:
    """The default atlas, and its template as the recipe takes it."""
    atlas = load_atlas("HCPEx")
    template = load_template(atlas.template)
    images = TemplateImages(
        template.epi_contrast_2mm,
        template.brain_mask_2mm,
        template.csf_2mm,
        template.white_2mm,
        template.t1_2mm,
    )
    return atlas, images


def scan_head(
    seed: int, scanner: ScannerSettings = SMALL_SCANNER, *, frames: int = 5, **changes: Any
) -> Head:
    """Simulate one still head; `changes` go to the scanner's settings.

    Every second seed is scanned with the other phase-encoding polarity unless one is given.
    """
    changes.setdefault("phase_encoding", "j-" if seed % 2 else "j")
    settled = replace(scanner, motion=0.0, discarded_frames=STEADY_FROM, **changes)
    settings = ParticipantSettings(CohortSettings(count=1, seed=seed, frames=frames), 0, settled)
    volumes = simulate_volumes(settings, threads=1)
    return _looked_at(settings, volumes, np.asarray(volumes.data))


def mirrored(head: Head) -> Head:
    """The same head with left and right of the data exchanged and a header that hides it."""
    return _looked_at(head.settings, head.volumes, np.ascontiguousarray(head.image.data[::-1]))


def _looked_at(settings: ParticipantSettings, volumes: SimulatedVolumes, data: Array) -> Head:
    image = Image4D(data, volumes.affine, volumes.repetition_time_s)
    boldref = make_boldref(image, None)
    return Head(settings, volumes, image, boldref, find_brain_mask(boldref))


def place(head: Head, *, seed: int = 1) -> Placed:
    """The direct route, as the chain takes it."""
    _, images = atlas_and_template()
    found = place_directly(
        head.boldref, head.mask, images, raw=True, seed=seed, progress=Progress()
    )
    return finish_placement(head.boldref, head.mask, found, images)


def true_places_mm(head: Head) -> Array:
    """Where each parcel's centre appears in the scan, distortion included, (parcel, 3)."""
    atlas, _ = atlas_and_template()
    centroids = np.asarray(atlas.centroids_mm, float)
    return seen_points(head.volumes.truth, head.volumes.affine, centroids)


def errors_mm(head: Head, found: SpatialMap) -> Array:
    """Target registration error at each parcel's centre, (parcel,) mm."""
    atlas, _ = atlas_and_template()
    there = to_scanner(found, np.asarray(atlas.centroids_mm, float))
    return np.asarray(np.linalg.norm(there - true_places_mm(head), axis=1))


def regions(head: Head) -> dict[str, Array]:
    """Parcels (bool) by how far they are distorted, and the regions named for it."""
    atlas, _ = atlas_and_template()
    x, y, z = np.asarray(atlas.centroids_mm, float).T
    seen = true_places_mm(head)
    shift = distortion_at(head.volumes.truth, head.volumes.affine, seen)
    return {
        "undistorted": shift <= DISTORTED_MM,
        "distorted": shift > DISTORTED_MM,
        "orbitofrontal": (y > 18.0) & (z < -6.0) & (np.abs(x) < 45.0),
        "temporal pole": (np.abs(x) > 26.0) & (y > -5.0) & (z < -18.0),
    }


def sides_kept(head: Head, found: SpatialMap) -> float:
    """Share of the parcels off the midline that the map puts into their own hemisphere."""
    atlas, _ = atlas_and_template()
    centroids = np.asarray(atlas.centroids_mm, float)
    back = head.volumes.truth.anatomy.scanner_to_template(to_scanner(found, centroids))
    judged = np.abs(centroids[:, 0]) > MIDLINE_MM
    return float((np.sign(back[judged, 0]) == np.sign(centroids[judged, 0])).mean())


def coverage(head: Head, placed: Placed) -> Array:
    """Share of each parcel's points inside mask and field of view; judged parcels only."""
    atlas, _ = atlas_and_template()
    one = replace(head.image, data=head.image.data[..., :1])
    sampled = sample_parcels(one, None, placed.spatial_map, atlas.points, placed.mask.image)
    sizes = np.bincount(atlas.points.parcel_of_point, minlength=atlas.points.parcel_count)
    return np.asarray(sampled.coverage[sizes >= SMALLEST_JUDGED_PARCEL])


def verdicts(head: Head, placed: Placed) -> dict[str, tuple[float, Verdict]]:
    """Value and verdict of every metric of the quality gate that judges the placement."""
    frames = 300  # of a run that is faultless otherwise
    report = judge_quality(
        framewise_displacement_mm=np.zeros(frames),
        good_frames=np.ones(frames, bool),
        repetition_time_s=2.0,
        temporal_snr=100.0,
        coverage=coverage(head, placed),
        spatial_map=placed.spatial_map,
        left_right_margin=placed.left_right_margin,
        edge_offset_mm=placed.edge_offset_mm,
        residual_degrees_of_freedom=200.0,
    )
    return {
        metric.name: (metric.value, metric.verdict)
        for metric in report.metrics
        if metric.name in PLACEMENT_METRICS
    }
