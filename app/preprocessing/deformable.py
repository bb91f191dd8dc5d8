"""A mild diffeomorphic warp between two images on one grid, by local cross-correlation.

Greedy form of the SyN family (Avants et al. 2008, doi 10.1016/j.media.2007.06.004; Yushkevich's
greedy): in each round the gradient of the local correlation in a 5 x 5 x 5 window is smoothed
(fluid), scaled to a fixed largest step and composed with the warp so far, which is smoothed a
little itself (elastic). Plain numpy in one thread: the same images give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.core.progress import Progress


@dataclass(frozen=True, slots=True)
class WarpSettings:
    """How far and how smoothly the warp may bend; lengths in voxels of the level."""

    levels: tuple[tuple[int, int], ...] = ((2, 40), (1, 40))  # (shrink, rounds)
    window_radius: int = 2
    step: float = 0.25
    fluid_sigma: float = 1.7
    elastic_sigma: float = 1.3


def find_warp(
    fixed: Floats,
    moving: Floats,
    settings: WarpSettings | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Displacement ``u`` with ``moving(x + u(x)) ~ fixed(x)``, in voxels.

    Parameters
    ----------
    fixed, moving
        (x, y, z) on one grid, brain only, 0 outside.
    progress
        Told after each round; a cancel takes hold there.

    Returns
    -------
    (x, y, z, 3) float32, voxels.
    """
    from scipy import ndimage

    settings = settings or WarpSettings()
    progress = progress or Progress()
    total = sum(rounds for _, rounds in settings.levels)
    done = 0
    warp = np.zeros((3, 1, 1, 1), np.float32)
    for shrink, rounds in settings.levels:
        target, source = _level(fixed, shrink), _level(moving, shrink)
        warp = _resized(warp, target.shape)
        identity = np.indices(target.shape, dtype=np.float32)
        slope_fixed = np.stack(np.gradient(target))
        for _ in range(rounds):
            warped = _read(source, identity + warp)
            force = _correlation_force(target, warped, slope_fixed, settings.window_radius)
            update = np.stack(
                [ndimage.gaussian_filter(part, settings.fluid_sigma) for part in force]
            )
            largest = float(np.sqrt((update**2).sum(axis=0)).max())
            if largest > 0:
                update *= np.float32(settings.step / largest)
            warp = update + np.stack([_read(part, identity + update) for part in warp])
            warp = np.stack(
                [ndimage.gaussian_filter(part, settings.elastic_sigma) for part in warp]
            )
            done += 1
            progress.step(0.3 + 0.6 * done / total, "Fitting a smooth warp")
    return np.ascontiguousarray(np.moveaxis(warp, 0, -1))


def _correlation_force(fixed: Floats, warped: Floats, slope_fixed: Floats, radius: int) -> Floats:
    """Gradient (3, x, y, z) of the squared local correlation for a displacement of `warped`."""
    from scipy import ndimage

    def local(values: Floats) -> Floats:
        return np.asarray(ndimage.uniform_filter(values, 2 * radius + 1, mode="constant"))

    mean_f, mean_w = local(fixed), local(warped)
    var_f = local(fixed * fixed) - mean_f * mean_f
    var_w = local(warped * warped) - mean_w * mean_w
    cross = local(fixed * warped) - mean_f * mean_w
    floor = np.float32(1e-4)
    safe = (var_f > floor) & (var_w > floor)
    product = np.where(safe, var_f * var_w, np.float32(1.0))
    ratio = np.where(safe, cross / np.where(safe, var_w, np.float32(1.0)), np.float32(0.0))
    scale = np.where(safe, 2.0 * cross / product, np.float32(0.0)).astype(np.float32)
    scale *= (fixed - mean_f) - ratio * (warped - mean_w)
    # The mean of both images' slopes: nearly symmetric in the two, and smoother than one.
    slope = 0.5 * (np.stack(np.gradient(warped)) + slope_fixed)
    return np.asarray(scale[None] * slope, np.float32)


def _level(volume: Floats, shrink: int) -> Floats:
    """Volume scaled to a robust maximum of 1, smoothed and thinned by `shrink`, float32."""
    from scipy import ndimage

    scaled = np.asarray(volume, np.float32) / np.float32(np.percentile(volume[volume > 0], 98.0))
    if shrink == 1:
        return scaled
    smooth = ndimage.gaussian_filter(scaled, 0.5 * shrink)
    return np.ascontiguousarray(smooth[::shrink, ::shrink, ::shrink])


def _resized(warp: Floats, shape: tuple[int, ...]) -> Floats:
    """The warp of a coarser level on a finer grid whose voxel 0 is the same, in its voxels."""
    from scipy import ndimage

    if warp.shape[1:] == (1, 1, 1):
        return np.zeros((3, *shape), np.float32)
    ratio = [-(-fine // 2) == coarse for fine, coarse in zip(shape, warp.shape[1:], strict=True)]
    assert all(ratio), "levels must differ by a factor of two"
    place = np.indices(shape, dtype=np.float32) / 2.0
    return np.stack(
        [2.0 * ndimage.map_coordinates(part, place, order=1, mode="nearest") for part in warp]
    ).astype(np.float32)


def _read(volume: Floats, place: Floats) -> Floats:
    """Trilinear values of `volume` at voxel positions (3, x, y, z), float32."""
    from scipy import ndimage

    return np.asarray(
        ndimage.map_coordinates(volume, place, order=1, mode="nearest", output=np.float32)
    )
