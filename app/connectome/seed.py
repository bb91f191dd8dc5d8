"""The correlation of every voxel with the mean signal of a small sphere."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats

SEED_RADIUS_MM = 6.0


def sphere(
    centre_mm: tuple[float, float, float], radius_mm: float, affine: Floats, shape: tuple[int, ...]
) -> Bools:
    """(x, y, z) voxels whose centre lies within the radius; at least the nearest one.

    Raises
    ------
    ValueError
        The centre lies outside the grid.
    """
    exact = np.linalg.solve(np.asarray(affine, float), np.append(centre_mm, 1.0))[:3]
    nearest = np.rint(exact).astype(int)
    if (nearest < 0).any() or (nearest >= np.array(shape[:3])).any():
        raise ValueError("the centre of the sphere lies outside the image")
    reach = np.ceil(radius_mm / np.linalg.norm(np.asarray(affine)[:3, :3], axis=0)).astype(int)
    low = np.maximum(nearest - reach, 0)
    high = np.minimum(nearest + reach + 1, shape[:3])
    inside = np.zeros(shape[:3], dtype=bool)
    grid = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), -1
    )
    mm = grid @ np.asarray(affine)[:3, :3].T + np.asarray(affine)[:3, 3]
    near = np.square(mm - np.asarray(centre_mm)).sum(axis=-1) <= radius_mm**2
    inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = near
    inside[tuple(nearest)] = True
    return inside


def seed_correlation(volumes: NDArray[Any], seed: Bools, used: Bools, brain: Bools) -> Floats:
    """Pearson correlation of each brain voxel with the sphere's mean, after a linear trend.

    Parameters
    ----------
    volumes
        (x, y, z, volume), stored values; may be memory-mapped, is read slice by slice.
    seed
        (x, y, z) the sphere; only its voxels inside `brain` count.
    used
        (volume,) volumes that count.
    brain
        (x, y, z) where the map is wanted.

    Returns
    -------
    Floats
        (x, y, z) float32; 0 outside `brain` and where a voxel does not vary.

    Raises
    ------
    ValueError
        Fewer than four volumes are used, or the sphere holds no voxel of the brain that varies.
    """
    times = np.flatnonzero(used).astype(np.float64)
    if times.size < 4:
        raise ValueError("fewer than four volumes can be used")
    inside = seed & brain
    trend = np.stack([np.ones_like(times), times - times.mean()], axis=1)
    basis, _ = np.linalg.qr(trend)

    def detrended(series: Floats) -> Floats:
        """(voxel, volume) without mean and line."""
        left: Floats = series - (series @ basis) @ basis.T
        return left

    where = np.argwhere(inside)
    chosen = np.array([volumes[i, j, k, :] for i, j, k in where], dtype=np.float64)
    if chosen.size == 0:
        raise ValueError("the sphere holds no voxel of the brain")
    mean = detrended(chosen[:, used].mean(axis=0, keepdims=True))[0]
    strength = float(np.linalg.norm(mean))
    if strength <= 1e-9 * max(float(np.abs(chosen).max()), 1.0):
        raise ValueError("the signal of the sphere does not vary")
    result = np.zeros(volumes.shape[:3], dtype=np.float32)
    for k in range(volumes.shape[2]):
        here = brain[:, :, k]
        if not here.any():
            continue
        stored = np.asarray(volumes[:, :, k, :], dtype=np.float64)[here][:, used]
        series = detrended(stored)
        norm = np.linalg.norm(series, axis=1)
        varies = norm > 1e-9 * np.maximum(np.abs(stored).max(axis=1), 1e-300)
        r = np.divide(series @ mean, norm * strength, out=np.zeros(len(norm)), where=varies)
        result[:, :, k][here] = np.clip(r, -1.0, 1.0)
    return result


def bright(volumes: NDArray[Any]) -> Bools:
    """(x, y, z) voxels of the middle volume above a fifth of its 98th percentile: no air."""
    middle = np.asarray(volumes[..., volumes.shape[3] // 2], dtype=np.float64)
    positive = middle[middle > 0]
    limit = 0.2 * float(np.percentile(positive, 98)) if positive.size else np.inf
    return np.asarray(middle > limit, dtype=np.bool_)
