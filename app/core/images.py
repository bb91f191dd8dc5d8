"""Images and geometry that travel between rooms while a scan is analysed.

World coordinates are millimetres, RAS+ (x to the right, y to the front, z up), as in NIfTI.
Voxel indices count from 0. These objects live in memory only; a `Case` never keeps a 4-D image.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.core.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Image3D:
    """One volume with its place in the world."""

    data: Floats | Ints | Bools  # (x, y, z)
    affine: Floats  # (4, 4), voxel index -> mm
    space: str  # "scanner" or a template name


@dataclass(frozen=True, slots=True)
class Image4D:
    """A run of volumes, memory-mapped where possible, stored values apart from their scale.

    The true value is ``data * slope + intercept``. Axes are already in closest-canonical
    (RAS+) order, so ``data[x, y, z, frame]`` runs right, front, up.
    """

    data: Floats | Ints  # (x, y, z, frame)
    affine: Floats  # (4, 4), voxel index -> mm
    repetition_time_s: float
    slope: float = 1.0
    intercept: float = 0.0
    space: str = "scanner"


@dataclass(frozen=True, slots=True)
class ParcelPoints:
    """Where an atlas is sampled: points in its template, each belonging to one parcel."""

    atlas: str
    template: str
    points_mm: Floats  # (point, 3), template world mm
    parcel_of_point: Ints  # (point,), 0-based parcel index in atlas order
    parcel_count: int


@dataclass(frozen=True, slots=True)
class SpatialMap:
    """Takes template points to scanner points: an affine, then a displacement field or none.

    ``scanner_mm = affine @ (p + displacement(p))`` where ``displacement`` is sampled
    (linearly) from `displacement_mm` on the grid `displacement_affine` (voxel -> template mm);
    outside that grid it is zero.
    """

    template: str
    affine: Floats  # (4, 4), (warped) template mm -> scanner mm
    displacement_mm: Floats | None  # (x, y, z, 3) or None
    displacement_affine: Floats | None  # (4, 4)
    method: str  # "affine", "affine+warp", "identity"
    similarity_before: float  # in-mask normalised cross-correlation, affine only
    similarity_after: float  # same measure with the accepted map
    mask_dice: float
    jacobian_range: tuple[float, float]
    notes: tuple[str, ...] = ()
    mask_overlap: float = float("nan")  # intersection over the smaller mask
    mutual_information: float = float("nan")  # normalised, in-mask, 1..2
    route: str = "direct"  # or "t1": through the participant's T1 image
    route_scores: tuple[tuple[str, float], ...] = ()  # every route that was tried
