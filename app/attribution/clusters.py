"""Connected clusters of a map: where they lie, how large, how strong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints

NEIGHBOURS = 26  # voxels that share a face, an edge or a corner are connected


@dataclass(frozen=True, slots=True)
class Cluster:
    """Voxels of one sign that hang together."""

    number: int  # 1 = the strongest peak
    voxels: int
    volume_mm3: float
    peak: float  # the value of largest magnitude
    peak_mm: tuple[float, float, float]
    mean: float


def sized_mask(values: Floats, shown: Bools, min_voxels: int) -> Bools:
    """What is left of `shown` without clusters of fewer than `min_voxels` voxels.

    Parameters
    ----------
    values, shown
        (x, y, z); positive and negative values never belong to one cluster.
    """
    if min_voxels <= 1:
        return shown
    numbers, count = _numbered(values, shown)
    size = np.bincount(numbers.ravel(), minlength=count + 1)
    kept = size >= min_voxels
    kept[0] = False
    result: Bools = kept[numbers]
    return result


def find_clusters(values: Floats, shown: Bools, affine: Floats) -> tuple[Cluster, ...]:
    """Clusters of the voxels that are shown, the strongest peak first.

    A plateau of equal values (a whole painted parcel) has its peak at the voxel of the plateau
    that lies nearest to the plateau's mean place, so that the peak lies inside the region.

    Parameters
    ----------
    values, shown
        (x, y, z).
    affine
        (4, 4), voxel to mm.
    """
    numbers, count = _numbered(values, shown)
    if count == 0:
        return ()
    where = np.argwhere(numbers > 0)
    member = numbers[numbers > 0] - 1
    inside = np.asarray(values, dtype=np.float64)[numbers > 0]
    size = np.bincount(member, minlength=count)
    mean = np.bincount(member, inside, minlength=count) / size
    strongest = np.zeros(count)
    np.maximum.at(strongest, member, np.abs(inside))
    peaked = np.abs(inside) >= strongest[member]
    peaks = _middles(where[peaked], member[peaked], count)
    peak_mm = peaks @ np.asarray(affine)[:3, :3].T + np.asarray(affine)[:3, 3]
    voxel_mm3 = float(abs(np.linalg.det(np.asarray(affine, dtype=np.float64)[:3, :3])))
    found = []
    for number, which in enumerate(np.argsort(-strongest, kind="stable"), start=1):
        x, y, z = (float(v) for v in peak_mm[which])
        found.append(
            Cluster(
                number=number,
                voxels=int(size[which]),
                volume_mm3=float(size[which]) * voxel_mm3,
                peak=float(np.copysign(strongest[which], mean[which])),
                peak_mm=(x, y, z),
                mean=float(mean[which]),
            )
        )
    return tuple(found)


def _middles(where: Ints, member: Ints, count: int) -> Ints:
    """(cluster, 3) of each cluster's voxels, the one nearest to their mean."""
    size = np.bincount(member, minlength=count)
    mean = np.stack([np.bincount(member, where[:, a], minlength=count) / size for a in range(3)], 1)
    distance = np.square(where - mean[member]).sum(axis=1)
    order = np.lexsort((distance, member))
    _, first = np.unique(member[order], return_index=True)
    chosen: Ints = where[order][first]
    return chosen


def _numbered(values: Floats, shown: Bools) -> tuple[Ints, int]:
    """(x, y, z) 1-based number of each voxel's cluster, 0 outside; and how many there are."""
    from scipy.ndimage import label

    box = _box(shown)
    numbers = np.zeros(shown.shape, dtype=np.int32)
    if box is None:
        return numbers, 0
    structure = np.ones((3, 3, 3), dtype=bool)
    inside, part = np.asarray(values[box]), np.asarray(shown[box])
    high, many = label(part & (inside > 0), structure)
    low, few = label(part & (inside < 0), structure)
    numbers[box] = np.where(low > 0, low + many, high)
    return numbers, int(many + few)


def _box(shown: Bools) -> tuple[slice, slice, slice] | None:
    """The smallest box that holds all that is shown."""
    sides = []
    for axis in range(3):
        hit = np.flatnonzero(shown.any(axis=tuple(a for a in range(3) if a != axis)))
        if hit.size == 0:
            return None
        sides.append(slice(int(hit[0]), int(hit[-1]) + 1))
    return sides[0], sides[1], sides[2]
