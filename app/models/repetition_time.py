"""The time axis of an encoder: frames as they are, or resampled to the TR of its pre-training."""

from __future__ import annotations

import math

import numpy as np

from app.core.arrays import Floats
from app.core.errors import ModelError

POLICIES = ("frames", "physical")
PRETRAINING_TR_S = 0.735  # UK Biobank
SHORTEST_TR_S, LONGEST_TR_S = 0.1, 10.0


def check_repetition_time(repetition_time_s: float | None) -> float:
    """A repetition time that can be true.

    Raises
    ------
    ModelError
        ``model.repetition_time`` when it is missing or implausible.
    """
    if repetition_time_s is None:
        raise ModelError(
            "The repetition time of the series is not known.",
            "Give it in seconds with --tr.",
            code="model.repetition_time",
        )
    if not SHORTEST_TR_S <= repetition_time_s <= LONGEST_TR_S:
        raise ModelError(
            f"A repetition time of {repetition_time_s:g} s is not plausible "
            f"({SHORTEST_TR_S:g} to {LONGEST_TR_S:g} s are).",
            "Give seconds with --tr; a sidecar may hold milliseconds or another scan's value.",
            code="model.repetition_time",
        )
    return repetition_time_s


def resampled(series: Floats, from_s: float, to_s: float = PRETRAINING_TR_S) -> Floats:
    """Band-limited resampling in time, (frame, parcel) -> (new frame, parcel).

    The series is written as cosines (DCT-II, that is: mirrored at both ends, so that no jump
    rings), cosines above the lower of both Nyquist frequencies are left out, and the sum is
    evaluated at the new times. So a longer interval never aliases and a shorter one invents
    nothing above the Nyquist frequency of the scan. The first frame keeps its time; nothing is
    extrapolated beyond the last.
    """
    from scipy.fft import dct

    frames = len(series)
    ratio = to_s / from_s
    if math.isclose(ratio, 1.0, rel_tol=1e-9):
        return np.asarray(series, np.float64)
    weights = dct(np.asarray(series, np.float64), type=2, axis=0) / frames
    weights[0] /= 2.0
    # cosine k has the frequency k / (2 * frames * from_s); Nyquist of the new axis: 1 / (2 to_s)
    kept = min(frames, math.floor(frames / ratio * (1 + 1e-12)) + 1)
    count = math.floor((frames - 1) / ratio * (1 + 1e-12)) + 1
    times = np.arange(count) * ratio + 0.5
    cosines = np.cos(np.pi / frames * np.outer(times, np.arange(kept)))
    return np.asarray(cosines @ weights[:kept])
