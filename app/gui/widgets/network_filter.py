"""Tables that show the rows of the selected network only, and the button that says so."""

from __future__ import annotations

from typing import Protocol, cast

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtWidgets import QToolButton, QWidget

from app.gui.session import Session
from app.gui.widgets.parcel_table import SORT_ROLE

_Index = QModelIndex | QPersistentModelIndex


class NetworkRows(Protocol):
    """A table model whose rows belong to networks."""

    def networks_of(self, row: int) -> tuple[str, ...]:
        """The networks of a row: one of a parcel, two of a connection."""


class NetworkFilter(QSortFilterProxyModel):
    """Sorts by value, finds words anywhere, and keeps the rows of one network."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.network: str | None = None
        self.setSortRole(SORT_ROLE)
        self.setFilterKeyColumn(-1)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)

    def set_network(self, network: str | None) -> bool:
        """Keep the rows of a network, or all; tells whether that changed anything."""
        if network == self.network:
            return False
        self.network = network
        self.invalidate()
        return True

    def filterAcceptsRow(self, source_row: int, source_parent: _Index) -> bool:
        """Whether a row belongs to the network and holds the words."""
        if self.network is not None:
            rows = cast(NetworkRows, self.sourceModel())
            if self.network not in rows.networks_of(source_row):
                return False
        return super().filterAcceptsRow(source_row, source_parent)


class NetworkChip(QToolButton):
    """Names the selected network above a table; a click shows all rows again."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setToolTip("Only rows of the selected network are listed; a click lists all again")
        self.clicked.connect(lambda _checked=False: session.clear_selection())
        self.hide()

    def follow(self) -> None:
        """Show the network that is selected."""
        network = self._session.state.selection.network
        self.setVisible(network is not None)
        self.setText(f"{network} \N{MULTIPLICATION SIGN}")
        self.setAccessibleName(f"Only {network}: list all again")
