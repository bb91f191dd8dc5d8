"""The confound table of a run, with fMRIPrep's column names.

Tissue signals are means over native voxels in the scanner's own grid, read through the same
motion correction and the same cubic B-spline as the parcels; no corrected 4-D file is made.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import PreprocessingError
from app.core.images import Image3D, SpatialMap
from app.core.results import MOTION_COLUMNS, Motion
from app.preprocessing.framewise import dvars, standardised_dvars
from app.preprocessing.geometry import apply_affine, grid_points_mm, spread_choice
from app.preprocessing.sampling import SampledSeries, ScannerPoints
from app.preprocessing.spatial_map import read_at, to_template

TISSUES = ("white_matter", "csf")  # group order of `tissue_points`
MOST_VOXELS = 10_000
MOST_TISSUE_VOXELS = 2_500
LEAST_VOXELS = 20
COSINE_PERIOD_S = 128.0
_THRESHOLDS = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
_EROSIONS = {"white_matter": 2, "csf": 1}  # template voxels; CSF spaces are thin


def tissue_points(
    white: Image3D, csf: Image3D, spatial_map: SpatialMap, mask: Image3D
) -> ScannerPoints:
    """Native voxels that are surely white matter or CSF.

    The template's probability maps are thresholded and eroded on their own grid (2 voxels for
    white matter, 1 for CSF), then brought back; the outer rim of the brain mask is kept away
    from. Where fewer than 20 voxels remain, threshold and erosion give way step by step.

    Parameters
    ----------
    white, csf
        Probabilities 0..1 in the template, (x, y, z).
    spatial_map, mask
        Map to the template and brain mask in scanner space.

    Returns
    -------
    ScannerPoints
        Group 0 is white matter, group 1 CSF (the order of `TISSUES`).

    Raises
    ------
    PreprocessingError
        ``preprocessing.no_tissue`` when a tissue is nowhere in view.
    """
    from scipy import ndimage

    brain = np.asarray(mask.data, bool)
    core = ndimage.binary_erosion(brain, iterations=2)
    in_template = to_template(spatial_map, grid_points_mm(brain.shape, mask.affine)[core.ravel()])
    where = np.argwhere(core)
    voxels = [
        where[_surest(probability, in_template, _EROSIONS[name], name)]
        for name, probability in zip(TISSUES, (white, csf), strict=True)
    ]
    positions = apply_affine(mask.affine, np.concatenate(voxels).astype(np.float64))
    groups = np.repeat(np.arange(2, dtype=np.int32), [len(part) for part in voxels])
    return ScannerPoints(frozen(positions), frozen(groups), 2)


def brain_voxels(mask: Image3D, most: int = MOST_VOXELS) -> Floats:
    """Centres (voxel, 3) in scanner mm of brain voxels spread over the mask, at most `most`."""
    voxels = np.argwhere(np.asarray(mask.data, bool))
    chosen = voxels[spread_choice(len(voxels), most)]
    return apply_affine(mask.affine, chosen.astype(np.float64))


def mask_voxels(mask: Image3D) -> Floats:
    """Centres (voxel, 3) in scanner mm of all brain voxels, in C order."""
    return apply_affine(mask.affine, np.argwhere(np.asarray(mask.data, bool)).astype(np.float64))


def single_tissue_voxels(tissues: ScannerPoints, most: int = MOST_TISSUE_VOXELS) -> ScannerPoints:
    """At most `most` points of each tissue, spread over it: their own series feed CompCor."""
    rows = []
    for group in range(tissues.group_count):
        members = np.flatnonzero(tissues.group_of_point == group)
        rows.append(members[spread_choice(len(members), most)])
    chosen = np.concatenate(rows)
    return ScannerPoints(
        tissues.points_mm[chosen], tissues.group_of_point[chosen], tissues.group_count
    )


def tissue_images(tissues: ScannerPoints, mask: Image3D) -> tuple[Image3D, Image3D]:
    """Masks of white matter and CSF on the grid of the brain mask."""
    voxels = apply_affine(np.linalg.inv(mask.affine), np.asarray(tissues.points_mm))
    index = np.rint(voxels).astype(int)
    images = []
    for group in range(len(TISSUES)):
        data = np.zeros(mask.data.shape, bool)
        data[tuple(index[tissues.group_of_point == group].T)] = True
        images.append(Image3D(frozen(data), mask.affine, mask.space))
    return images[0], images[1]


def compute_confounds(
    motion: Motion, sampled: SampledSeries, *, first_frame: int, repetition_time_s: float
) -> dict[str, Floats]:
    """Motion, tissue and frame-wise confounds of the frames from `first_frame` on.

    Parameters
    ----------
    motion
        Of every frame in the file.
    sampled
        With `tissue` from `tissue_points` and `voxels` from `brain_voxels`.
    repetition_time_s
        Seconds between frames.
    first_frame
        Frames before it are left out.

    Returns
    -------
    dict
        Column name -> (frame,) float64, in fMRIPrep's spelling: six motion parameters (mm,
        radians), ``csf``, ``white_matter`` and ``global_signal``, each with ``_derivative1``,
        ``_power2``, ``_derivative1_power2``; ``framewise_displacement`` (Power, mm), ``rmsd``
        (Jenkinson, mm), ``dvars``, ``std_dvars``, ``cosine00``... Differences are
        NaN in the first row.
    """
    table: dict[str, Floats] = {}
    kept = motion.parameters[first_frame:]
    for column, name in enumerate(MOTION_COLUMNS):
        table[name] = kept[:, column]
    table["framewise_displacement"] = _first_unknown(motion.framewise_displacement_mm[first_frame:])
    voxels = sampled.voxels
    table["std_dvars"] = standardised_dvars(voxels)
    table["dvars"] = dvars(voxels)
    table["rmsd"] = _first_unknown(motion.framewise_displacement_jenkinson_mm[first_frame:])
    for group, name in enumerate(TISSUES):
        table[name] = sampled.tissue[:, group]
    table["global_signal"] = voxels.mean(axis=1, dtype=np.float64)
    for name in (*MOTION_COLUMNS, "csf", "white_matter", "global_signal"):
        step = np.full(len(kept), np.nan)
        step[1:] = np.diff(table[name])
        table[f"{name}_derivative1"] = step
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = step**2
    table.update(cosines(len(voxels), repetition_time_s))
    return {name: frozen(values, np.float64) for name, values in table.items()}


def non_steady_columns(frame_count: int, non_steady: int) -> dict[str, Floats]:
    """One ``non_steady_state_outlierXX`` column a leading frame that has not settled."""
    return {
        f"non_steady_state_outlier{frame:02d}": frozen((np.arange(frame_count) == frame) * 1.0)
        for frame in range(non_steady)
    }


def cosines(frame_count: int, repetition_time_s: float) -> dict[str, Floats]:
    """Discrete cosines slower than 128 s, ``cosine00``... -> (frame,), as in fMRIPrep."""
    order = int(np.floor(2 * frame_count * repetition_time_s / COSINE_PERIOD_S))
    order = min(max(order, 0), frame_count - 1)
    place = np.pi / frame_count * (np.arange(frame_count) + 0.5)
    return {
        f"cosine{term - 1:02d}": np.sqrt(2.0 / frame_count) * np.cos(place * term)
        for term in range(1, order + 1)
    }


def temporal_snr(voxels: Floats, good: Bools) -> float:
    """Median over brain voxels of mean / standard deviation in time.

    Parameters
    ----------
    voxels
        (frame, voxel) motion-corrected values. A linear and a quadratic trend are taken out
        first, as MRIQC does, so that scanner drift does not count as noise.
    good
        (frame,), False = flagged: left out.

    Returns
    -------
    float
        NaN where too few frames are left to tell noise from the trend.
    """
    if int(good.sum()) <= 3:
        return float("nan")
    time = np.linspace(-1.0, 1.0, len(voxels))[good]
    values = np.asarray(voxels, np.float64)[good]
    residual = without_quadratic_trend(values, time)
    spread = residual.std(axis=0)
    alive = spread > 0
    return float(np.median(values.mean(axis=0)[alive] / spread[alive])) if alive.any() else 0.0


def without_quadratic_trend(series: Floats, time: Floats) -> Floats:
    """Each column of (frame, column) less its best parabola over `time` (frame,), float64."""
    design = np.linalg.qr(np.stack([np.ones_like(time), time, time**2], axis=1))[0]
    values = np.asarray(series, np.float64)
    return np.asarray(values - design @ (design.T @ values))


def _first_unknown(values: Floats) -> Floats:
    """A copy whose first value is NaN: the frame before it is not part of the series."""
    result = values.copy()
    result[:1] = np.nan
    return result


def _surest(probability: Image3D, points_mm: Floats, erosion: int, name: str) -> Bools:
    """(point,) bool: points of one tissue at the strictest setting that leaves enough."""
    from scipy import ndimage

    best = np.zeros(len(points_mm), dtype=bool)
    for steps in range(erosion, -1, -1):
        for threshold in _THRESHOLDS[: 3 if steps else None]:
            sure = np.asarray(probability.data, np.float64) > threshold
            if steps:
                sure = ndimage.binary_erosion(sure, iterations=steps)
            found = read_at(Image3D(sure, probability.affine, probability.space), points_mm, 0)
            if int(found.sum()) >= LEAST_VOXELS:
                return np.asarray(found, bool)
            best = np.asarray(found, bool) if found.sum() > best.sum() else best
    if not best.any():
        raise PreprocessingError(
            f"The scan shows no voxel that is surely {name}.",
            "Check that the whole brain is in view and where the quality page places it.",
            code="preprocessing.no_tissue",
        )
    return best
