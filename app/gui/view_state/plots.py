"""What matrix, ring, tables and time series show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Plots:
    """Order and threshold of the connections, and the traces that are held."""

    order: str = "network"  # a key of CHOICES["order"]
    threshold: float = 0.0  # magnitude, in the measure's own unit, below which none is drawn
    attribution_threshold: float = 0.0  # the same where an attribution is shown, log-odds
    edge_count: int = 0  # so many strongest connections are drawn; 0 leaves it to the threshold
    held: tuple[str, ...] = ()  # traces: as `gui.traces` names them: "parcel:<n>", …
    series: str = "time"  # a key of CHOICES["series"]
    trace: str = "parcel"  # a key of CHOICES["trace"]: what the trace that follows shows
    percent: bool = False  # traces before cleaning in percent of their mean
    sums: str = "scan"  # of which attribution the networks' sums are
    sphere_mm: float = 6.0  # radius of the sphere whose mean is held next
    carpet_share: float = 1.0  # 0 the carpet before cleaning, 1 after; between: blended

    # A saved session with any other value is refused.
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {
        "order": ("network", "cluster", "anatomical", "atlas"),
        "series": ("time", "spectrum"),
        "sums": ("scan", "branches"),
        "trace": ("parcel", "voxel"),
    }
