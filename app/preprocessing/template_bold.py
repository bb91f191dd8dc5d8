"""The whole run in the template, one frame at a time: only on request, since it is large."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.core.arrays import Floats
from app.core.images import Image3D, Image4D, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.frame_reading import spline_coefficients
from app.preprocessing.geometry import apply_affine, grid_points_mm
from app.preprocessing.sampling import voxel_matrices
from app.preprocessing.spatial_map import to_scanner


def write_template_bold(
    image: Image4D,
    motion: Motion | None,
    spatial_map: SpatialMap,
    grid: Image3D,
    path: Path,
    *,
    first_frame: int = 0,
    progress: Progress | None = None,
    threads: int = 1,
) -> None:
    """Write a gzipped float32 NIfTI of every frame on the grid of a template image.

    One composed map per frame and one cubic B-spline, as for the parcels; 0 outside the field of
    view. Memory: one volume a thread and the positions of the grid, whatever the run's length.

    Parameters
    ----------
    image, motion, spatial_map
        The run and its place; motion None where it is already corrected.
    grid
        Its shape and affine are the output's.
    path
        New ``.nii.gz`` file.
    first_frame
        Frames before it are left out.
    """
    import nibabel

    from app.preprocessing import kernels

    progress = progress or Progress()
    shape = grid.data.shape
    points = to_scanner(spatial_map, grid_points_mm(shape, grid.affine))
    matrices = voxel_matrices(image, motion)
    edge = np.array(image.data.shape[:3]) - 1.0
    count = image.data.shape[3] - first_frame
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape((*shape, count))
    header.set_sform(grid.affine, 4)
    header.set_qform(grid.affine, 4)
    header.set_zooms((*header.get_zooms()[:3], image.repetition_time_s))
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = 352
    header["magic"] = b"n+1"

    def one(row: int) -> bytes:
        frame = first_frame + row
        matrix = matrices[frame]
        coefficients = spline_coefficients(np.ascontiguousarray(image.data[..., frame], np.float64))
        values: Floats = np.empty(len(points))
        kernels.cubic_values(coefficients, matrix, points, values)
        voxels = apply_affine(np.vstack([matrix, [0.0, 0.0, 0.0, 1.0]]), points)
        inside = ((voxels >= -1e-6) & (voxels <= edge + 1e-6)).all(axis=1)
        scaled = np.where(inside, values * image.slope + image.intercept, 0.0)
        return scaled.astype("<f4").reshape(shape).tobytes(order="F")

    with (
        path.open("xb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        ThreadPoolExecutor(max_workers=max(threads, 1)) as pool,
    ):
        packed.write(header.binaryblock + b"\0\0\0\0")
        for start in range(0, count, max(threads, 1)):
            rows = range(start, min(start + max(threads, 1), count))
            for volume in pool.map(one, rows):
                packed.write(volume)
            progress.step(rows.stop / count, "Writing the run in the template")
