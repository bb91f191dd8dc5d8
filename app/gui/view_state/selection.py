"""What is selected: one selection for all views."""

from __future__ import annotations

from dataclasses import dataclass

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
    network: str | None = None
