"""One row a parcel: name, network, share covered; sorted by any of them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core.colours import NETWORK_SHORT, network_colour
from app.core.results import CleanSignals
from app.preprocessing.quality import PARCEL_COVERAGE_LIMIT

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("Region", "Network", "Covered")
SORT_ROLE = Qt.ItemDataRole.UserRole


class CoverageTable(QAbstractTableModel):
    """Parcels in atlas order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._signals: CleanSignals | None = None

    def show_case(self, signals: CleanSignals | None) -> None:
        """Fill the table."""
        self.beginResetModel()
        self._signals = signals
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  Qt's own signature
        """One row a parcel."""
        if parent.isValid() or self._signals is None:
            return 0
        return len(self._signals.parcel_names)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Region, network, share."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words to read, values to sort by, the network's colour."""
        if self._signals is None or not index.isValid():
            return None
        parcel, column = index.row(), COLUMNS[index.column()]
        network = self._signals.networks[parcel]
        if role == Qt.ItemDataRole.DecorationRole and column == "Network":
            return QColor(*network_colour(network))
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{self._signals.parcel_names[parcel]}, {network}"
        if role not in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
            return None
        sort, name = role == SORT_ROLE, self._signals.parcel_names[parcel]
        share = float(self._signals.coverage[parcel])
        if column == "Region":
            return name if sort else name.replace("_", " ")
        if column == "Network":
            return network if sort else NETWORK_SHORT.get(network, network)
        return share if sort else share_text(share)


def share_text(share: float) -> str:
    """Such as "62 %", "41 %, below half", "missing"; a gap never rounds to 100 %."""
    if share <= 0.0:
        return "missing"
    words = f"{min(round(100.0 * share), 99 if share < 1.0 else 100)} %"
    return f"{words}, below half" if share < PARCEL_COVERAGE_LIMIT else words
