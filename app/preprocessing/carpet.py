"""Rows of a carpet plot: every parcel's course, z-scored, ordered by network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.core.arrays import Floats, Ints


def carpet_rows(series: Floats, networks: Sequence[str]) -> tuple[Floats, Ints]:
    """Z-scored parcel rows, grouped by network in order of first appearance.

    Parameters
    ----------
    series
        (frame, parcel); parcels with a NaN are left out.
    networks
        One network name a parcel.

    Returns
    -------
    (row, frame) float32, constant rows 0; and (row,) int16 parcel index of each row.
    """
    names = list(dict.fromkeys(networks))
    rank = np.array([names.index(name) for name in networks])
    order = np.argsort(rank, kind="stable")
    order = order[np.isfinite(series).all(axis=0)[order]]
    rows = series[:, order].T.astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    spread = rows.std(axis=1, keepdims=True)
    rows = np.divide(rows, spread, out=np.zeros_like(rows), where=spread > 0)
    return rows.astype(np.float32), order.astype(np.int16)
