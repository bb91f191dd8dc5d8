"""Reference series for expected gradients that show nobody: drawn from training summaries.

Kept are the training people's mean correlation, mean amplitude spectrum and each parcel's mean
standard deviation. A reference is Gaussian noise with exactly these expectations: a typical
scan, but no person's scan, so a model file holds no individual's data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.models.connectivity_kinds import EIGENVALUE_FLOOR

FREQUENCIES = 65  # stored points from 0 to half a cycle a frame


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """What a typical series of the training people looks like."""

    mean_correlation: Floats  # (parcel, parcel), diagonal 0
    deviation: Floats  # (parcel,), percent
    amplitude: Floats  # (frequency,), of standardised series, mean over parcels and people


def summarise(series: list[Floats], mean_correlation: Floats) -> SeriesSummary:
    """Summary of training series (frame, parcel), NaN columns for missing parcels."""
    grid = np.linspace(0.0, 0.5, FREQUENCIES)
    count = np.zeros(series[0].shape[1])
    deviation, amplitude = np.zeros_like(count), np.zeros(FREQUENCIES)
    for one in series:
        present = np.isfinite(one).all(axis=0)
        used = one[:, present] - one[:, present].mean(axis=0)
        spread = used.std(axis=0)
        deviation[present] += spread
        count += present
        power = (np.abs(np.fft.rfft(used / spread, axis=0)) ** 2).mean(axis=1) / len(one)
        amplitude += np.interp(grid, np.fft.rfftfreq(len(one)), np.sqrt(power))
    mean_deviation = deviation / np.maximum(count, 1)
    return SeriesSummary(mean_correlation, mean_deviation, amplitude / len(series))


def reference_series(summary: SeriesSummary, count: int, frames: int, seed: int) -> Floats:
    """Typical series, (reference, frame, parcel), percent, float32; mean 0 over frames."""
    rng = np.random.default_rng([seed, 43])
    matrix = summary.mean_correlation + np.eye(len(summary.deviation))
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.maximum(values, EIGENVALUE_FLOOR))
    hertz = np.fft.rfftfreq(frames)
    shape = np.interp(hertz, np.linspace(0.0, 0.5, FREQUENCIES), summary.amplitude)
    shape[0] = 0.0
    found = []
    for _ in range(count):
        white = rng.standard_normal((frames, len(values))) @ root.T
        shaped = np.fft.irfft(np.fft.rfft(white, axis=0) * shape[:, None], n=frames, axis=0)
        shaped /= max(float(shaped.std(axis=0).mean()), 1e-12)
        found.append(shaped * summary.deviation)
    return np.stack(found).astype(np.float32)
