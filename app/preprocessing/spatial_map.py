"""Using a `SpatialMap`: points to the scanner and back, volumes to the template, its Jacobian.

``scanner_mm = affine @ (p + d(p))`` for a template point `p`; `d` is read trilinearly from the
displacement grid and is zero outside it.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.images import Image3D, SpatialMap
from app.preprocessing.geometry import apply_affine, grid_points_mm

Values = Floats | Ints | Bools

INVERSE_ITERATIONS = 30
INVERSE_TOLERANCE_MM = 1e-3


def affine_map(
    template: str, affine: Floats, method: str, notes: tuple[str, ...] = ()
) -> SpatialMap:
    """A map without a warp, not scored yet: template mm -> scanner mm, (4, 4)."""
    return SpatialMap(
        template=template,
        affine=frozen(affine),
        displacement_mm=None,
        displacement_affine=None,
        method=method,
        similarity_before=float("nan"),
        similarity_after=float("nan"),
        mask_dice=float("nan"),
        jacobian_range=(1.0, 1.0),
        notes=notes,
    )


def identity_map(template: str) -> SpatialMap:
    """The map of a run that already lies in the template."""
    note = "The run states that it already lies in this template."
    return affine_map(template, np.eye(4), "identity", (note,))


def displacement_at(spatial_map: SpatialMap, points_mm: Floats) -> Floats:
    """Displacement in mm at template points (point, 3); zeros for an affine map."""
    from scipy import ndimage

    field, affine = spatial_map.displacement_mm, spatial_map.displacement_affine
    if field is None or affine is None:
        return np.zeros_like(points_mm, dtype=np.float64)
    voxels = apply_affine(np.linalg.inv(affine), points_mm).T
    return np.stack(
        [
            ndimage.map_coordinates(
                np.asarray(field[..., axis], np.float64), voxels, order=1, mode="constant"
            )
            for axis in range(3)
        ],
        axis=1,
    )


def to_scanner(spatial_map: SpatialMap, points_mm: Floats) -> Floats:
    """Template points (point, 3) mm to scanner mm."""
    moved = points_mm + displacement_at(spatial_map, points_mm)
    return apply_affine(spatial_map.affine, moved)


def to_template(spatial_map: SpatialMap, points_mm: Floats) -> Floats:
    """Scanner points (point, 3) mm to template mm: the numeric inverse of `to_scanner`.

    Fixed-point iteration ``p <- y - d(p)`` with ``y = affine^-1 s``. It converges where the
    field bends less than the grid (every map that `registration` accepts); points that have
    not settled after 30 rounds keep the last estimate.
    """
    start = apply_affine(np.linalg.inv(spatial_map.affine), points_mm)
    if spatial_map.displacement_mm is None:
        return start
    result = start.copy()
    open_points = np.arange(len(start))
    for _ in range(INVERSE_ITERATIONS):
        new = start[open_points] - displacement_at(spatial_map, result[open_points])
        moved = np.abs(new - result[open_points]).max(axis=1)
        result[open_points] = new
        open_points = open_points[moved > INVERSE_TOLERANCE_MM]
        if open_points.size == 0:
            break
    return result


def jacobian_determinant(spatial_map: SpatialMap, inside: Bools | None = None) -> Floats:
    """Determinant of ``d(p + d(p)) / dp`` on the displacement grid (the affine left out).

    Parameters
    ----------
    inside
        (x, y, z) bool on the displacement grid; only those values are returned, flat.
    """
    field, affine = spatial_map.displacement_mm, spatial_map.displacement_affine
    if field is None or affine is None:
        return np.ones(1)
    per_voxel = np.stack(
        [
            np.stack([np.gradient(field[..., out], axis=axis) for axis in range(3)], axis=-1)
            for out in range(3)
        ],
        axis=-2,
    )
    jacobian = per_voxel @ np.linalg.inv(affine[:3, :3]) + np.eye(3)
    determinant = np.linalg.det(jacobian)
    return np.asarray(determinant if inside is None else determinant[inside])


def warp_volume_to_template(
    image: Image3D,
    spatial_map: SpatialMap,
    grid_affine: Floats,
    grid_shape: tuple[int, int, int],
    order: int = 3,
) -> Image3D:
    """Read a scanner-space volume on a grid in the template.

    Parameters
    ----------
    image
        Volume in scanner space.
    grid_affine, grid_shape
        The grid to fill, (4, 4) voxel -> template mm.
    order
        Spline order: 0 for masks and labels, 1 linear, 3 cubic B-spline.

    Returns
    -------
    float32 volume (or the input's dtype for order 0); 0 outside the field of view.
    """
    points = to_scanner(spatial_map, grid_points_mm(grid_shape, grid_affine))
    values = read_at(image, points, order).reshape(grid_shape)
    return Image3D(frozen(values), frozen(grid_affine), spatial_map.template)


def warp_volume_to_scanner(
    image: Image3D, spatial_map: SpatialMap, like: Image3D, order: int = 1
) -> Image3D:
    """Read a template volume on the grid of a scanner-space volume; 0 outside the template."""
    points = to_template(spatial_map, grid_points_mm(like.data.shape, like.affine))
    values = read_at(image, points, order).reshape(like.data.shape)
    return Image3D(frozen(values), like.affine, like.space)


def read_at(image: Image3D, points_mm: Floats, order: int) -> Floats:
    """Values of a volume at world points (point, 3); 0 outside it.

    Points up to half a voxel beyond the outer voxel centres count as inside.
    """
    from scipy import ndimage

    voxels = apply_affine(np.linalg.inv(image.affine), points_mm).T
    edges = np.array(image.data.shape)[:, None] - 0.5
    inside = ((voxels >= -0.5) & (voxels <= edges)).all(axis=0)
    stored = image.data.astype(np.uint8) if image.data.dtype == bool else image.data
    source = stored if order == 0 else np.asarray(stored, np.float64)
    mode = "mirror" if order > 1 else "nearest"
    values = np.zeros(len(points_mm), dtype=source.dtype if order == 0 else np.float32)
    values[inside] = ndimage.map_coordinates(source, voxels[:, inside], order=order, mode=mode)
    return values.astype(bool) if image.data.dtype == bool and order == 0 else values


def overlap_dice(first: Bools, second: Bools) -> float:
    """Dice overlap of two masks of the same shape; 0 where both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else 0.0


def normalised_correlation(first: Values, second: Values, mask: Bools) -> float:
    """Pearson correlation of two volumes inside a mask; 0 where either is constant there."""
    a = np.asarray(first[mask], np.float64)
    b = np.asarray(second[mask], np.float64)
    if a.size < 2:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else 0.0


def normalised_mutual_information(first: Values, second: Values, bins: int = 32) -> float:
    """Studholme's ``(H(a) + H(b)) / H(a, b)`` of paired values, 1 (independent) to 2; NaN if empty.

    Bins are equal in width between the 1st and 99th percentile.
    """
    if first.size < bins:
        return float("nan")

    def binned(values: Values) -> Ints:
        low, high = np.percentile(values, [1.0, 99.0])
        scaled = (np.asarray(values, np.float64) - low) / max(float(high - low), 1e-30)
        return np.asarray(np.clip((scaled * bins).astype(np.int64), 0, bins - 1))

    joint = np.bincount(binned(first) * bins + binned(second), minlength=bins * bins)
    shares = joint.reshape(bins, bins) / joint.sum()

    def entropy(share: Floats) -> float:
        known = share[share > 0]
        return float(-(known * np.log(known)).sum())

    together = entropy(shares)
    if together <= 0:
        return 1.0
    return (entropy(shares.sum(axis=0)) + entropy(shares.sum(axis=1))) / together
