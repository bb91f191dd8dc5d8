"""Maps that were opened or made beside the case: the arrays behind layers, by their hash.

A layer of the view's state names its map; the arrays stay here, so that a layer that was removed
comes back with undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.core.arrays import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class OpenedMap:
    """One map on the grid of the pictures that it lies on."""

    sha256: str  # of the file's bytes, or of what it was made from
    name: str  # the file's own name, without its folder
    space: str  # the template, or "scanner"
    values: Floats | None  # (x, y, z) on the picture's grid; None for a surface map
    unit: str
    kind: str  # "map", "mask", "labels", "seed" or "surface"
    notes: tuple[str, ...] = ()  # how it was brought here; shown with the layer
    vertices: tuple[tuple[str, Floats], ...] = ()  # ("left" or "right", (vertex,)); NaN: none
    labels: bool = False  # numbers are names: they are not averaged


@dataclass(frozen=True, slots=True, eq=False)
class ScanVolumes:
    """A run's volumes as the worker decoded them, memory-mapped; nothing is read but what shows."""

    sha256: str  # of the scan
    stored: Floats | Ints  # (x, y, z, volume), RAS+, stored values
    affine: Floats  # (4, 4), voxel -> scanner mm
    slope: float
    intercept: float
    path: Path | None = None  # of the decoded file; it goes with the program's end

    @property
    def count(self) -> int:
        """How many volumes there are."""
        return int(self.stored.shape[3])

    def volume(self, index: int) -> Floats:
        """(x, y, z) of one volume in the scan's own units; counts from 0."""
        stored = np.asarray(self.stored[..., index], dtype=np.float32)
        picture: Floats = stored * np.float32(self.slope) + np.float32(self.intercept)
        return picture

    def series(self, voxel: tuple[int, int, int]) -> Floats:
        """(volume,) values of one voxel."""
        stored = np.asarray(self.stored[voxel], dtype=np.float64)
        values: Floats = stored * self.slope + self.intercept
        return values


class OpenedMaps(QObject):
    """What is there for layers to draw."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._maps: dict[str, OpenedMap] = {}

    def add(self, opened: OpenedMap) -> None:
        """Keep a map; one with the same hash is replaced."""
        self._maps[opened.sha256] = opened
        self.changed.emit()

    def find(self, source: str) -> OpenedMap | None:
        """The map that a layer's source ("file:<sha256>") names; None if it is not here."""
        return self._maps.get(source.removeprefix("file:"))

    def clear(self) -> None:
        """Another case is open: its maps lie on another grid."""
        if self._maps:
            self._maps.clear()
            self.changed.emit()
