"""Head motion: a slow drift, breathing, and sudden spikes."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats
from app.simulation.anatomy import rotation_matrix

HEAD_RADIUS_MM = 50.0  # Power et al. 2012
WALK_MM = 0.019  # step of the random walk, a frame of 2 s
BREATHING_MM = 0.025
SPIKES_IN_EIGHT_MINUTES = 3.0
AXES = np.array([0.5, 0.8, 1.2, 1.3, 0.6, 0.6])  # nodding and sliding out dominate


def draw_motion(
    seed: int, frames: int, repetition_time_s: float, level: float, breathing_hz: float = 0.27
) -> Floats:
    """Rigid parameters of each frame: mm, mm, mm, rad, rad, rad; frame 0 is nearly at rest.

    Parameters
    ----------
    seed
        Of the scan.
    frames, repetition_time_s
        Length of the scan.
    level
        1 for the median person (mean FD about 0.15 mm); 0 for no motion at all.

    Returns
    -------
    ndarray, shape (frame, 6)
        In the convention of `app.core.results.Motion`.
    """
    rng = np.random.default_rng([seed, 31])
    unit = AXES * np.array([1, 1, 1, *[1 / HEAD_RADIUS_MM] * 3])
    step = WALK_MM * np.sqrt(repetition_time_s / 2.0)
    walk = np.cumsum(rng.standard_normal((frames, 6)) * step, axis=0)
    time = np.linspace(0, 1, frames)[:, None]
    trend = 0.25 * rng.standard_normal(6) * time + 0.15 * rng.standard_normal(6) * time**2
    parameters = (walk + trend) * unit
    breath = np.sin(2 * np.pi * breathing_hz * repetition_time_s * np.arange(frames))
    parameters[:, [1, 2]] += BREATHING_MM * breath[:, None] * np.array([0.6, 1.0])
    minutes = frames * repetition_time_s / 60.0
    for _ in range(rng.poisson(SPIKES_IN_EIGHT_MINUTES * min(level, 4.0) * minutes / 8.0)):
        start = int(rng.integers(3, max(frames - 2, 4)))
        size = min(0.38 * float(np.exp(0.6 * rng.standard_normal())), 2.0)
        jump = size * rng.standard_normal(6) * unit
        stays = rng.random() < 0.3
        end = frames if stays else start + int(rng.integers(1, 4))
        parameters[start:end] += jump * (0.5 if stays else 1.0)
    return np.asarray(level * parameters)


def framewise_displacement(parameters: Floats) -> Floats:
    """Power's FD in mm, head radius 50 mm; the first is NaN. Shape (frame,)."""
    step = np.abs(np.diff(parameters, axis=0))
    values = step[:, :3].sum(1) + HEAD_RADIUS_MM * step[:, 3:].sum(1)
    return np.concatenate([[np.nan], values])


def pose_matrix(parameters: Floats, centre_mm: Floats) -> Floats:
    """(4, 4) rigid map of one frame: a reference point -> where it lies in that frame."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation_matrix(parameters[3:])
    matrix[:3, 3] = centre_mm + parameters[:3] - matrix[:3, :3] @ centre_mm
    return matrix
