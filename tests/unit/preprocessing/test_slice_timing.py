from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.errors import CancelledError
from app.core.images import Image4D
from app.core.progress import Progress
from app.preprocessing.slice_timing import (
    correct_slice_timing,
    plan_slice_timing,
    shift_series,
)

TR, FRAMES, SLICES = 2.5, 180, 6
TIMES = (0.0, 1.25, 0.42, 1.67, 0.83, 2.08)  # interleaved
MIDDLE = 1.04


def _run(frequency_hz: float, first_frame: int = 0) -> Image4D:
    """A sinusoid that every slice samples at its own time; unequal sides, stored as int16."""
    seconds = np.arange(FRAMES)[None, :] * TR + np.array(TIMES)[:, None]
    signal = 4000.0 + 2000.0 * np.sin(2 * np.pi * frequency_hz * seconds + 0.7)
    signal[:, :first_frame] += 9000.0  # not yet in steady state
    data = np.broadcast_to(signal, (3, 4, SLICES, FRAMES)).round().astype(np.int16)
    return Image4D(data, np.diag([3.0, 3.0, 4.0, 1.0]), TR)


def _delay_s(series: np.ndarray, frequency_hz: float, first: int) -> float:
    """Time by which a series lags behind the sinusoid at the start of the volumes."""
    frames = np.arange(first, FRAMES)
    angle = 2 * np.pi * frequency_hz * frames * TR + 0.7
    design = np.stack([np.sin(angle), np.cos(angle), np.ones_like(angle)], axis=1)
    weights = np.linalg.lstsq(design, series[first:], rcond=None)[0]
    return float(np.arctan2(weights[1], weights[0]) / (2 * np.pi * frequency_hz))


@pytest.mark.parametrize("frequency_hz", [0.01, 0.023, 0.05, 0.077, 0.1])
def test_that_each_slice_is_moved_to_the_middle_within_2_percent_of_the_repetition_time(
    frequency_hz: float,
) -> None:
    image = _run(frequency_hz)
    for index, time in enumerate(TIMES):  # the data are as planted
        before = _delay_s(np.asarray(image.data[0, 0, index], float), frequency_hz, 0)
        assert before == pytest.approx(time, abs=0.01)
    moved = correct_slice_timing(image, TIMES, MIDDLE)
    delays = [_delay_s(moved.data[1, 2, k], frequency_hz, 0) for k in range(SLICES)]
    np.testing.assert_allclose(delays, MIDDLE, atol=0.02 * TR)


def test_that_frames_before_the_steady_state_stay_and_leave_no_trace() -> None:
    image = _run(0.05, first_frame=3)
    moved = correct_slice_timing(image, TIMES, MIDDLE, first_frame=3)
    np.testing.assert_array_equal(moved.data[..., :3], image.data[..., :3])
    assert _delay_s(moved.data[2, 3, 5], 0.05, 3) == pytest.approx(MIDDLE, abs=0.02 * TR)
    assert moved.data[..., 3:].max() < 6500


def test_that_a_trend_does_not_wrap_round() -> None:
    line = np.linspace(100.0, 900.0, 60)[None, :]
    np.testing.assert_allclose(shift_series(line, 0.5)[0], line[0] + 0.5 * 800 / 59, atol=1e-9)


def test_that_scratch_files_and_threads_change_no_bit(tmp_path: Path) -> None:
    image = _run(0.05)
    here = correct_slice_timing(image, TIMES, MIDDLE)
    there = correct_slice_timing(image, TIMES, MIDDLE, scratch=tmp_path, threads=3)
    np.testing.assert_array_equal(here.data, there.data)
    assert here.data.dtype == np.float32
    assert (there.slope, there.repetition_time_s) == (image.slope, TR)


def test_that_a_cancel_takes_hold_between_slices() -> None:
    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        correct_slice_timing(
            _run(0.05), TIMES, MIDDLE, progress=Progress(cancelled=lambda: next(asked))
        )


@pytest.mark.parametrize(
    ("wanted", "times", "tr", "frames", "word"),
    [
        (False, TIMES, TR, FRAMES, "does not ask"),
        (True, (), TR, FRAMES, "no slice times"),
        (True, TIMES[:4], TR, FRAMES, "4 slice times do not fit 6"),
        (True, (0.5,) * 6, TR, FRAMES, "same time"),
        (True, TIMES, TR, 4, "only 4 volumes"),
        (True, TIMES, 1.0, FRAMES, "1 s or less"),
    ],
)
def test_that_it_is_off_with_a_reason(
    wanted: bool, times: tuple[float, ...], tr: float, frames: int, word: str
) -> None:
    plan = plan_slice_timing(wanted, times, SLICES, tr, frames)
    assert not plan.applied
    assert word in plan.finding().message


def test_that_it_is_on_at_the_middle_of_the_acquisition() -> None:
    plan = plan_slice_timing(True, TIMES, SLICES, TR, 5)
    assert plan.applied
    assert plan.reference_time_s == pytest.approx(MIDDLE)
    assert "corrected to 1.04 s" in plan.finding().message
