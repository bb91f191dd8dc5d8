"""Voxels of a run inside a region of interest that was drawn on another grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.connectome.seed import sphere
from app.core.arrays import Bools, Floats, Ints

Point = tuple[float, float, float]


def moved_voxels(
    inside: Bools,
    grid_affine: Floats,
    to_scan: Callable[[Point], Point | None],
    shape: tuple[int, ...],
    affine: Floats,
) -> Ints:
    """(voxel, 3) voxels of a run that a region on another grid lands on, each once, sorted.

    Parameters
    ----------
    inside, grid_affine
        (x, y, z) the region, and where its grid lies.
    to_scan
        A point of that grid's space in the run's own space, mm; None where it has none.
    shape, affine
        Of the run.
    """
    places = np.argwhere(inside)
    grid = np.asarray(grid_affine, dtype=np.float64)
    moved = [to_scan((x, y, z)) for x, y, z in (places @ grid[:3, :3].T + grid[:3, 3]).tolist()]
    there = np.array([mm for mm in moved if mm is not None], dtype=np.float64).reshape(-1, 3)
    back = np.linalg.inv(np.asarray(affine, dtype=np.float64))
    voxels = np.unique(np.rint(there @ back[:3, :3].T + back[:3, 3]).astype(int), axis=0)
    kept: Ints = voxels[((voxels >= 0) & (voxels < np.array(shape[:3]))).all(axis=1)]
    return kept


def sphere_inside(
    centre_mm: Point, radius_mm: float, affine: Floats, shape: tuple[int, ...]
) -> Bools:
    """(x, y, z) as `seed.sphere`; empty where the centre lies outside the grid."""
    try:
        return sphere(centre_mm, radius_mm, affine, shape)
    except ValueError:
        return np.zeros(shape[:3], dtype=bool)
