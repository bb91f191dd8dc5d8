"""What every table of parcels has: a row a parcel, its name and network, how the rows look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.core.colours import NETWORK_SHORT, network_colour
from app.core.results import CleanSignals

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole


class ParcelTable(QAbstractTableModel):
    """Parcels in atlas order; subclasses add columns by `value`."""

    tips: Mapping[str, str] = {}  # of columns, shown at their names
    on_the_right: Sequence[str] = ()  # columns of numbers

    def __init__(self, columns: tuple[str, ...], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._signals: CleanSignals | None = None
        self._columns = columns

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that are shown."""
        return self._columns

    def value(self, parcel: int, column: str, *, sort: bool) -> Any:
        """What stands in a column beside name and network: words, or a value to sort by."""
        raise NotImplementedError

    def networks_of(self, row: int) -> tuple[str, ...]:
        """The network of a parcel."""
        return () if self._signals is None else (self._signals.networks[row],)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008  Qt's own signature
        """One row a parcel."""
        if parent.isValid() or self._signals is None:
            return 0
        return len(self._signals.parcel_names)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """As many as there are names."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section]
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.ToolTipRole:
            return self.tips.get(self._columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words to read, values to sort by, the network's colour."""
        if self._signals is None or not index.isValid():
            return None
        parcel, column = index.row(), self._columns[index.column()]
        name, network = self._signals.parcel_names[parcel], self._signals.networks[parcel]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = column in self.on_the_right
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and column == "Network":
            return QColor(*network_colour(network))
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{name}, {network}"
        if role not in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
            return None
        sort = role == SORT_ROLE
        if column == "Region":
            return name if sort else name.replace("_", " ")
        if column == "Network":
            return network if sort else NETWORK_SHORT.get(network, network)
        return self.value(parcel, column, sort=sort)


def set_up_rows(table: QTableView, name: str) -> None:
    """Low rows without a grid, of which one is chosen as a whole; a column's name sorts."""
    table.setAccessibleName(name)
    table.setSortingEnabled(True)
    table.setShowGrid(False)
    table.setAlternatingRowColors(True)
    table.setWordWrap(False)
    # names are alike at their beginning, and end in the side
    table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 6)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    header = table.horizontalHeader()
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    header.setHighlightSections(False)


def hidden_words(table: QTableView) -> str:
    """Which columns a narrow view leaves out; "" where none."""
    model, across = table.model(), Qt.Orientation.Horizontal
    columns = [n for n in range(model.columnCount()) if table.isColumnHidden(n)]
    names = ", ".join(str(model.headerData(n, across)) for n in columns)
    return f"Shown where wider: {names}." if names else ""


def set_widths(table: QTableView, columns: Sequence[str], width: Callable[[str], int]) -> None:
    """Give each column its pixels; the region's name takes the rest."""
    header = table.horizontalHeader()
    for column, name in enumerate(columns):
        if name == "Region":
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
        else:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
            header.resizeSection(column, width(name))
