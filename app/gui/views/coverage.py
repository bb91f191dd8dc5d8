"""Which parcels the scan covers partly or not at all; a row selects its parcel everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, Qt
from PySide6.QtWidgets import QAbstractItemView, QCheckBox, QTableView, QWidget

from app.gui.session import Session
from app.gui.widgets.coverage_table import COLUMNS, CoverageTable
from app.gui.widgets.fields import muted
from app.gui.widgets.overlay import coverage_text
from app.gui.widgets.parcel_table import SORT_ROLE, set_up_rows, set_widths
from app.gui.widgets.tables import Table, table_of_model
from app.gui.widgets.theme import text_scale
from app.gui.widgets.view import View


class _Partly(QSortFilterProxyModel):
    """Leaves out what is wholly covered, unless all are wanted."""

    everything = False

    def filterAcceptsRow(self, row: int, parent: Any) -> bool:
        """Whether a parcel is listed."""
        index = self.sourceModel().index(row, COLUMNS.index("Covered"), parent)
        return self.everything or float(index.data(SORT_ROLE)) < 1.0

    def show_everything(self, wanted: bool) -> None:
        """List all parcels or those with a gap."""
        self.everything = wanted
        self.invalidate()


class CoverageView(View):
    """A table of parcels with the share of their points inside field of view and mask."""

    name = "coverage"
    title = "Coverage"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.count = muted("")
        self.count.setWordWrap(text_scale() > 2.0)  # as long as a page is wide then
        self.all_box = QCheckBox("All parcels")
        self.all_box.setToolTip("List the wholly covered parcels too")
        self.tools.addWidget(self.count)
        self.tools.addWidget(self.all_box)
        self.parcels = CoverageTable(self)
        self.proxy = _Partly(self)
        self.proxy.setSourceModel(self.parcels)
        self.proxy.setSortRole(SORT_ROLE)
        self.proxy.setSortCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.all_box.toggled.connect(self._show_everything)
        self.table = QTableView()
        self.table.setModel(self.proxy)
        set_up_rows(self.table, "Parcels and their coverage")
        set_widths(self.table, COLUMNS, self._width)
        self.body.addWidget(self.table, 1)
        self.words = muted("")
        self.words.setWordWrap(True)
        self.body.addWidget(self.words)
        self._following = False  # the session, or a filter: no choice of the user
        self.table.selectionModel().currentRowChanged.connect(self._row_changed)
        self.table.clicked.connect(self._clicked)
        self.listen(session.parcel_changed, self._parcel_changed, soon=True)
        self.refresh()

    def as_table(self) -> Table | None:
        """Every parcel that is listed, with its share as a number from 0 to 1."""
        return table_of_model(self.proxy, SORT_ROLE) if self.parcels.rowCount() else None

    def sentence(self) -> str:
        """How many parcels have a gap."""
        return self.count.text()

    def refresh(self) -> None:
        """Fill the table for the case that is open."""
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        self._following = True
        self.parcels.show_case(signals)
        self._following = False
        self.table.sortByColumn(COLUMNS.index("Covered"), Qt.SortOrder.AscendingOrder)
        if signals is None:
            self.count.setText(self.empty_reason())
            self.words.setText("")
            return
        self.count.setText(coverage_text(np.asarray(signals.coverage)))
        self.words.setText(
            "Share of a parcel's points that lie inside the field of view and the brain mask. "
            "Parcels below half count for the gate."
        )
        self._parcel_changed()

    def _width(self, name: str) -> int:
        longest = {"Network": "Network", "Covered": "100 %, below half"}
        return self.fontMetrics().horizontalAdvance(longest[name]) + 30

    def _show_everything(self, wanted: bool) -> None:
        self._following = True
        self.proxy.show_everything(wanted)
        self._following = False
        self._parcel_changed()

    def _parcel_changed(self) -> None:
        parcel = self.session.parcel
        if parcel is None:
            self.table.clearSelection()
        if parcel is None or parcel >= self.parcels.rowCount():
            return
        row = self.proxy.mapFromSource(self.parcels.index(parcel, 0))
        if not row.isValid():
            self.table.clearSelection()
        elif row.row() != self.table.currentIndex().row():
            self._following = True
            self.table.setCurrentIndex(row)
            self._following = False
            self.table.scrollTo(row, QAbstractItemView.ScrollHint.PositionAtCenter)

    def _row_changed(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._following:
            self.session.select_parcel(self.proxy.mapToSource(current).row())

    def _clicked(self, index: QModelIndex) -> None:
        # also on the row that is selected already: the crosshair comes back to its region
        self.session.select_parcel(self.proxy.mapToSource(index).row())
