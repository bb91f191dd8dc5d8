"""One row a parcel: name, network, side, both attributions and ranks, for sorting and filtering."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core import wording
from app.core.colours import NETWORK_SHORT, network_colour
from app.core.results import Attribution, CleanSignals

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("#", "Region", "Network", "(b)", "(a)")
_TIPS = {
    "#": "Rank by the magnitude of (b), what in the scan mattered",
    "(a)": "(a) What each branch used, log-odds; a click sorts by it",
    "(b)": "(b) What in the scan mattered, log-odds; \N{NOT EQUAL TO} where it disagrees with (a)",
}
SORT_ROLE = Qt.ItemDataRole.UserRole


class RegionTable(QAbstractTableModel):
    """Parcels in atlas order; without attribution only names, networks and coverage show."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._signals: CleanSignals | None = None
        self._columns: tuple[str, ...] = COLUMNS
        self._a = self._b = np.zeros(0)
        self._rank = np.zeros(0, dtype=int)
        self._disagree = np.zeros(0, dtype=bool)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are shown."""
        return self._columns

    def show_case(self, signals: CleanSignals | None, found: Attribution | None) -> None:
        """Fill the table."""
        self.beginResetModel()
        self._signals = signals
        count = 0 if signals is None else len(signals.parcel_names)
        if found is not None:
            self._a = np.asarray(found.branches.per_parcel, dtype=float)
            self._b = np.asarray(found.scan.per_parcel, dtype=float)
            self._rank = np.argsort(np.argsort(-np.abs(self._b), kind="stable")) + 1
            self._disagree = np.asarray(found.disagreeing, dtype=bool)
            self._columns = COLUMNS
        else:
            self._columns = COLUMNS[1:3]
            self._a = self._b = np.zeros(count)
            self._rank = np.arange(count) + 1
            self._disagree = np.zeros(count, dtype=bool)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  Qt's own signature
        """One row a parcel."""
        if parent.isValid() or self._signals is None:
            return 0
        return len(self._signals.parcel_names)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Names only, or names and attributions."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS.get(self._columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words to read, numbers to sort by, the network's colour."""
        if self._signals is None or not index.isValid():
            return None
        parcel, column = index.row(), self._columns[index.column()]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = column in ("#", "(a)", "(b)")
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and column == "Network":
            return QColor(*network_colour(self._signals.networks[parcel]))
        if role == Qt.ItemDataRole.ToolTipRole:
            name, network = self._signals.parcel_names[parcel], self._signals.networks[parcel]
            return f"{name}, {network}"
        if role in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
            return self._cell(parcel, column, sort=role == SORT_ROLE)
        return None

    def _cell(self, parcel: int, column: str, *, sort: bool) -> Any:
        assert self._signals is not None
        if column == "Region":
            name = self._signals.parcel_names[parcel]
            return name if sort else name.replace("_", " ")
        if column == "Network":
            name = self._signals.networks[parcel]
            return name if sort else NETWORK_SHORT.get(name, name)
        if column == "#":
            return int(self._rank[parcel])
        value = float((self._a if column == "(a)" else self._b)[parcel])
        differs = "\N{NOT EQUAL TO} " if column == "(b)" and self._disagree[parcel] else ""
        return abs(value) if sort else differs + wording.signed(value, 3)
