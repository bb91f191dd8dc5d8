"""Quality measures that inform and do not gate: they are comparable within one protocol only.

Definitions as in MRIQC's functional report (`qc/functional.py`) and AFNI's `3dToutcount` and
`3dTqual`, on a fixed sample of brain voxels instead of all of them.
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.images import Image3D
from app.preprocessing.confounds import without_quadratic_trend
from app.preprocessing.frame_reading import VoxelMoments

_OUTLIER_TAIL = 0.001


def global_correlation(voxels: Floats) -> float:
    """GCOR: squared length of the mean unit-norm series (Saad 2013), 0..1.

    Parameters
    ----------
    voxels
        (frame, voxel); constant voxels are left out.
    """
    centred = np.asarray(voxels, np.float64) - voxels.mean(axis=0, dtype=np.float64)
    norms = np.sqrt((centred**2).sum(axis=0))
    alive = norms > 0
    if not alive.any():
        return float("nan")
    mean = (centred[:, alive] / norms[alive]).mean(axis=1)
    return float(mean @ mean)


def outlier_ratio(voxels: Floats) -> float:
    """AOR: mean share of voxels that are outliers in a frame (AFNI `3dToutcount`), 0..1.

    A value is an outlier where it lies farther from its voxel's quadratic trend than
    ``z(0.001 / frames) sqrt(pi / 2) MAD``.
    """
    from scipy.stats import norm

    residual = without_quadratic_trend(voxels, np.linspace(-1.0, 1.0, len(voxels)))
    residual -= np.median(residual, axis=0)
    distance = np.abs(residual)
    spread = np.median(distance, axis=0)
    alive = spread > 0
    if not alive.any():
        return float("nan")
    limit = -norm.ppf(_OUTLIER_TAIL / len(voxels)) * np.sqrt(np.pi / 2.0) * spread[alive]
    return float((distance[:, alive] > limit).mean())


def quality_index(voxels: Floats) -> float:
    """AQI: mean over frames of 1 - Spearman's correlation with the median volume (`3dTqual`)."""
    from scipy.stats import rankdata

    reference = _unit(rankdata(np.median(voxels, axis=0)))
    distance = [1.0 - float(_unit(rankdata(frame)) @ reference) for frame in voxels]
    return float(np.mean(distance))


def ghost_ratio(boldref: Image3D, mask: Image3D, axis: int) -> float:
    """GSR: mean of the half-shifted brain's rim over background, per median brain signal.

    Giannelli 2010, as in MRIQC: the brain mask moved by half the field of view along `axis`,
    less the brain itself, against the rest of the background.
    """
    brain = np.asarray(mask.data, bool)
    ghost = np.roll(brain, brain.shape[axis] // 2, axis) & ~brain
    rest = ~ghost & ~brain
    if not (brain.any() and ghost.any() and rest.any()):
        return float("nan")
    values = np.asarray(boldref.data, np.float64)
    signal = float(np.median(values[brain]))
    return (
        float(values[ghost].mean() - values[rest].mean()) / signal if signal > 0 else float("nan")
    )


def temporal_snr_map(moments: VoxelMoments, mask: Image3D) -> Image3D:
    """Mean over standard deviation in time of every brain voxel, 0 outside the mask.

    Parameters
    ----------
    moments
        At the mask's voxels in C order; a quadratic trend does not count as noise.
    """
    one, t, tt, ttt, tttt = moments.time_sums
    normal = np.array([[one, t, tt], [t, tt, ttt], [tt, ttt, tttt]])
    products = moments.sums[[0, 2, 3]]
    explained = (products * (np.linalg.pinv(normal) @ products)).sum(axis=0)
    variance = np.maximum(moments.sums[1] - explained, 0.0) / max(one, 1.0)
    mean = moments.sums[0] / max(one, 1.0)
    brain = np.asarray(mask.data, bool)
    result = np.zeros(brain.shape, np.float32)
    floor = 1e-6 * np.abs(mean)  # below it only rounding is left
    spread = np.sqrt(variance)
    result[brain] = np.where(spread > floor, mean / np.maximum(spread, 1e-30), 0.0)
    result.flags.writeable = False
    return Image3D(result, mask.affine, mask.space)


def informing_values(
    voxels: Floats,
    good: Bools,
    boldref: Image3D,
    mask: Image3D,
    confounds: dict[str, Floats],
) -> dict[str, float]:
    """All measures of this module and the summaries of motion that gate nothing, by name."""
    kept = np.asarray(voxels[good])
    moved = confounds["framewise_displacement"]
    return {
        "mean_fd_jenkinson_mm": _mean(confounds["rmsd"]),
        "fd_over_0_2_mm_percent": 100.0 * float((np.nan_to_num(moved) > 0.2).mean()),
        "mean_std_dvars": _mean(confounds["std_dvars"]),
        "global_correlation": global_correlation(kept),
        "outlier_ratio": outlier_ratio(np.asarray(voxels)),
        "quality_index": quality_index(np.asarray(voxels)),
        "ghost_ratio_x": ghost_ratio(boldref, mask, 0),
        "ghost_ratio_y": ghost_ratio(boldref, mask, 1),
    }


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _unit(values: Floats) -> Floats:
    centred = values - values.mean()
    return np.asarray(centred / max(float(np.sqrt(centred @ centred)), 1e-30))
