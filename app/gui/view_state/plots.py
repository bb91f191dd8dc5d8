"""What matrix, ring, tables and time series show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Plots:
    """Order and threshold of the connections, and the traces that are held."""

    order: str = "network"  # a key of CHOICES["order"]
    threshold: float = 0.0  # magnitude below which a connection is not drawn
    edge_count: int = 0  # so many strongest connections are drawn; 0 leaves it to the threshold
    held: tuple[str, ...] = ()  # "parcel:<n>" or "voxel:<i>,<j>,<k>"

    # A saved session with any other value is refused.
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "order": ("network", "cluster", "anatomical", "atlas"),
    }
