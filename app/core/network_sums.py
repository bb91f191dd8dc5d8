"""Signed values of parcels summed by network and hemisphere, positive and negative kept apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.core.colours import network_names

SIDES = ("L", "R", "M")  # left, right, midline


@dataclass(frozen=True, slots=True)
class NetworkSum:
    """One network in one hemisphere."""

    network: str
    side: str  # "L", "R" or "M"
    parcels: int
    positive: float  # sum of the values above 0
    negative: float  # sum of the values below 0

    @property
    def net(self) -> float:
        """Both together."""
        return self.positive + self.negative


def network_sums(
    values: Floats, networks: Sequence[str], hemispheres: Sequence[str]
) -> tuple[NetworkSum, ...]:
    """Sums in reading order of the networks, left, right, midline; sides without parcels left out.

    Positive and negative values are never set off against each other; NaN counts as 0. The nets
    of all rows add up to the sum of the values.

    Parameters
    ----------
    values
        (parcel,) signed, such as log-odds.
    networks, hemispheres
        One a parcel.

    Raises
    ------
    ValueError
        The lengths differ.
    """
    clean = np.nan_to_num(np.asarray(values, dtype=np.float64))
    if not len(clean) == len(networks) == len(hemispheres):
        raise ValueError("values, networks and hemispheres need one entry a parcel")
    names = np.array([str(name) for name in networks])
    sides = np.array([side if side in SIDES else "M" for side in hemispheres])
    rows = []
    for network in network_names(networks):
        for side in SIDES:
            own = clean[(names == network) & (sides == side)]
            if own.size:
                positive, negative = float(own[own > 0].sum()), float(own[own < 0].sum())
                rows.append(NetworkSum(network, side, int(own.size), positive, negative))
    return tuple(rows)
