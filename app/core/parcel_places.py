"""Where a parcel is shown: one of its own voxels, the same on screen and on paper."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats, Ints


def parcel_places_mm(labels: Ints, affine: Floats) -> Floats:
    """Centre of each parcel's own voxel that lies nearest to the mean of its voxels.

    A curved parcel's mean may lie outside it, so one of its own voxels stands for it. Of several
    that are equally near the one with the lowest x, then y, then z is taken: neither the order of
    the axes nor their direction on disk changes the answer.

    Parameters
    ----------
    labels
        (x, y, z), 1-based parcel, 0 outside.
    affine
        (4, 4), voxel -> world mm.

    Returns
    -------
    (label + 1, 3) world mm; NaN for labels that no voxel has, and for 0.
    """
    values = np.asarray(labels)
    inside = np.argwhere(values > 0)
    of_voxel = values[values > 0].astype(int)
    if not of_voxel.size:
        return np.full((1, 3), np.nan)
    mm = inside @ affine[:3, :3].T + affine[:3, 3]
    size = np.maximum(np.bincount(of_voxel), 1)
    mean = np.stack([np.bincount(of_voxel, mm[:, axis]) / size for axis in range(3)], 1)
    # Rounded, so that the last bits of a sum in another order break no tie.
    distance = np.round(np.square(mm - mean[of_voxel]).sum(axis=1), 6)
    x, y, z = np.round(mm, 6).T
    order = np.lexsort((z, y, x, distance, of_voxel))
    found, first = np.unique(of_voxel[order], return_index=True)
    places = np.full((len(size), 3), np.nan)
    places[found] = mm[order][first]
    return places
