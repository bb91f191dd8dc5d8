"""Every slice as if it had been acquired at one moment of the volume.

Runs after motion has been estimated on the volumes as they were acquired (temporal interpolation
lowers estimated motion: Power 2017, doi 10.1371/journal.pone.0182939), and before space is
interpolated. Each voxel's series is shifted by a linear phase (Fourier's shift theorem) after its
trend is taken out and its ends are mirrored, so that a band-limited signal moves exactly and
nothing wraps round.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.images import Image4D
from app.core.progress import Progress
from app.core.results import Finding, Severity

LEAST_FRAMES = 5
FASTEST_REPETITION_S = 1.0  # at or below, slices are so close in time that a shift gains nothing
_ROWS = 4096  # series shifted at once; bounds the memory of a slice


@dataclass(frozen=True, slots=True)
class SliceTimingPlan:
    """Whether slice timing is corrected, why, and to which moment."""

    applied: bool
    reason: str
    reference_time_s: float | None = None  # after the start of each volume

    def finding(self) -> Finding:
        """The decision as a sentence for the record of the case."""
        code = "preprocessing.slice_timing"
        if self.applied:
            said = f"Slice timing was corrected to {self.reference_time_s:g} s after each volume"
            return Finding(code, Severity.NOTE, f"{said}'s start: {self.reason}.")
        return Finding(code, Severity.NOTE, f"Slice timing was not corrected: {self.reason}.")


def plan_slice_timing(
    wanted: bool,
    slice_times_s: Sequence[float],
    slice_count: int,
    repetition_time_s: float,
    usable_frames: int,
) -> SliceTimingPlan:
    """Decide on slice timing.

    Parameters
    ----------
    wanted
        Whether the preset asks for it.
    slice_times_s
        Acquisition time of each slice, lowest (RAS+ z) first; empty when unknown.
    slice_count
        Slices of the run.
    repetition_time_s
        Seconds between volumes.
    usable_frames
        Volumes from the first steady one on.

    Returns
    -------
    SliceTimingPlan
        Off without times, with fewer than 5 usable volumes, or at 1 s and below. The moment is
        midway between the first and the last slice, as in fMRIPrep.
    """
    if not wanted:
        return SliceTimingPlan(False, "the cleaning preset does not ask for it")
    if not slice_times_s:
        return SliceTimingPlan(False, "the run states no slice times")
    if len(slice_times_s) != slice_count:
        return SliceTimingPlan(
            False, f"{len(slice_times_s)} slice times do not fit {slice_count} slices"
        )
    if max(slice_times_s) == min(slice_times_s):
        return SliceTimingPlan(False, "all slices were acquired at the same time")
    if usable_frames < LEAST_FRAMES:
        return SliceTimingPlan(
            False, f"only {usable_frames} volumes are usable, {LEAST_FRAMES} are needed"
        )
    if repetition_time_s <= FASTEST_REPETITION_S:
        return SliceTimingPlan(
            False, f"the repetition time is {repetition_time_s:g} s, 1 s or less"
        )
    middle = 0.5 * (min(slice_times_s) + max(slice_times_s))
    return SliceTimingPlan(
        True, "the preset asks for it and the run states times", round(middle, 6)
    )


def correct_slice_timing(
    image: Image4D,
    slice_times_s: Sequence[float],
    reference_time_s: float,
    *,
    first_frame: int = 0,
    scratch: Path | None = None,
    progress: Progress | None = None,
    threads: int = 1,
) -> Image4D:
    """Shift every slice's series to `reference_time_s`.

    Parameters
    ----------
    image
        Raw run, slices along the third axis.
    slice_times_s
        (slice,) seconds after the start of the volume.
    first_frame
        Frames before it (not yet in steady state) stay as they are and move nothing.
    scratch
        Folder for the shifted volumes, memory-mapped; None keeps them in memory.
    progress
        Told after each slice; a cancel takes hold there.
    threads
        Slices side by side; the answer has the same bits for any number.

    Returns
    -------
    Image4D
        float32 in stored units, slope and intercept as before.
    """
    progress = progress or Progress()
    shape = image.data.shape
    shifted: Floats = (
        np.empty(shape, np.float32, order="F")
        if scratch is None
        else np.memmap(scratch / "slice-timed.raw", np.float32, "w+", shape=shape, order="F")
    )
    shifted[..., :first_frame] = image.data[..., :first_frame]

    def one(index: int) -> None:
        frames = (reference_time_s - slice_times_s[index]) / image.repetition_time_s
        series = np.asarray(image.data[:, :, index, first_frame:], np.float64)
        rows = series.reshape(-1, series.shape[-1])
        for start in range(0, len(rows), _ROWS):
            rows[start : start + _ROWS] = shift_series(rows[start : start + _ROWS], frames)
        shifted[:, :, index, first_frame:] = rows.reshape(series.shape)

    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        for start in range(0, shape[2], 2 * max(threads, 1)):
            stop = min(start + 2 * max(threads, 1), shape[2])
            for _ in pool.map(one, range(start, stop)):
                pass
            progress.step(stop / shape[2], "Correcting slice timing")
    return replace(image, data=frozen(shifted))


def shift_series(series: Floats, frames: float) -> Floats:
    """Values of each series `frames` later, by Fourier's shift theorem.

    Parameters
    ----------
    series
        (row, frame) float64.
    frames
        How much later to read, in frames; may be negative or a fraction.

    Returns
    -------
    (row, frame): the row's trend, read later, and the rest shifted after its ends are mirrored.
    """
    from scipy import fft

    count = series.shape[1]
    if frames == 0.0 or count < 2:
        return series
    place = np.arange(count) - 0.5 * (count - 1)
    slope = (series @ place / (place @ place))[:, None]
    mean = series.mean(axis=1, keepdims=True)
    rest = series - mean - slope * place
    mirrored = np.concatenate([rest, rest[:, ::-1]], axis=1)  # half-sample symmetric, no jump
    turn = np.exp(2j * np.pi * fft.rfftfreq(2 * count) * frames)
    turn[-1] = turn[-1].real  # the Nyquist term of a real series has no phase
    moved = fft.irfft(fft.rfft(mirrored, axis=1) * turn, n=2 * count, axis=1)[:, :count]
    return np.asarray(moved + mean + slope * (place + frames))
