"""Orders in which a matrix is shown, and its strongest connections: for drawing only.

The model keeps the atlas's own order. An order here is a permutation of parcels;
``matrix[np.ix_(order, order)]`` is what is drawn and ``np.argsort(order)`` takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.connectome.networks import network_order
from app.core.arrays import Floats, Ints

ORDERS = {
    "network": "By network",
    "cluster": "Hierarchical",
    "anatomical": "Back to front (Y)",
    "atlas": "Atlas index",
}


@dataclass(frozen=True, slots=True)
class Edges:
    """Connections, strongest first; `first` < `second` in atlas order."""

    first: Ints  # (edge,)
    second: Ints  # (edge,)
    value: Floats  # (edge,), signed
    total: int  # connections that have a value
    limit: float  # smallest magnitude among them; inf where there is none

    def __len__(self) -> int:
        return len(self.first)

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The connections as pairs of parcels."""
        return tuple(zip(self.first.tolist(), self.second.tolist(), strict=True))


def parcel_order(
    kind: str,
    networks: Sequence[str],
    hemispheres: Sequence[str],
    centroids_mm: Floats,
    matrix: Floats | None,
) -> Ints:
    """(parcel,) the parcel of each row that is drawn.

    Parameters
    ----------
    kind
        A key of `ORDERS`: networks with left before right; a clustering that puts alike rows
        of `matrix` side by side; the centroid's Y in mm, back first; the atlas's own.
    networks, hemispheres
        One a parcel.
    centroids_mm
        (parcel, 3).
    matrix
        (parcel, parcel), of which "cluster" is made; without one that order is the atlas's.

    Raises
    ------
    KeyError
        For another kind.
    """
    count = len(networks)
    if kind == "network":
        return np.asarray(network_order(networks, hemispheres), dtype=np.int64)
    if kind == "anatomical":
        back_first = np.argsort(np.asarray(centroids_mm)[:, 1], kind="stable")
        return np.asarray(back_first, dtype=np.int64)
    if kind == "cluster":
        return np.arange(count) if matrix is None else _hierarchical(np.asarray(matrix))
    if kind == "atlas":
        return np.arange(count)
    raise KeyError(kind)


def _hierarchical(matrix: Floats) -> Ints:
    """Average linkage of rows by 1 - r, leaves in optimal order; rows without a value last."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    known = np.flatnonzero(np.isfinite(matrix).any(axis=1))
    unknown = np.setdiff1d(np.arange(len(matrix)), known)
    if len(known) < 3:
        return np.arange(len(matrix))
    rows = np.nan_to_num(matrix[np.ix_(known, known)])
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    rows = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
    distance = np.clip(1.0 - rows @ rows.T, 0.0, 2.0)
    upper = distance[np.triu_indices(len(known), 1)]
    leaves = leaves_list(linkage(upper, "average", optimal_ordering=True))
    return np.asarray(np.concatenate([known[leaves], unknown]), dtype=np.int64)


def strongest_edges(
    matrix: Floats, *, count: int | None = None, least: float | None = None
) -> Edges:
    """Connections of largest magnitude: the first `count`, or all that reach `least`.

    Ties are broken by the atlas's order, so the same matrix gives the same connections. The
    diagonal, zeros and values that are not finite are no connections.

    Parameters
    ----------
    matrix
        (parcel, parcel), symmetric; the upper triangle is read.
    count, least
        One of them; a number of connections, or a magnitude in the matrix's unit.
    """
    rows, columns = np.triu_indices(len(matrix), 1)
    values = np.asarray(matrix, dtype=np.float64)[rows, columns]
    magnitude = np.abs(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))
    there = magnitude > 0.0
    total = int(there.sum())
    if count is not None and 0 < count < total:
        # Only the candidates are sorted: the whole list is long and this runs at each drag.
        cut = np.partition(magnitude, len(magnitude) - count)[len(magnitude) - count]
        there &= magnitude >= cut
    if least is not None:
        there &= magnitude >= least
    kept = np.flatnonzero(there)
    kept = kept[np.argsort(-magnitude[kept], kind="stable")][:count]
    limit = float(magnitude[kept[-1]]) if kept.size else float("inf")
    return Edges(rows[kept], columns[kept], values[kept], total, limit)


class Ranks:
    """Ranks of the connections of one matrix by magnitude; sorted once, asked often."""

    def __init__(self, matrix: Floats) -> None:
        self.matrix = matrix
        magnitude = np.abs(np.asarray(matrix)[np.triu_indices(len(matrix), 1)])
        self._sorted = np.sort(magnitude[np.isfinite(magnitude)])

    def of(self, value: float) -> tuple[int, int]:
        """Rank of a connection with this value (1 = strongest), and how many are ranked."""
        count = len(self._sorted)
        return 1 + count - int(np.searchsorted(self._sorted, abs(value), side="right")), count
