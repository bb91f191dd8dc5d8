"""The connections that are shown, as a table: sort, search, click to select everywhere."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QLineEdit, QTableView, QWidget

from app.core.explanation_lists import ALL_LISTED, CONNECTIONS_RULE
from app.gui.connections import (
    matrix_case,
    matrix_title,
    no_connectivity,
    shown_connections,
)
from app.gui.session import Session
from app.gui.widgets.connection_rows import COLUMNS, ConnectionRows, connection_table
from app.gui.widgets.network_filter import NetworkChip, NetworkFilter
from app.gui.widgets.parcel_table import hidden_words, set_up_rows
from app.gui.widgets.tables import Table
from app.gui.widgets.theme import scaled
from app.gui.widgets.threshold_row import ThresholdRow
from app.gui.widgets.view import ElidedLabel, View

# Below these widths the regions' names cannot be read beside the column.
_LEAST_PX = {"Stability": 560, "Sign": 480, "Networks": 400}  # at the usual text size
_LONGEST = {"#": "2000 ", "Networks": "DMN–SOM ", "Value": "+0.00000 ", "Sign": "negative "}


class ConnectionsView(View):
    """Both names, networks, sign, value and stability of the same connections as the ring's."""

    name = "connections"
    title = "Connections"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find\N{HORIZONTAL ELLIPSIS}")
        self.search.setAccessibleName("Find a region or network among the connections")
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(scaled(220))
        self.search.setMinimumWidth(scaled(70))
        self.chip = NetworkChip(session)
        self.tools.addWidget(self.chip)
        self.tools.addWidget(self.search)
        self.threshold = ThresholdRow(session)
        self.body.addWidget(self.threshold)
        self.rows = ConnectionRows(self)
        self._filtering = False
        self.proxy = NetworkFilter(self)
        self.proxy.setSourceModel(self.rows)
        self.search.textChanged.connect(self.proxy.setFilterFixedString)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        set_up_rows(self.table, "Connections, strongest first")
        self.table.horizontalHeader().setMinimumSectionSize(34)
        self.rule = ElidedLabel(lines=3, firm=True)
        self.rule.setObjectName("muted")
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.rule)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)
        self.table.clicked.connect(self._clicked)
        self.listen(session.edge_changed, self._edge_changed, soon=True)
        self.listen(session.network_changed, self._network_changed)
        self.listen(session.display_changed, self._state_changed)
        self.listen(session.plots_changed, self._state_changed)
        self.listen(session.explain_changed, self._state_changed)
        self.refresh()
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)

    def refresh(self) -> None:
        """Fill the table with what is shown now."""
        opened, shown = self.session.case, shown_connections(self.session)
        signals = opened.case.signals if opened is not None else None
        self.rows.show_connections(shown, signals)
        self.threshold.follow()
        kind = (
            "" if shown is None else matrix_title(matrix_case(self.session, shown.kind), shown.kind)
        )
        self.title_label.setText(f"Connections by {kind}" if kind else self.title)
        header = self.table.horizontalHeader()
        for column, name in enumerate(COLUMNS):
            if name.startswith("Region"):
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
            else:
                header.setSectionResizeMode(column, QHeaderView.ResizeMode.Fixed)
                longest = _LONGEST.get(name, "does not apply ")
                header.resizeSection(column, self.fontMetrics().horizontalAdvance(longest) + 14)
        self._fit_columns()
        self._network_changed()

    def baseline(self) -> str:
        """Of the connections that are listed."""
        shown = shown_connections(self.session)
        return shown.baseline if shown is not None else ""

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns where names could not be read: they come back with the room."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        shown = self.rows.shown
        for column, name in enumerate(COLUMNS):
            nothing = name == "Stability" and (shown is None or shown.doubtful is None)
            narrow = self.width() < scaled(_LEAST_PX.get(name, 0))
            self.table.setColumnHidden(column, narrow or nothing)
        listed = self.session.state.explain.show_unstable
        ruled = shown is not None and shown.kind != "correlation"
        rule = (ALL_LISTED if listed else CONNECTIONS_RULE) if ruled else ""
        self.rule.set_full_text(f"{rule} {hidden_words(self.table)}".strip())
        self.rule.setVisible(ruled)

    def empty_reason(self) -> str:
        """Also where too few frames were left."""
        return no_connectivity(self.session) or super().empty_reason()

    def sentence(self) -> str:
        """How many rows there are."""
        shown = shown_connections(self.session)
        return self.empty_reason() if shown is None else f"Connections: {shown.words}"

    def as_table(self) -> Table | None:
        """The same rows."""
        return connection_table(self.session)

    def _state_changed(self) -> None:
        if shown_connections(self.session) is not self.rows.shown:
            self.refresh()

    def _edge_changed(self) -> None:
        row = self.rows.row_of(self.session.edge)
        if row is None:
            self.table.clearSelection()
            return
        index = self.proxy.mapFromSource(self.rows.index(row, 0))
        if index.isValid() and index.row() != self.table.currentIndex().row():
            self.table.setCurrentIndex(index)
            self.table.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    def _network_changed(self) -> None:
        """List what touches the selected network; the row under the keyboard selects nothing."""
        self.chip.follow()
        self._filtering = True
        self.proxy.set_network(self.session.state.selection.network)
        self._filtering = False
        self._edge_changed()

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._filtering and self.table.hasFocus():
            row = self.proxy.mapToSource(current).row()
            if row != self.rows.row_of(self.session.edge):
                self.session.select_edge(*self.rows.edge(row))

    def _clicked(self, index: QModelIndex) -> None:
        # also on the row that is selected already: the crosshair comes back to its first end
        self.session.select_edge(*self.rows.edge(self.proxy.mapToSource(index).row()))
