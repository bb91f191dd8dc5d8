"""Rows of a carpet plot: every parcel's course, z-scored, in a given order."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats, Ints


def carpet_rows(series: Floats, order: Ints) -> Floats:
    """Z-scored parcel rows in the order given (of the networks, for the views).

    Parameters
    ----------
    series
        (frame, parcel).
    order
        (row,) parcel index of each row.

    Returns
    -------
    (row, frame) float32; rows of constant parcels, and of parcels with a NaN, are 0.
    """
    rows = np.asarray(series, np.float64)[:, order].T
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    rows = rows - rows.mean(axis=1, keepdims=True)
    spread = rows.std(axis=1, keepdims=True)
    level = 1e-12 * np.abs(series[np.isfinite(series)]).max(initial=0.0)
    scored = np.divide(rows, spread, out=np.zeros_like(rows), where=spread > level)
    return np.asarray(scored, np.float32)


def running_tsnr(series: Floats, width: int = 11) -> Floats:
    """Median over parcels of mean / standard deviation inside a window about each frame.

    Shows *when* the signal was unsteady; the figure of the whole run is another one. Windows are
    cut at the ends of the run.

    Parameters
    ----------
    series
        (frame, parcel) in scanner units, before cleaning; columns with a NaN are left out.
    width
        Frames of the window, odd.

    Returns
    -------
    (frame,) float64; NaN where no parcel varies.
    """
    values = np.asarray(series, np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    count, half = len(values), width // 2
    result = np.full(count, np.nan)
    for frame in range(count):
        part = values[max(frame - half, 0) : frame + half + 1]
        spread = part.std(axis=0)
        steady = spread > 1e-12 * np.abs(part).max(initial=0.0)
        if steady.any():
            result[frame] = np.median(np.abs(part.mean(axis=0)[steady]) / spread[steady])
    return result
