"""Framewise displacement and DVARS: how much the head, and the signal, jumped between frames."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats
from app.preprocessing.geometry import displacement_at_radius_mm, rigid_matrix

POWER_RADIUS_MM = 50.0
JENKINSON_RADIUS_MM = 80.0
FAST_RUN_S = 1.2


def framewise_displacement_power(parameters: Floats, radius_mm: float = POWER_RADIUS_MM) -> Floats:
    """Sum of absolute translation steps plus radius times absolute rotation steps.

    Power et al. 2012, doi 10.1016/j.neuroimage.2011.10.018.

    Parameters
    ----------
    parameters
        (frame, 6): mm, mm, mm, rad, rad, rad.
    radius_mm
        Head radius that turns radians into mm.

    Returns
    -------
    (frame,) mm; the first is NaN.
    """
    steps = np.abs(np.diff(parameters, axis=0))
    result = np.full(len(parameters), np.nan)
    result[1:] = steps[:, :3].sum(axis=1) + radius_mm * steps[:, 3:].sum(axis=1)
    return result


def framewise_displacement_jenkinson(
    parameters: Floats, centre_mm: Floats, radius_mm: float = JENKINSON_RADIUS_MM
) -> Floats:
    """RMS displacement of a sphere about the head's centre between frames, (frame,) mm.

    Jenkinson, FMRIB technical report TR99MJ1; fMRIPrep's column ``rmsd``. The first is NaN.
    """
    matrices = np.stack([rigid_matrix(row, centre_mm) for row in parameters])
    result = np.full(len(parameters), np.nan)
    result[1:] = displacement_at_radius_mm(matrices[:-1], matrices[1:], centre_mm, radius_mm)
    return result


def breathing_filtered(parameters: Floats, repetition_time_s: float) -> Floats | None:
    """Motion parameters without apparent motion from breathing, (frame, 6), or None.

    XCP-D's ways: for fast runs (1.2 s and below) a band stop at 12 to 18 breaths a minute, for
    others a low-pass at 0.1 Hz. None where the band lies above the Nyquist frequency or the run
    is too short for the filter.
    """
    from scipy.signal import butter, sosfiltfilt

    nyquist_hz = 0.5 / repetition_time_s
    if repetition_time_s <= FAST_RUN_S:
        edges: list[float] | float = [12.0 / 60.0, 18.0 / 60.0]
        kind, highest = "bandstop", 18.0 / 60.0
    else:
        edges, kind, highest = 0.1, "lowpass", 0.1
    if highest >= 0.95 * nyquist_hz or len(parameters) < 40:
        return None
    sections = butter(2, edges, btype=kind, fs=1.0 / repetition_time_s, output="sos")
    return np.asarray(sosfiltfilt(sections, parameters, axis=0))


def dvars(voxels: Floats) -> Floats:
    """RMS over voxels of the step from the frame before, (frame,); the first is NaN.

    Parameters
    ----------
    voxels
        (frame, voxel), motion-corrected values inside the brain.
    """
    result = np.full(len(voxels), np.nan)
    for frame in range(1, len(voxels)):
        step = voxels[frame].astype(np.float64) - voxels[frame - 1]
        result[frame] = np.sqrt(np.mean(step**2))
    return result


def standardised_dvars(voxels: Floats) -> Floats:
    """DVARS over the value expected from each voxel's own noise, (frame,); the first is NaN.

    Nichols, "Notes on creating a standardized version of DVARS" (arXiv 1704.01469), as in
    nipype and fMRIPrep: per voxel a robust standard deviation (interquartile range / 1.349,
    lower quantile method) and the lag-one autocorrelation `rho` give the expected step
    ``sd * sqrt(2 (1 - rho))``; its mean over voxels is the denominator.

    Parameters
    ----------
    voxels
        (frame, voxel), motion-corrected values inside the brain. Constant voxels are left out.
    """
    lower, upper = np.percentile(voxels, [25, 75], axis=0, method="lower")
    robust_sd = (upper - lower).astype(np.float64) / 1.349
    alive = robust_sd > 0
    result = np.full(len(voxels), np.nan)
    if not alive.any():
        return result
    centred = voxels[:, alive] - voxels[:, alive].mean(axis=0, dtype=np.float64)
    lagged = np.einsum("tv,tv->v", centred[1:], centred[:-1])
    rho = np.clip(lagged / np.einsum("tv,tv->v", centred, centred), -1.0, 1.0)
    expected = float(np.mean(robust_sd[alive] * np.sqrt(2.0 * (1.0 - rho))))
    return dvars(voxels) / expected if expected > 0 else result
