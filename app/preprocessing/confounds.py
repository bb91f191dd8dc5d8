"""The confound table of a run, with fMRIPrep's column names.

Tissue signals are means over native voxels in the scanner's own grid, read through the same
motion correction and the same cubic B-spline as the parcels; no corrected 4-D file is made.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.images import Image3D, SpatialMap
from app.core.results import Motion
from app.preprocessing.framewise import dvars, standardised_dvars
from app.preprocessing.geometry import apply_affine
from app.preprocessing.sampling import SampledSeries, ScannerPoints
from app.preprocessing.spatial_map import warp_volume_to_scanner

TISSUES = ("csf", "white_matter")  # group order of `tissue_points`
MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
MOST_VOXELS = 20_000
LEAST_VOXELS = 20
COSINE_PERIOD_S = 128.0
_THRESHOLDS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def tissue_points(
    spatial_map: SpatialMap, mask: Image3D, csf: Image3D, white: Image3D
) -> ScannerPoints:
    """Native voxels that are surely CSF or white matter.

    The template's probability maps are brought back to the native grid. White matter is
    eroded by one voxel; CSF spaces are thinner than EPI voxels, so there only the strictest
    threshold that leaves 20 voxels is used, and the outer rim of the mask is kept away from.

    Parameters
    ----------
    spatial_map, mask
        Map to the template and brain mask in scanner space.
    csf, white
        Probabilities 0..1 in the template.

    Returns
    -------
    ScannerPoints
        Group 0 is CSF, group 1 white matter.
    """
    from scipy import ndimage

    brain = np.asarray(mask.data, bool)
    core = ndimage.binary_erosion(brain, iterations=2)
    chosen = []
    for probability, erode in ((csf, False), (white, True)):
        native = np.asarray(warp_volume_to_scanner(probability, spatial_map, mask).data)
        chosen.append(_surest(native, core if core.any() else brain, erode))
    voxels = [np.argwhere(part) for part in chosen]
    positions = apply_affine(mask.affine, np.concatenate(voxels).astype(np.float64))
    groups = np.repeat(np.arange(2, dtype=np.int32), [len(part) for part in voxels])
    return ScannerPoints(frozen(positions), frozen(groups), 2)


def brain_voxel_points(mask: Image3D, most: int = MOST_VOXELS) -> Floats:
    """Centres (voxel, 3) in scanner mm of evenly strided brain voxels, at most `most`."""
    voxels = np.argwhere(np.asarray(mask.data, bool))
    voxels = voxels[:: max(-(-len(voxels) // most), 1)]
    return apply_affine(mask.affine, voxels.astype(np.float64))


def compute_confounds(
    motion: Motion, sampled: SampledSeries, repetition_time_s: float, *, first_frame: int = 0
) -> dict[str, Floats]:
    """All confounds of the frames from `first_frame` on.

    Parameters
    ----------
    motion
        Of every frame in the file.
    sampled
        With `tissue` from `tissue_points` and `voxels` from `brain_voxel_points`.
    repetition_time_s
        Seconds between frames.
    first_frame
        Frames before it are left out.

    Returns
    -------
    dict
        Column name -> (frame,) float64, in fMRIPrep's spelling: six motion parameters (mm,
        radians) each with ``_derivative1``, ``_power2``, ``_derivative1_power2``;
        ``framewise_displacement`` (Power, mm), ``rmsd`` (Jenkinson, mm), ``dvars``,
        ``std_dvars``, ``csf``, ``white_matter``, ``global_signal``, ``cosine00``...
        Differences of the first row are NaN where the file has no frame before it.
    """
    table: dict[str, Floats] = {}
    steps = np.full(motion.parameters.shape, np.nan)
    steps[1:] = np.diff(motion.parameters, axis=0)
    for column, name in enumerate(MOTION_COLUMNS):
        table[name] = motion.parameters[first_frame:, column]
    table["framewise_displacement"] = motion.framewise_displacement_mm[first_frame:]
    voxels = sampled.voxels
    table["std_dvars"] = standardised_dvars(voxels)
    table["dvars"] = dvars(voxels)
    table["rmsd"] = motion.framewise_displacement_jenkinson_mm[first_frame:]
    for group, name in enumerate(TISSUES):
        table[name] = sampled.tissue[:, group]
    table["global_signal"] = voxels.mean(axis=1, dtype=np.float64)
    for column, name in enumerate(MOTION_COLUMNS):
        step = steps[first_frame:, column]
        table[f"{name}_derivative1"] = step
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = step**2
    for index, cosine in enumerate(cosine_drift(len(voxels), repetition_time_s).T):
        table[f"cosine{index:02d}"] = cosine
    return {name: frozen(values, np.float64) for name, values in table.items()}


def cosine_drift(frame_count: int, repetition_time_s: float) -> Floats:
    """Discrete cosines slower than 128 s, (frame, cosine), as in fMRIPrep (no constant)."""
    order = int(np.floor(2 * frame_count * repetition_time_s / COSINE_PERIOD_S))
    order = min(max(order, 0), frame_count - 1)
    frames = np.arange(frame_count)[:, None] + 0.5
    terms = np.arange(1, order + 1)[None, :]
    return np.asarray(np.sqrt(2.0 / frame_count) * np.cos(np.pi / frame_count * frames * terms))


def temporal_snr(voxels: Floats) -> float:
    """Median over brain voxels of mean / standard deviation in time.

    Parameters
    ----------
    voxels
        (frame, voxel) motion-corrected values. A linear and a quadratic trend are taken out
        first, as MRIQC does, so that scanner drift does not count as noise.
    """
    time = np.linspace(-1.0, 1.0, len(voxels))
    design = np.linalg.qr(np.stack([np.ones_like(time), time, time**2], axis=1))[0]
    values = np.asarray(voxels, np.float64)
    residual = values - design @ (design.T @ values)
    spread = residual.std(axis=0)
    alive = spread > 0
    return float(np.median(values.mean(axis=0)[alive] / spread[alive])) if alive.any() else 0.0


def _surest(probability: Floats, core: Bools, erode: bool) -> Bools:
    """Voxels of one tissue at the strictest threshold that leaves enough of them."""
    from scipy import ndimage

    for steps in (1, 0) if erode else (0,):
        for threshold in _THRESHOLDS[: 3 if steps else None]:
            chosen = (probability > threshold) & core
            if steps:
                chosen = ndimage.binary_erosion(chosen, iterations=steps)
            if int(chosen.sum()) >= LEAST_VOXELS:
                return np.asarray(chosen, bool)
    # Never empty: the most probable voxels there are.
    inside = np.where(core, probability, -1.0)
    count = min(LEAST_VOXELS, int(core.sum()))
    limit = np.partition(inside.ravel(), -count)[-count]
    return np.asarray((inside >= limit) & core, bool)
