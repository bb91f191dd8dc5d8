"""The reference image of a run: the mean of its motion-corrected frames."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.images import Image3D, Image4D
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.frame_reading import spline_coefficients
from app.preprocessing.geometry import rigid_matrices

MOST_FRAMES = 60


def make_boldref(
    image: Image4D,
    motion: Motion | None,
    *,
    first_frame: int = 0,
    progress: Progress | None = None,
    threads: int = 1,
) -> Image3D:
    """Mean of up to 60 evenly spaced steady frames, each moved onto the reference head.

    Frames that `motion` marks as uncertain, or that jumped by more than 0.5 mm (FD Power), are
    left out while enough others remain. Cubic B-spline, one interpolation.

    Parameters
    ----------
    motion
        None where the run is already motion-corrected.

    Returns
    -------
    Image3D
        (x, y, z) float32 in scanner units (slope and intercept applied), scanner space.
    """
    from app.preprocessing import kernels

    progress = progress or Progress()
    count = image.data.shape[3]
    matrices: Floats = np.repeat(np.eye(4)[None], count, axis=0)
    frames = np.arange(first_frame, count)
    if motion is not None:
        matrices = rigid_matrices(motion)
        quiet = ~(motion.framewise_displacement_mm[first_frame:] > 0.5)
        quiet &= ~np.isin(frames, motion.uncertain_frames)
        frames = frames[quiet] if quiet.sum() >= min(10, frames.size) else frames
    frames = frames[:: max(-(-frames.size // MOST_FRAMES), 1)]
    to_voxel = np.linalg.inv(image.affine)

    def resample(frame: int) -> Floats:
        volume = np.ascontiguousarray(image.data[..., frame], np.float64)
        coefficients = spline_coefficients(volume)
        out = np.zeros(volume.shape)
        matrix = np.ascontiguousarray((to_voxel @ matrices[frame] @ image.affine)[:3])
        kernels.cubic_volume(coefficients, matrix, out)
        return out

    total = np.zeros(image.data.shape[:3])
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        for start in range(0, frames.size, 8):  # fixed blocks: the order of additions is fixed
            for volume in pool.map(resample, frames[start : start + 8]):
                total += volume
            progress.step(min(start + 8, frames.size) / frames.size, "Averaging frames")
    mean = total / frames.size * image.slope + image.intercept
    return Image3D(frozen(mean, np.float32), image.affine, image.space)
