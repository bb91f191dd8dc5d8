"""Reads every frame of a run at given points: compiled cubic B-spline on the CPU, frame by frame.

Memory grows with the points and the frames' sums, never with voxels times frames: one volume a
thread is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.images import Image4D
from app.core.progress import Progress

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScannerPoints:
    """Points on the reference head, each in one group, whose mean series is wanted."""

    points_mm: Floats  # (point, 3), scanner mm at the reference
    group_of_point: Ints  # (point,)
    group_count: int


@dataclass(frozen=True, slots=True)
class VoxelMoments:
    """Sums over frames at single points, enough for mean and spread about a quadratic trend."""

    frame_count: int
    sums: Floats  # (4, point): of y, y y, y t, y t t, with t from -1 to 1 over the run
    time_sums: Floats  # (5,): of 1, t, t t, t t t, t t t t over the same frames


@dataclass(frozen=True, slots=True)
class PointSets:
    """All points that are read in every frame, reference scanner mm."""

    parcels: ScannerPoints
    tissues: ScannerPoints
    voxels_mm: Floats  # (voxel, 3)
    moments_mm: Floats  # (point, 3)
    in_view_only: bool = False  # points outside the field of view add 0 to their parcel


@dataclass(frozen=True, slots=True)
class FrameValues:
    """What `read_frames` found, stored units; rows are frames from the first one on."""

    parcel_sums: Floats  # (frame, parcel)
    counts: Floats  # (frame, parcel), points in view; filled for `in_view_only`
    tissue_sums: Floats  # (frame, group)
    voxels: Floats  # (frame, voxel) float32
    moments: VoxelMoments


def read_frames(
    image: Image4D,
    matrices: Floats,
    sets: PointSets,
    first_frame: int,
    counted: Bools,
    interpolation: str,
    progress: Progress,
    threads: int,
) -> FrameValues:
    """Group sums and single values of every frame from `first_frame` on, on the CPU.

    `matrices` (frame, 3, 4) take reference scanner mm to voxels of the frame.
    """
    found, times = empty_values(image, sets, first_frame, counted)
    groups = [
        (np.ascontiguousarray(item.points_mm, np.float64), item.group_of_point.astype(np.int32))
        for item in (sets.parcels, sets.tissues)
    ]
    singles = np.ascontiguousarray(sets.voxels_mm, np.float64)
    map_points = np.ascontiguousarray(sets.moments_mm, np.float64)

    def read(row: int) -> Floats:
        matrix = matrices[first_frame + row]
        volume = np.ascontiguousarray(image.data[..., first_frame + row], np.float64)
        if interpolation != "cubic":
            return _read_linear(volume, matrix, sets, found, row)
        from app.preprocessing import kernels

        coefficients = spline_coefficients(volume)
        if sets.in_view_only:
            kernels.cubic_group_sums_in_view(
                coefficients, matrix, *groups[0], found.parcel_sums[row], found.counts[row]
            )
        else:
            kernels.cubic_group_sums(coefficients, matrix, *groups[0], found.parcel_sums[row])
        kernels.cubic_group_sums(coefficients, matrix, *groups[1], found.tissue_sums[row])
        kernels.cubic_values(coefficients, matrix, singles, found.voxels[row])
        values = np.empty(len(map_points))
        kernels.cubic_values(coefficients, matrix, map_points, values)
        return values

    def add(row: int, values: Floats) -> None:
        if counted[first_frame + row]:
            add_moments(found.moments, values, times[row])

    run_frames(read, len(found.voxels), progress, threads, "Sampling parcels", add)
    return found


def spline_coefficients(volume: Floats) -> Floats:
    """Padded cubic B-spline coefficients of a volume, (x + 3, y + 3, z + 3) float64."""
    from scipy import ndimage

    from app.preprocessing import kernels

    filtered = ndimage.spline_filter(volume, order=3, mode="mirror")
    coefficients = np.empty([count + 3 for count in volume.shape])
    kernels.padded(filtered, coefficients)
    return coefficients


def empty_values(
    image: Image4D, sets: PointSets, first_frame: int, counted: Bools
) -> tuple[FrameValues, Floats]:
    """Zeros to fill, and each row's time from -1 to 1."""
    count = image.data.shape[3] - first_frame
    times = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(count)
    used = times[counted[first_frame:]]
    moments = VoxelMoments(
        len(used),
        np.zeros((4, len(sets.moments_mm))),
        np.array([(used**power).sum() for power in range(5)]),
    )
    found = FrameValues(
        np.zeros((count, sets.parcels.group_count)),
        np.zeros((count, sets.parcels.group_count)),
        np.zeros((count, sets.tissues.group_count)),
        np.empty((count, len(sets.voxels_mm)), np.float32),
        moments,
    )
    return found, times


def add_moments(moments: VoxelMoments, values: Floats, time: float) -> None:
    """Add one frame's values (point,) float64."""
    moments.sums[0] += values
    moments.sums[1] += values * values
    moments.sums[2] += values * time
    moments.sums[3] += values * (time * time)


def run_frames(
    work: Callable[[int], T],
    count: int,
    progress: Progress,
    threads: int,
    message: str,
    take: Callable[[int, T], None] | None = None,
) -> None:
    """Run `work` on frames 0..count - 1 in a thread pool, a few at a time between progress.

    `take` receives each result in the order of the frames.
    """
    block = 4 * max(threads, 1)
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        for start in range(0, count, block):
            rows = range(start, min(start + block, count))
            for row, result in zip(rows, pool.map(work, rows), strict=True):
                if take is not None:
                    take(row, result)
            progress.step(min(start + block, count) / count, message)


def scaled_moments(moments: VoxelMoments, image: Image4D) -> VoxelMoments:
    """Moments of ``slope y + intercept`` from those of y."""
    a, b = image.slope, image.intercept
    y, yy, yt, ytt = moments.sums
    one, t, tt = moments.time_sums[:3]
    sums = np.stack(
        [
            a * y + b * one,
            a * a * yy + 2 * a * b * y + b * b * one,
            a * yt + b * t,
            a * ytt + b * tt,
        ]
    )
    return VoxelMoments(moments.frame_count, frozen(sums), frozen(moments.time_sums))


def _read_linear(
    volume: Floats, matrix: Floats, sets: PointSets, found: FrameValues, row: int
) -> Floats:
    """The fallback: trilinear values, written to the same places."""
    from scipy import ndimage

    def values(points_mm: Floats) -> tuple[Floats, Bools]:
        voxels = points_mm @ matrix[:, :3].T + matrix[:, 3]
        edge = np.array(volume.shape) - 1.0
        inside = ((voxels >= -1e-6) & (voxels <= edge + 1e-6)).all(axis=1)
        found = ndimage.map_coordinates(volume, voxels.T, order=1, mode="nearest")
        return np.asarray(found, np.float64), np.asarray(inside, np.bool_)

    parcels, tissues = sets.parcels, sets.tissues
    read, inside = values(parcels.points_mm)
    if sets.in_view_only:
        read = np.where(inside, read, 0.0)
        found.counts[row] = np.bincount(
            parcels.group_of_point, inside.astype(float), parcels.group_count
        )
    found.parcel_sums[row] = np.bincount(parcels.group_of_point, read, parcels.group_count)
    if tissues.group_count:
        found.tissue_sums[row] = np.bincount(
            tissues.group_of_point, values(tissues.points_mm)[0], tissues.group_count
        )
    found.voxels[row] = values(sets.voxels_mm)[0]
    return np.asarray(values(sets.moments_mm)[0], np.float64)
