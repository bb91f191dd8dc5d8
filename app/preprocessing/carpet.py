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
