"""All parcels as a table: sort, filter, click to go there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QLineEdit, QTableView, QWidget

from app.core.explanation_lists import ALL_LISTED, DISAGREES, UNSTABLE
from app.core.explanation_wording import headed, titled
from app.gui.session import Session
from app.gui.widgets.network_filter import NetworkChip, NetworkFilter
from app.gui.widgets.parcel_table import hidden_words, set_up_rows, set_widths
from app.gui.widgets.region_table import RegionTable
from app.gui.widgets.tables import Cell, Table
from app.gui.widgets.theme import scaled
from app.gui.widgets.view import ElidedLabel, View

_MARKS = f"{DISAGREES} (a), (b) disagree; {UNSTABLE} unstable: "
_NO_RANK = "no rank, hatched, in no list."
# Below these widths a name cannot be read beside the column.
_LEAST_PX = {"Network": 400, "(a)": 310}  # at the usual text size


class RegionsView(View):
    """The table twin of the map; its selection is the session's."""

    name = "regions"
    title = "Regions"
    takes_turns = True
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click", "Select the region everywhere"),
        ("Double click its network", "Select the network everywhere"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find…")
        self.search.setAccessibleName("Find a region or network")
        self.search.setClearButtonEnabled(True)
        self.search.setMaximumWidth(scaled(220))
        self.search.setMinimumWidth(scaled(70))
        self.chip = NetworkChip(session)
        self.tools.addWidget(self.chip)
        self.tools.addWidget(self.search)
        self._filtering, self._rule = False, ""
        self.regions = RegionTable(self)
        self.proxy = NetworkFilter(self)
        self.proxy.setSourceModel(self.regions)
        self.search.textChanged.connect(self.proxy.setFilterFixedString)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        set_up_rows(self.table, "Regions")
        self.table.horizontalHeader().setMinimumSectionSize(34)
        # What the marks mean, which regions have no rank, and which columns have no room.
        self.rule = ElidedLabel(lines=3, firm=True)
        self.rule.setObjectName("muted")
        self.body.addWidget(self.table, 1)
        self.body.addWidget(self.rule)
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)
        self.listen(session.parcel_changed, self._parcel_changed, soon=True)
        self.table.clicked.connect(self._clicked)
        self.table.doubleClicked.connect(self._double_clicked)
        self.listen(session.network_changed, self._network_changed)
        self.listen(session.explain_changed, self._explain_changed)
        self.refresh()

    def refresh(self) -> None:
        """Fill the table for the case that is open, by the map (b) that is drawn."""
        for _ in self.refreshing():
            pass

    def refreshing(self) -> Iterator[None]:
        """Rows, then their order: sorting takes long, and is done once."""
        self.proxy.sort(-1)
        opened = self.session.drawn
        signals = opened.case.signals if opened is not None else None
        health = opened.health if opened is not None else None
        unranked = None
        if opened is not None and not self.session.state.explain.show_unstable:
            unranked = opened.hatched
        self._made = (self.session.state.explain.show_unstable, self.baseline())
        found = opened.attribution if opened is not None else None
        unstable = None if health is None else health.unstable
        self.regions.show_case(signals, found, unranked, unstable)
        listed = self.session.state.explain.show_unstable
        self._rule = f"{_MARKS}{ALL_LISTED if listed else _NO_RANK}"
        self.rule.setVisible(found is not None)
        explained = opened is not None and opened.attribution is not None
        title = headed("Regions by (b), log-odds", self.baseline()) if explained else "Regions"
        self.title_label.setText(title)
        self.setAccessibleName(self.title_label.text())
        set_widths(self.table, self.regions.columns, self._width)
        self._fit_columns()
        yield
        self.table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        yield
        self._network_changed()

    def _explain_changed(self) -> None:
        if self._made != (self.session.state.explain.show_unstable, self.baseline()):
            self.refresh()

    def baseline(self) -> str:
        """Of the map that ranks the regions."""
        opened = self.session.drawn
        return opened.baseline if opened is not None else ""

    def sentence(self) -> str:
        """The selected region with its row's values."""
        signals = self.session.case.case.signals if self.session.case is not None else None
        parcel = self.session.parcel
        if signals is None or parcel is None or parcel >= len(signals.parcel_names):
            return self.empty_reason()
        index = self.regions.index
        cells = [
            f"{name} {self.regions.data(index(parcel, column))}"
            for column, name in enumerate(self.regions.columns)
        ]
        return f"{self.title_label.text()}: {', '.join(cells)}"

    def as_table(self) -> Table | None:
        """One row a region in atlas order, in full digits."""
        opened = self.session.drawn
        signals = opened.case.signals if opened is not None else None
        if opened is None or signals is None:
            return None
        columns: dict[str, Sequence[Cell]] = {
            "region": signals.parcel_names,
            "network": signals.networks,
            "hemisphere": signals.hemispheres,
            "coverage": np.asarray(signals.coverage, dtype=float).tolist(),
        }
        found, health = opened.attribution, opened.health
        if found is not None:
            columns[titled("(b) whole scan, log-odds", opened.baseline)] = np.asarray(
                found.scan.per_parcel
            ).tolist()
            columns["(a) each branch, log-odds"] = np.asarray(found.branches.per_parcel).tolist()
            columns["(a) and (b)"] = ["disagree" if d else "agree" for d in found.disagreeing]
        if health is not None:
            columns["stability of (b)"] = ["unstable" if u else "stable" for u in health.unstable]
        return Table(tuple(columns), list(zip(*columns.values(), strict=True)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns where names could not be read: they come back with the room."""
        super().resizeEvent(event)
        self._fit_columns()

    def _fit_columns(self) -> None:
        explained = len(self.regions.columns) > 2
        for column, name in enumerate(self.regions.columns):
            narrow = self.width() < scaled(_LEAST_PX.get(name, 0))
            self.table.setColumnHidden(column, explained and narrow)
        self.rule.set_full_text(f"{self._rule} {hidden_words(self.table)}".strip())

    def start_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def _width(self, name: str) -> int:
        longest = {"#": "426 ", "Network": "Network", "(a)": "+0.000", "(b)": "≠~ +0.000"}
        return self.fontMetrics().horizontalAdvance(longest.get(name, name)) + 14

    def _parcel_changed(self) -> None:
        parcel = self.session.parcel
        if parcel is None:
            self.table.setCurrentIndex(QModelIndex())
            return
        if parcel >= self.regions.rowCount():
            return
        row = self.proxy.mapFromSource(self.regions.index(parcel, 0))
        if row.isValid() and row.row() != self.table.currentIndex().row():
            self.table.setCurrentIndex(row)
            self.table.scrollTo(row, QAbstractItemView.ScrollHint.PositionAtCenter)

    def _network_changed(self) -> None:
        """List the selected network's rows only; the row under the keyboard selects nothing."""
        self.chip.follow()
        self._filtering = True
        self.proxy.set_network(self.session.state.selection.network)
        self._filtering = False
        self._parcel_changed()

    def _clicked(self, index: QModelIndex) -> None:
        # also on the row that is selected already: the crosshair comes back to its region
        self.session.select_parcel(self.proxy.mapToSource(index).row())

    def _double_clicked(self, index: QModelIndex) -> None:
        if self.regions.columns[index.column()] == "Network":
            row = self.proxy.mapToSource(index).row()
            self.session.select_network(self.regions.networks_of(row)[0])

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if not current.isValid() or self._filtering:
            return
        parcel = self.proxy.mapToSource(current).row()
        if parcel == self.session.parcel:
            return
        if self.table.hasFocus():
            self.session.select_parcel(parcel)
        else:
            # A filter, or keys that were not meant for the table: it follows the others.
            self._parcel_changed()
