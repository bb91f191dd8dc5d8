"""Resampling in time: nothing aliases, nothing is invented, known waves come out as they are."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import ModelError
from app.models.repetition_time import check_repetition_time, resampled


def _wave(frequency_hz: float, count: int, interval_s: float) -> np.ndarray:
    return np.cos(2 * np.pi * frequency_hz * np.arange(count) * interval_s + 0.4)[:, None]


@pytest.mark.parametrize("interval_s", [2.0, 2.5, 0.5])
def test_that_a_slow_wave_is_the_same_wave_at_the_new_times(interval_s: float) -> None:
    count = 301
    found = resampled(_wave(0.05, count, interval_s), interval_s)
    assert len(found) == int((count - 1) * interval_s / 0.735) + 1
    expected = _wave(0.05, len(found), 0.735)
    edge = 40  # frames, where the mirrored continuation is not the wave
    np.testing.assert_allclose(found[edge:-edge], expected[edge:-edge], atol=0.02)
    assert (len(found) - 1) * 0.735 <= (count - 1) * interval_s  # nothing is extrapolated


def test_that_a_shorter_interval_invents_nothing_above_the_scans_nyquist() -> None:
    noise = np.random.default_rng(1).standard_normal((240, 5))
    found = resampled(noise, 2.0)
    centred = found - found.mean(axis=0)
    power = np.abs(np.fft.rfft(centred * np.hanning(len(found))[:, None], axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(found), 0.735)
    above = power[frequency > 0.25 + 3 / (len(found) * 0.735)].sum()
    assert above < 1e-4 * power.sum()


def test_that_a_longer_interval_does_not_alias() -> None:
    fast = _wave(0.9, 600, 0.5)  # above the new Nyquist of 0.68 Hz, would fold to 0.46 Hz
    plain = np.interp(np.arange(408) * 0.735, np.arange(600) * 0.5, fast[:, 0])
    found = resampled(fast, 0.5)
    assert plain.std() > 0.25
    assert found[20:-20].std() < 0.01


def test_that_the_same_interval_changes_nothing_and_frames_stay_in_place() -> None:
    series = np.random.default_rng(2).standard_normal((50, 3))
    np.testing.assert_array_equal(resampled(series, 0.735), series)
    twice = resampled(series, 2.0, 1.0)
    np.testing.assert_allclose(twice[::2], series, atol=1e-12)  # every old frame is kept
    np.testing.assert_allclose(resampled(np.full((30, 2), 7.5), 2.0), 7.5, rtol=1e-12)


@pytest.mark.parametrize("interval_s", [None, 0.0, 0.0025, 2500.0, float("nan")])
def test_that_a_missing_or_implausible_repetition_time_is_refused(interval_s) -> None:
    with pytest.raises(ModelError) as caught:
        check_repetition_time(interval_s)
    assert caught.value.code == "model.repetition_time"
