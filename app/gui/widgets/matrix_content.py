"""What a matrix canvas draws, and where networks lie in its rows; nothing here draws."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from PySide6.QtGui import QFontMetrics

from app.core.arrays import Floats, Ints
from app.core.colours import MagnitudeScale, SignedScale
from app.gui.widgets.tables import Cell


def name_px(metrics: QFontMetrics, *, short: bool) -> float:
    """Room for the widest name of a network beside the rows."""
    return metrics.horizontalAdvance("DEEP" if short else "Ventral Attention") * 0.82


@dataclass(frozen=True, slots=True)
class MatrixContent:
    """A matrix in atlas order with the permutation in which it is drawn."""

    matrix: Floats  # (parcel, parcel)
    order: Ints  # (parcel,)
    networks: tuple[str, ...]  # one a parcel, atlas order
    scale: SignedScale | MagnitudeScale
    by_network: bool = True  # rows of one network stand together: names and separators
    shown: tuple[tuple[int, int], ...] | None = None  # connections over the threshold; None: all

    def blocks(self) -> list[tuple[str, int, int]]:
        """(network, first row, row after the last) in drawing order."""
        names = [self.networks[parcel] for parcel in self.order]
        starts = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1]), len(names)]
        return [(names[a], a, b) for a, b in itertools.pairwise(starts)]

    def runs(self, parcels: Sequence[int]) -> list[tuple[int, int]]:
        """(first row, row after the last) where these parcels stand together, in drawing order."""
        rows = np.flatnonzero(np.isin(self.order, np.asarray(parcels, dtype=np.int64)))
        if not rows.size:
            return []
        parts = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        return [(int(run[0]), int(run[-1]) + 1) for run in parts]


class MatrixRows(Sequence[Sequence[Cell]]):
    """Rows of the drawn matrix, each made when it is looked at."""

    def __init__(self, content: MatrixContent, names: list[str]) -> None:
        self._content, self._names = content, names
        kept = content.shown
        self._shown = None if kept is None else {*kept, *((j, i) for i, j in kept)}

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> Sequence[Cell]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Cell]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[Cell] | Sequence[Sequence[Cell]]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        return MatrixRow(self, range(len(self))[index])

    def cell(self, row: int, column: int) -> Cell:
        """One cell; column 0 holds the names, an edge that is not shown None."""
        if column == 0:
            return self._names[row]
        parcel, other = (int(self._content.order[place]) for place in (row, column - 1))
        if self._shown is not None and (parcel, other) not in self._shown:
            return None
        return float(self._content.matrix[parcel, other])


class MatrixRow(Sequence[Cell]):
    """One row, of which only the cells that are asked for are made: views ask cell by cell."""

    def __init__(self, rows: MatrixRows, index: int) -> None:
        self._rows, self._index = rows, index

    def __len__(self) -> int:
        return len(self._rows) + 1

    @overload
    def __getitem__(self, column: int) -> Cell: ...
    @overload
    def __getitem__(self, column: slice) -> Sequence[Cell]: ...
    def __getitem__(self, column: int | slice) -> Cell | Sequence[Cell]:
        if isinstance(column, slice):
            return [self[place] for place in range(*column.indices(len(self)))]
        return self._rows.cell(self._index, range(len(self))[column])
