"""The first frame of a run at which the magnetisation has settled."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.images import Image4D

SEARCHED_FRAMES = 50
OUTLIER_LIMIT = 3.5
MOST_FRAMES = 20
LEAST_EXCESS = 0.01  # of the settled mean; the resting brain's own mean wanders by half of that
SLOWEST_DECAY = 0.8  # each frame's excess over the one before; even CSF at 0.8 s, 30 deg gives 0.7


def global_signal(
    image: Image4D, mask: Bools | None = None, frames: int = SEARCHED_FRAMES
) -> Floats:
    """Mean of the bright voxels in the first frames, (frame,), stored units.

    Parameters
    ----------
    mask
        (x, y, z) bool; default: voxels above a quarter of the robust maximum of the last of
        these frames.
    """
    count = min(frames, image.data.shape[3])
    if mask is None:
        settled = np.asarray(image.data[..., count - 1], np.float32)
        mask = settled > 0.25 * np.percentile(settled, 99.0)
    return np.array(
        [np.asarray(image.data[..., t])[mask].mean(dtype=np.float64) for t in range(count)]
    )


def first_steady_frame(signal: Floats) -> int:
    """Number of leading non-steady frames: the index of the first steady one.

    The rule is fMRIPrep's (niworkflows ``is_outlier``): leading values of the global signal
    among the first 50 whose modified z-score ``0.6745 |x - median| / MAD`` exceeds 3.5
    (Iglewicz and Hoaglin 1993). Here only values *above* the median by at least 1 % count
    (T1 saturation always starts bright), each at most 0.8 of the one before (it falls
    geometrically; a slow wave of the resting brain does not), and median and MAD come from the
    second half of the window after its linear trend is taken out, so that a slow drift is not
    an outlier.

    Parameters
    ----------
    signal
        (frame,) global signal from the start of the run.

    Returns
    -------
    0 for a run that starts settled; at most 20.
    """
    window = np.asarray(signal[:SEARCHED_FRAMES], np.float64)
    if window.size < 8:
        return 0
    frames = np.arange(window.size, dtype=np.float64)
    late = frames >= window.size // 2 if window.size < 30 else frames >= 15
    slope, level = np.polyfit(frames[late], window[late], 1)
    # A trend is only believed as far as it is clearer than its own scatter.
    scatter = np.std(window[late] - (slope * frames[late] + level))
    if abs(slope) * late.sum() < 4.0 * scatter:
        slope, level = 0.0, float(np.median(window[late]))
    residual = window - (slope * frames + level)
    spread = float(np.median(np.abs(residual[late] - np.median(residual[late]))))
    excess = residual - np.median(residual[late])
    score = 0.6745 * excess / max(spread, 1e-12 * abs(level) + 1e-300)
    outlier = (score > OUTLIER_LIMIT) & (excess > LEAST_EXCESS * abs(level))
    outlier[1:] &= excess[1:] <= SLOWEST_DECAY * excess[:-1]
    settled = np.flatnonzero(~outlier)
    first = int(settled[0]) if settled.size else 0
    return min(first, MOST_FRAMES)
