"""The first steady frame on simulated approaches to steady state."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.images import Image4D
from app.preprocessing.steady_state import first_steady_frame, global_signal


def decaying_run(bright: int, seed: int, frames: int = 120) -> np.ndarray:
    """Global signal whose first `bright` frames lie more than 1 % above the rest."""
    rng = np.random.default_rng(seed)
    signal = 1000.0 * (1.0 + 0.0008 * rng.normal(size=frames))
    signal *= 1.0 + 0.004 * np.linspace(0, 1, frames) * rng.choice([-1.0, 1.0])
    signal[:bright] *= 1.0 + 0.35 * 0.45 ** np.arange(bright).astype(float) + 0.012
    return signal


@pytest.mark.parametrize("bright", range(7))
def test_that_the_count_of_bright_frames_is_found(bright: int) -> None:
    found = np.array([first_steady_frame(decaying_run(bright, seed)) for seed in range(40)])
    assert (found == bright).mean() >= 0.95
    assert found.max() <= bright + 1


def test_that_a_late_spike_is_not_a_start() -> None:
    signal = decaying_run(0, 3)
    signal[30] *= 1.2
    assert first_steady_frame(signal) == 0


def test_that_a_very_short_run_is_taken_whole() -> None:
    assert first_steady_frame(np.array([9.0, 1.0, 1.0])) == 0


def test_that_the_global_signal_is_read_from_bright_voxels() -> None:
    data = np.zeros((4, 5, 6, 9), np.int16)
    data[1:3, 1:4, 2:5] = 500
    data[..., 0] *= 2
    signal = global_signal(Image4D(data, np.eye(4), 2.0))
    np.testing.assert_allclose(signal, [1000.0] + [500.0] * 8)
