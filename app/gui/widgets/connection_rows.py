"""The connections that are shown as rows: for the table of connections and as a plot's twin."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor

from app.core.colours import NETWORK_SHORT, network_colour
from app.core.explanation_wording import titled
from app.core.results import CleanSignals
from app.gui.connections import Shown, shown_connections, value_text
from app.gui.session import Session
from app.gui.widgets.parcel_table import SORT_ROLE
from app.gui.widgets.tables import Cell, Table

COLUMNS = ("#", "Region", "Region ", "Networks", "Value", "Sign", "Stability")
_TIPS = {
    "#": "Rank by magnitude",
    "Value": "Signed, in the unit of what the matrix shows",
    "Stability": "Whether an attribution holds over repeats; does not apply to Pearson r",
}
_Index = QModelIndex | QPersistentModelIndex


def stability_word(shown: Shown, index: int) -> str:
    """ "stable", "unstable", "signs differ", not computed, or that a measured matrix has none."""
    if shown.kind == "correlation":
        return "does not apply"  # stability is of attributions over repeats
    if shown.opposite is not None and shown.opposite[index]:
        return "signs differ"  # between (a) and (b)
    if shown.unstable is None:
        return "not computed"
    return "unstable" if shown.unstable[index] else "stable"


def connection_table(session: Session) -> Table | None:
    """Every connection that is shown, strongest first."""
    shown, opened = shown_connections(session), session.case
    signals = opened.case.signals if opened is not None else None
    if shown is None or signals is None:
        return None
    value = titled(f"value, {shown.unit}" if shown.unit else "value", shown.baseline)
    columns = ("region 1", "region 2", "network 1", "network 2", value, "stability")
    rows: list[tuple[Cell, ...]] = []
    for index, (first, second) in enumerate(shown.edges.pairs()):
        ends = (first, second)
        names = (signals.parcel_names[parcel] for parcel in ends)
        networks = (signals.networks[parcel] for parcel in ends)
        strength = float(shown.edges.value[index])
        rows.append((*names, *networks, strength, stability_word(shown, index)))
    return Table(columns, rows)


class ConnectionRows(QAbstractTableModel):
    """Rows for sorting and filtering."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shown: Shown | None = None
        self._signals: CleanSignals | None = None

    def show_connections(self, shown: Shown | None, signals: CleanSignals | None) -> None:
        """Fill the table."""
        self.beginResetModel()
        self.shown, self._signals = shown, signals
        self.endResetModel()

    def networks_of(self, row: int) -> tuple[str, ...]:
        """The networks of both ends."""
        if self._signals is None:
            return ()
        return tuple(self._signals.networks[end] for end in self.edge(row))

    def edge(self, row: int) -> tuple[int, int]:
        """The parcels of a row."""
        assert self.shown is not None
        return int(self.shown.edges.first[row]), int(self.shown.edges.second[row])

    def row_of(self, edge: tuple[int, int] | None) -> int | None:
        """The row of a connection, in whichever direction; None where it is not shown."""
        if edge is None or self.shown is None:
            return None
        edges = self.shown.edges
        found = np.flatnonzero((edges.first == min(edge)) & (edges.second == max(edge)))
        return int(found[0]) if found.size else None

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008  Qt's own signature
        """One row a connection."""
        return 0 if parent.isValid() or self.shown is None else len(self.shown.edges)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """As many as there are names."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Names of the columns; the value's with its unit."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        name = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            unit = self.shown.unit if self.shown is not None else ""
            return f"Value, {unit}" if name == "Value" and unit else name
        return _TIPS.get(name) if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words to read, values to sort by, the colour of the first end's network."""
        if self.shown is None or self._signals is None or not index.isValid():
            return None
        row, column = index.row(), COLUMNS[index.column()]
        first, second = self.edge(row)
        signals, value = self._signals, float(self.shown.edges.value[row])
        names = [signals.parcel_names[end].replace("_", " ") for end in (first, second)]
        networks = [signals.networks[end] for end in (first, second)]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            right = column in ("#", "Value")
            side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and column == "Networks":
            return QColor(*network_colour(networks[0]))
        if role == Qt.ItemDataRole.ToolTipRole:
            ends = [f"{a}, {b}" for a, b in zip(names, networks, strict=True)]
            return f"{ends[0]} \N{EN DASH} {ends[1]}: {value_text(value, self.shown.unit)}"
        if role not in (Qt.ItemDataRole.DisplayRole, SORT_ROLE):
            return None
        short = [NETWORK_SHORT.get(network, network) for network in networks]
        sort = role == SORT_ROLE
        return {
            "#": row + 1,
            "Region": names[0],
            "Region ": names[1],
            "Networks": short[0] if short[0] == short[1] else "\N{EN DASH}".join(short),
            "Value": abs(value) if sort else value_text(value, self.shown.unit),
            "Sign": "positive" if value > 0 else "negative",
            "Stability": stability_word(self.shown, row),
        }[column]
