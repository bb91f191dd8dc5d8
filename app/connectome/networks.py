"""Network order: a permutation for showing, never for the model, which keeps atlas order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Floats, Ints

# Shown in this order wherever parcels are grouped: from the senses to association to deep.
NETWORKS: tuple[str, ...] = (
    "Visual",
    "Somatomotor",
    "Dorsal Attention",
    "Ventral Attention",
    "Limbic",
    "Frontoparietal",
    "Default",
    "Thalamus",
    "Basal Ganglia",
    "Deep Nuclei",
    "Cerebellum",
)
_SIDES = {"L": 0, "M": 1, "R": 2}


def network_order(networks: Sequence[str], hemispheres: Sequence[str]) -> NDArray[np.intp]:
    """Parcel indices network by network, left before right inside each, (parcel,).

    ``matrix[np.ix_(order, order)]`` is in network order; ``np.argsort(order)`` takes it back.
    Within a side the atlas's order stays; networks unknown to `NETWORKS` come last by name.
    """
    known = names_in_order(networks)
    rank = {name: position for position, name in enumerate(known)}
    keys = [
        (rank[network], _SIDES.get(side, 1), index)
        for index, (network, side) in enumerate(zip(networks, hemispheres, strict=True))
    ]
    return np.array([index for _, _, index in sorted(keys)], dtype=np.intp)


def names_in_order(networks: Sequence[str]) -> tuple[str, ...]:
    """The networks that occur, each once, in the order in which they are shown."""
    present = set(networks)
    strangers = sorted(present.difference(NETWORKS))
    return tuple(name for name in (*NETWORKS, *strangers) if name in present)


def network_borders(networks: Sequence[str]) -> tuple[tuple[str, int, int], ...]:
    """(name, first row, one past the last row) of each network in network order."""
    borders = []
    start = 0
    for name in names_in_order(networks):
        count = sum(network == name for network in networks)
        borders.append((name, start, start + count))
        start += count
    return tuple(borders)


def block_means(matrix: Floats, networks: Sequence[str]) -> Floats:
    """Mean connection within and between networks, (network, network), `names_in_order`.

    The diagonal of `matrix` and NaN entries do not count; a block without any value is NaN.
    """
    names = names_in_order(networks)
    member = np.array([[network == name for network in networks] for name in names], float)
    usable = np.isfinite(matrix)
    np.fill_diagonal(usable, False)
    sums = member @ np.where(usable, matrix, 0.0) @ member.T
    counts = member @ usable.astype(float) @ member.T
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def network_sizes(networks: Sequence[str]) -> Ints:
    """Parcels in each network, in `names_in_order`."""
    return np.array([sum(n == name for n in networks) for name in names_in_order(networks)])
