"""From one value a parcel to whole painted parcels, in the volume and on the surface."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Floats, Ints


def parcels_to_volume(values: Floats, labels: Ints) -> Floats:
    """Paint each parcel with its value; nothing is smoothed.

    Parameters
    ----------
    values
        (parcel,).
    labels
        Any shape, 1-based parcel number, 0 outside.

    Returns
    -------
    ndarray, float32, shape of `labels`; 0 outside.

    Raises
    ------
    ValueError
        When a label has no value.
    """
    return _painted(values, labels, 0.0)


def parcels_to_vertices(values: Floats, vertex_labels: Ints) -> Floats:
    """As `parcels_to_volume`, per surface vertex; NaN where a vertex belongs to no parcel."""
    return _painted(values, vertex_labels, np.nan)


def _painted(values: Floats, labels: Ints, outside: float) -> Floats:
    numbers = np.asarray(labels).astype(np.int64)
    if numbers.size and (numbers.min() < 0 or numbers.max() > len(values)):
        raise ValueError(
            f"Labels run from {numbers.min()} to {numbers.max()}, values are {len(values)}."
        )
    table = np.concatenate([[outside], np.asarray(values, np.float64)]).astype(np.float32)
    return np.asarray(table[numbers])
