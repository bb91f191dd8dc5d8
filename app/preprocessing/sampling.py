"""From raw volumes to parcel series with one interpolation in space.

Template point -> displacement -> affine -> the frame's rigid motion -> voxel is one composed map
per frame; the raw volume is read there once, with a cubic B-spline. No 4-D volume is made.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.geometry import apply_affine, rigid_matrices
from app.preprocessing.spatial_map import read_at, to_scanner


@dataclass(frozen=True, slots=True)
class ScannerPoints:
    """Points on the reference head, each in one group, whose mean series is wanted."""

    points_mm: Floats  # (point, 3), scanner mm at the reference
    group_of_point: Ints  # (point,)
    group_count: int


@dataclass(frozen=True, slots=True)
class SampledSeries:
    """Parcel series and, where asked for, tissue series and voxel values, in scanner units."""

    series: Floats  # (frame, parcel) float64; NaN where a parcel has no usable point
    coverage: Floats  # (parcel,), usable points / points
    points_used: Ints  # (parcel,)
    tissue: Floats  # (frame, group) float64, means of `tissues`' groups
    voxels: Floats  # (frame, voxel) float32, values at `voxel_points_mm`


def sample_parcels(
    image: Image4D,
    motion: Motion | None,
    spatial_map: SpatialMap,
    points: ParcelPoints,
    mask: Image3D,
    *,
    first_frame: int = 0,
    counted_frames: Bools | None = None,
    tissues: ScannerPoints | None = None,
    voxel_points_mm: Floats | None = None,
    progress: Progress | None = None,
    threads: int = 1,
) -> SampledSeries:
    """Mean of each parcel's sample points in every frame, through one cubic B-spline.

    Parameters
    ----------
    image
        Raw run; its slope and intercept are applied to the means.
    motion
        Head motion of every frame of `image`; None where the run is already corrected.
    points
        Where the atlas is sampled, in the template of `spatial_map`.
    mask
        Brain mask in scanner space, at the motion reference.
    first_frame
        Frames before it are left out: row 0 of the result is this frame.
    counted_frames
        (frame of `image`,) False where a frame will be interpolated later: it does not narrow
        the field of view. Default: all frames count.
    tissues, voxel_points_mm
        Further points to read in the same pass (for confounds); kept whatever the mask.
    progress
        Told after every few frames; a cancel takes hold there.
    threads
        Frames read side by side; the answer has the same bits for any number.

    Returns
    -------
    SampledSeries
        A parcel's points are those inside the mask, and inside the field of view in all
        counted frames: the same points in every frame.

    Raises
    ------
    PreprocessingError
        ``preprocessing.template_mismatch`` when atlas and map are in different templates.
    """
    if points.template != spatial_map.template:
        raise PreprocessingError(
            f"The atlas {points.atlas} lives in {points.template}, but the scan was brought to "
            f"{spatial_map.template}.",
            "Register to the atlas's own template.",
            code="preprocessing.template_mismatch",
        )
    on_reference = to_scanner(spatial_map, np.asarray(points.points_mm, np.float64))
    matrices = _voxel_matrices(image, motion)
    counted = np.ones(len(matrices), bool) if counted_frames is None else counted_frames.copy()
    counted[:first_frame] = False
    usable = read_at(mask, on_reference, 0).astype(bool)
    _keep_in_view(matrices[counted], on_reference, image.data.shape[:3], usable)
    group = points.parcel_of_point
    total = np.bincount(group, minlength=points.parcel_count)
    used = np.bincount(group[usable], minlength=points.parcel_count)
    parcels = ScannerPoints(on_reference[usable], group[usable], points.parcel_count)
    extra = tissues or ScannerPoints(np.zeros((0, 3)), np.zeros(0, np.int32), 0)
    single = np.zeros((0, 3)) if voxel_points_mm is None else voxel_points_mm
    sums, tissue_sums, voxels = read_frames(
        image, matrices, (parcels, extra), single, first_frame, progress or Progress(), threads
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        series = sums / used * image.slope + image.intercept
        sizes = np.bincount(extra.group_of_point, minlength=extra.group_count)
        tissue = tissue_sums / sizes * image.slope + image.intercept
        coverage = np.where(total > 0, used / np.maximum(total, 1), 0.0)
    voxels *= np.float32(image.slope)
    voxels += np.float32(image.intercept)
    return SampledSeries(
        frozen(series), frozen(coverage), frozen(used), frozen(tissue), frozen(voxels)
    )


def read_frames(
    image: Image4D,
    matrices: Floats,
    groups: tuple[ScannerPoints, ScannerPoints],
    single_points_mm: Floats,
    first_frame: int,
    progress: Progress,
    threads: int,
) -> tuple[Floats, Floats, Floats]:
    """Group sums and single values of every frame from `first_frame` on, stored units.

    `matrices` (frame, 3, 4) take reference scanner mm to voxels of the frame.
    """
    from scipy import ndimage

    from app.preprocessing import kernels

    frame_count = image.data.shape[3] - first_frame
    sums = [np.zeros((frame_count, item.group_count)) for item in groups]
    voxels = np.empty((frame_count, len(single_points_mm)), np.float32)
    ready = [
        (np.ascontiguousarray(item.points_mm, np.float64), item.group_of_point.astype(np.int32))
        for item in groups
    ]
    singles = np.ascontiguousarray(single_points_mm, np.float64)

    def read(row: int) -> None:
        frame = first_frame + row
        volume = np.ascontiguousarray(image.data[..., frame], np.float64)
        filtered = ndimage.spline_filter(volume, order=3, mode="mirror")
        coefficients = np.empty([count + 3 for count in volume.shape])
        kernels.padded(filtered, coefficients)
        for (positions, group), total in zip(ready, sums, strict=True):
            kernels.cubic_group_sums(coefficients, matrices[frame], positions, group, total[row])
        kernels.cubic_values(coefficients, matrices[frame], singles, voxels[row])

    run_frames(read, frame_count, progress, threads, "Sampling parcels")
    return sums[0], sums[1], voxels


def run_frames(
    work: Callable[[int], None], count: int, progress: Progress, threads: int, message: str
) -> None:
    """Run `work` on frames 0..count - 1 in a thread pool, a few at a time between progress."""
    block = 4 * max(threads, 1)
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        for start in range(0, count, block):
            for _ in pool.map(work, range(start, min(start + block, count))):
                pass
            progress.step(min(start + block, count) / count, message)


def _voxel_matrices(image: Image4D, motion: Motion | None) -> Floats:
    """(frame, 3, 4): reference scanner mm -> voxel of each frame."""
    to_voxel = np.linalg.inv(image.affine)
    if motion is None:
        return np.repeat(to_voxel[None, :3], image.data.shape[3], axis=0)
    return np.ascontiguousarray((to_voxel @ rigid_matrices(motion))[:, :3])


def _keep_in_view(
    matrices: Floats, points_mm: Floats, shape: tuple[int, ...], usable: Bools
) -> None:
    """Clear `usable` where a point leaves the field of view in any of the frames.

    Only points nearer to a border than the largest movement anywhere in the grid are followed
    through all frames; the farther ones cannot leave.
    """
    from app.preprocessing import kernels

    if len(matrices) == 0:
        return
    grid = np.array(shape, dtype=np.float64)
    middle = np.vstack([matrices[len(matrices) // 2], [0.0, 0.0, 0.0, 1.0]])
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in grid])).reshape(3, -1).T
    in_mm = apply_affine(np.linalg.inv(middle), corners)
    moved = np.einsum("fij,pj->fpi", matrices[:, :, :3], in_mm) + matrices[:, None, :, 3] - corners
    reach = np.abs(moved).max(axis=(0, 1))  # an affine map moves the corners of a box farthest
    voxels = apply_affine(middle, points_mm)
    safe = ((voxels >= reach) & (voxels <= grid - 1 - reach)).all(axis=1)
    border = np.flatnonzero(usable & ~safe)
    inside = np.ones(len(border), dtype=bool)
    positions = np.ascontiguousarray(points_mm[border])
    for matrix in matrices:
        kernels.inside_grid(matrix, positions, grid, inside)
    usable[border] = inside
