"""From raw volumes to parcel series with one interpolation in space.

Template point -> displacement -> affine -> the frame's rigid motion -> voxel is one composed map
per frame; the raw volume is read there once, with a cubic B-spline. No 4-D volume is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats, Ints, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, Image4D, ParcelPoints, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.frame_reading import (
    FrameValues,
    PointSets,
    ScannerPoints,
    VoxelMoments,
    read_frames,
    scaled_moments,
)
from app.preprocessing.geometry import apply_affine, rigid_matrices
from app.preprocessing.spatial_map import read_at, to_scanner

__all__ = [
    "SampledSeries",
    "ScannerPoints",
    "VoxelMoments",
    "preprocessing_device",
    "sample_parcels",
]


@dataclass(frozen=True, slots=True)
class SampledSeries:
    """Parcel series and, where asked for, tissue series and voxel values, in scanner units."""

    series: Floats  # (frame, parcel) float64; NaN where a parcel has no usable point
    coverage: Floats  # (parcel,), usable points / points
    points_used: Ints  # (parcel,)
    tissue: Floats  # (frame, group) float64, means of `tissues`' groups
    voxels: Floats  # (frame, voxel) float32, values at `voxel_points_mm`
    moments: VoxelMoments | None = None  # at `moment_points_mm`
    interpolation: str = "cubic B-spline"  # or "trilinear", the fallback
    device: str = "cpu"


def preprocessing_device(wish: str) -> str:
    """Where motion and sampling run: "cuda" where there is such a card and it may be used."""
    if wish not in ("auto", "cuda"):
        return "cpu"
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def sample_parcels(
    image: Image4D,
    motion: Motion | None,
    spatial_map: SpatialMap,
    points: ParcelPoints,
    mask: Image3D,
    *,
    first_frame: int = 0,
    counted_frames: Bools | None = None,
    parcel_mean: str = "covered",
    tissues: ScannerPoints | None = None,
    voxel_points_mm: Floats | None = None,
    moment_points_mm: Floats | None = None,
    interpolation: str = "cubic",
    device: str = "cpu",
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
        the field of view and is no part of the moments. Default: all frames count.
    parcel_mean
        "covered": a parcel's points are those inside the mask, and inside the field of view in
        all counted frames, the same points in every frame. "all": every point of the label, as
        the published pipelines do; a point outside the field of view counts as 0.
    tissues, voxel_points_mm
        Further points to read in the same pass (for confounds); kept whatever the mask.
    moment_points_mm
        (point, 3) where only sums over the counted frames are kept (for maps).
    interpolation
        "cubic", or "linear" for the fallback.
    device
        "cpu" or "cuda"; there parcel means agree with the CPU's to 1e-5 of their size. Out of
        memory there ends on the CPU, which the result says.
    progress
        Told after every few frames; a cancel takes hold there.
    threads
        Frames read side by side; the answer has the same bits for any number.

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
    progress = progress or Progress()
    on_reference = to_scanner(spatial_map, np.asarray(points.points_mm, np.float64))
    matrices = voxel_matrices(image, motion)
    counted = np.ones(len(matrices), bool) if counted_frames is None else counted_frames.copy()
    counted[:first_frame] = False
    usable = read_at(mask, on_reference, 0).astype(bool)
    _keep_in_view(matrices[counted], on_reference, image.data.shape[:3], usable)
    group = points.parcel_of_point
    total = np.bincount(group, minlength=points.parcel_count)
    used = np.bincount(group[usable], minlength=points.parcel_count)
    whole = parcel_mean == "all"
    read = np.ones(len(group), bool) if whole else usable
    sets = PointSets(
        ScannerPoints(on_reference[read], group[read], points.parcel_count),
        tissues or ScannerPoints(np.zeros((0, 3)), np.zeros(0, np.int32), 0),
        _or_none(voxel_points_mm),
        _or_none(moment_points_mm),
        in_view_only=whole,
    )
    found, where, used_interpolation = _read_on(
        device, image, matrices, sets, first_frame, counted, interpolation, progress, threads
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        if whole:
            inside = found.counts * image.intercept
            series = (found.parcel_sums * image.slope + inside) / total
        else:
            series = found.parcel_sums / used * image.slope + image.intercept
        sizes = np.bincount(sets.tissues.group_of_point, minlength=sets.tissues.group_count)
        tissue_means = found.tissue_sums / sizes * image.slope + image.intercept
        coverage = np.where(total > 0, used / np.maximum(total, 1), 0.0)
    voxels = found.voxels
    voxels *= np.float32(image.slope)
    voxels += np.float32(image.intercept)
    moments = scaled_moments(found.moments, image) if moment_points_mm is not None else None
    return SampledSeries(
        frozen(series),
        frozen(coverage),
        frozen(used),
        frozen(tissue_means),
        frozen(voxels),
        moments,
        "cubic B-spline" if used_interpolation == "cubic" else "trilinear",
        where,
    )


def _read_on(
    device: str,
    image: Image4D,
    matrices: Floats,
    sets: PointSets,
    first_frame: int,
    counted: Bools,
    interpolation: str,
    progress: Progress,
    threads: int,
) -> tuple[FrameValues, str, str]:
    """Values, the device and the interpolation that were used in the end."""
    if device != "cpu" and interpolation == "cubic":
        import torch

        from app.preprocessing.gpu_frames import read_frames_on_device

        try:
            found = read_frames_on_device(
                torch, device, image, matrices, sets, first_frame, counted, progress
            )
        except torch.OutOfMemoryError:
            pass  # the result says "cpu"
        else:
            return found, device, interpolation
    try:
        found = read_frames(
            image, matrices, sets, first_frame, counted, interpolation, progress, threads
        )
    except (ImportError, MemoryError):
        # No compiled kernels, or no room for the spline's coefficients: scipy's trilinear reader.
        interpolation = "linear"
        found = read_frames(
            image, matrices, sets, first_frame, counted, interpolation, progress, threads
        )
    return found, "cpu", interpolation


def _or_none(points_mm: Floats | None) -> Floats:
    return np.zeros((0, 3)) if points_mm is None else points_mm


def voxel_matrices(image: Image4D, motion: Motion | None) -> Floats:
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
