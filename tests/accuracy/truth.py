"""What the simulator knows, put in the words of the recipe: the oracle of accuracy tests."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from app.core.arrays import Floats
from app.core.images import SpatialMap
from app.core.results import Motion
from app.preprocessing.geometry import apply_affine
from app.simulation.scan import ScanTruth


def true_motion(truth: ScanTruth) -> Motion:
    """The planted head motion as the recipe's own record."""
    frames = len(truth.motion)
    nothing = np.full(frames, np.nan)
    return Motion(
        np.asarray(truth.motion), np.asarray(truth.motion_centre_mm), nothing, nothing, nothing, 0
    )


def seen_points(truth: ScanTruth, native_affine: Floats, template_mm: Floats) -> Floats:
    """Where template points appear in the distorted scan, (point, 3) scanner mm.

    The truth gives ``true place = seen place - value(seen place) * phase axis``.
    """
    true = truth.anatomy.template_to_scanner(np.asarray(template_mm))
    inverse = np.linalg.inv(native_affine)
    seen = true.copy()
    for _ in range(20):
        shift = ndimage.map_coordinates(
            truth.distortion_mm, apply_affine(inverse, seen).T, order=1, mode="nearest"
        )
        seen = true + shift[:, None] * truth.phase_axis
    return np.asarray(seen)


def distortion_at(truth: ScanTruth, native_affine: Floats, seen_mm: Floats) -> Floats:
    """Size of the susceptibility distortion at seen points, (point,) mm."""
    voxels = apply_affine(np.linalg.inv(native_affine), seen_mm).T
    return np.abs(ndimage.map_coordinates(truth.distortion_mm, voxels, order=1, mode="nearest"))


def oracle_map(truth: ScanTruth, native_affine: Floats, template: str) -> SpatialMap:
    """The true template-to-scan map, distortion included, on a 3 mm grid of the template."""
    affine = np.array([[3.0, 0, 0, -96], [0, 3, 0, -132], [0, 0, 3, -78], [0, 0, 0, 1]])
    shape = (65, 77, 65)
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    points = apply_affine(affine, voxels.reshape(-1, 3).astype(float))
    moved = seen_points(truth, native_affine, points) - points
    return SpatialMap(
        template=template,
        affine=np.eye(4),
        displacement_mm=moved.reshape(*shape, 3),
        displacement_affine=affine,
        method="oracle",
        similarity_before=float("nan"),
        similarity_after=float("nan"),
        mask_dice=float("nan"),
        jacobian_range=(1.0, 1.0),
    )


def column_correlations(first: Floats, second: Floats) -> Floats:
    """Pearson correlation of each column, (column,)."""
    a, b = first - first.mean(axis=0), second - second.mean(axis=0)
    return np.asarray((a * b).sum(axis=0) / np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0)))
