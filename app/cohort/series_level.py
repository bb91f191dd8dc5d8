"""Parcel series as a scan and the recipe would give them, without making the scan.

For pre-training, where hundreds of participants are needed and no number is reported from them:
the true series are blurred over neighbouring parcels (registration, point spread), and given
thermal noise, respiration at its aliased frequency and drift, then high-pass filtered as the
recipe does. The sizes are rough figures for the default simulated scanner.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_participant
from app.simulation.series import parcel_series
from app.simulation.signature import parcel_table

BLUR_MM = 6.0  # standard deviation of the mixing between parcel centres
NOISE_PERCENT = 0.35
RESPIRATION_PERCENT = 0.15
RESPIRATION_HZ = 0.28
DRIFT_PERCENT = 0.3
HIGH_PASS_HZ = 0.01
UNSTEADY_FRAMES = 4  # removed at the start


@lru_cache(maxsize=1)
def _mixing() -> Floats:
    centres = parcel_table().centroids_mm
    squares = ((centres[:, None] - centres[None]) ** 2).sum(-1)
    weights = np.exp(-0.5 * squares / BLUR_MM**2)
    return frozen(weights / weights.sum(1, keepdims=True))


def high_pass(series: Floats, repetition_time_s: float) -> Floats:
    """Remove the mean and all cosines below `HIGH_PASS_HZ`, frames along axis 0."""
    frames = len(series)
    count = int(2 * frames * repetition_time_s * HIGH_PASS_HZ)
    phase = np.pi * (np.arange(frames) + 0.5) / frames
    basis = np.linalg.qr(np.cos(phase[:, None] * np.arange(count + 1)))[0]
    return np.asarray(series - basis @ (basis.T @ series))


def measured_series(truth: ParticipantTruth, frames: int, repetition_time_s: float) -> Floats:
    """Cleaned series of one simulated person, percent, float32 (frame - 4, parcel)."""
    rng = np.random.default_rng([truth.scan_seed, 77])
    series = parcel_series(truth, frames, repetition_time_s) @ _mixing().T
    parcels = series.shape[1]
    spread = NOISE_PERCENT * np.exp(0.2 * rng.standard_normal(parcels))
    series = series + spread * rng.standard_normal(series.shape)
    rate = RESPIRATION_HZ + 0.02 * rng.standard_normal(frames)
    breath = np.sin(2 * np.pi * np.cumsum(rate) * repetition_time_s + 6.28 * rng.random())
    series = series + RESPIRATION_PERCENT * np.outer(breath, rng.standard_normal(parcels))
    ramp = np.linspace(-1.0, 1.0, frames)[:, None]
    series = series + DRIFT_PERCENT * ramp * rng.standard_normal(parcels)
    return high_pass(series[UNSTEADY_FRAMES:], repetition_time_s).astype(np.float32)


def pain_agnostic_series(
    count: int, seed: int, frames: int, repetition_time_s: float, progress: Progress
) -> Floats:
    """Series of `count` people without any label, float32 (participant, frame, parcel)."""
    settings = CohortSettings(
        count=count,
        seed=seed,
        labelled=False,
        frames=frames,
        repetition_time_s=repetition_time_s,
    )
    people = []
    for index in range(count):
        people.append(measured_series(draw_participant(settings, index), frames, repetition_time_s))
        progress.step((index + 1) / count, f"participant {index + 1} of {count}")
    return np.stack(people)
