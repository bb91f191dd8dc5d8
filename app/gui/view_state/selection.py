"""What is selected: one selection for all views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Selection:
    """Parcel, connection, frames, points and network that all views show as selected."""

    parcel: int | None = None  # 0-based, atlas order
    edge: tuple[int, int] | None = None  # two 0-based parcels
    frame: int = 0  # index into the case's frames, first = 0
    frames: tuple[int, int] | None = None  # first and last of a selected range, both inside
    crosshair_mm: Point = (0.0, 0.0, 0.0)  # template space
    native_mm: Point = (0.0, 0.0, 0.0)  # the scan's own space
    network: str | None = None  # selected in place of parcel and connection

    def within(self, networks: Sequence[str], frame_count: int) -> Selection:
        """The selection without what a case does not have; `networks` has one name a parcel."""
        parcels, last = len(networks), max(frame_count - 1, 0)
        parcel, edge, frames = self.parcel, self.edge, self.frames
        return replace(
            self,
            parcel=parcel if parcel is not None and 0 <= parcel < parcels else None,
            edge=edge if edge is not None and all(0 <= p < parcels for p in edge) else None,
            frame=min(max(self.frame, 0), last),
            frames=frames if frames is not None and 0 <= frames[0] <= frames[1] <= last else None,
            network=self.network if self.network in networks else None,
        )
