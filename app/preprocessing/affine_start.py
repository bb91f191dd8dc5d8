"""A robust first guess for the affine: centres of mass and a small search over head turns."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.images import Image3D
from app.preprocessing.geometry import apply_affine, grid_points_mm, rotation_matrix
from app.preprocessing.spatial_map import read_at

_PITCH_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_OTHER_DEG = (-10.0, 0.0, 10.0)
_SHIFTS_MM = (-8.0, 0.0, 8.0)
MOST_POINTS = 4000


def search_start(fixed: Image3D, fixed_brain: Bools, moving: Image3D) -> Floats:
    """Best rigid start among head turns about the centre of mass, fixed mm -> moving mm.

    The header's orientation is kept: a scan is turned by at most 25 degrees, never mirrored
    or laid on its side. Each turn is scored by correlation with the heavily smoothed scan over
    the template's brain and a rim around it; the best one is then shifted.

    Parameters
    ----------
    fixed, fixed_brain
        Template on the working grid and its mask.
    moving
        Bias-corrected brain of the scan, 0 outside the mask.
    """
    from scipy import ndimage

    rim = ndimage.binary_dilation(fixed_brain, iterations=2)
    chosen = np.flatnonzero(rim.ravel())
    chosen = chosen[:: max(chosen.size // MOST_POINTS, 1)]
    points = grid_points_mm(fixed.data.shape, fixed.affine)[chosen]
    target = ndimage.gaussian_filter(np.asarray(fixed.data, np.float64), 1.5).ravel()[chosen]
    smooth = Image3D(
        ndimage.gaussian_filter(np.asarray(moving.data, np.float64), 1.5),
        moving.affine,
        moving.space,
    )
    centre_fixed = _centre_of_mass(np.asarray(fixed.data), fixed.affine)
    centre_moving = _centre_of_mass(np.asarray(moving.data), moving.affine)

    def score(matrix: Floats) -> float:
        values = read_at(smooth, apply_affine(matrix, points), 1)
        if values.std() == 0:
            return -1.0
        return float(np.corrcoef(values, target)[0, 1])

    def rigid(angles_deg: tuple[float, float, float], shift: Floats) -> Floats:
        matrix = np.eye(4)
        matrix[:3, :3] = rotation_matrix(np.deg2rad(angles_deg))
        matrix[:3, 3] = centre_moving + shift - matrix[:3, :3] @ centre_fixed
        return matrix

    turns = [(x, y, z) for x in _PITCH_DEG for y in _OTHER_DEG for z in _OTHER_DEG]
    best_turn = max(turns, key=lambda turn: score(rigid(turn, np.zeros(3))))
    shifts = [np.array([0.0, y, z]) for y in _SHIFTS_MM for z in _SHIFTS_MM]
    return max((rigid(best_turn, shift) for shift in shifts), key=score)


def _centre_of_mass(data: Floats, affine: Floats) -> Floats:
    weights = np.maximum(np.asarray(data, np.float64), 0.0)
    index = np.array(
        [
            (weights.sum(axis=tuple(a for a in range(3) if a != axis)) * np.arange(count)).sum()
            for axis, count in enumerate(weights.shape)
        ]
    )
    return np.asarray(apply_affine(affine, (index / weights.sum())[None])[0])
