"""The tab with the participant table: search, filter, include and exclude, open, export."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QLineEdit,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.cohort.results_table import results_text
from app.cohort.rows import FAILED
from app.core import wording
from app.core.errors import StorageError
from app.core.results import Outcome
from app.gui.cohort.state import CohortState
from app.gui.cohort.table import COLUMNS, KEY_ROLE, SCORE, CohortFilter, CohortTable
from app.gui.cohort.work import CohortWork
from app.gui.widgets.fields import choice
from app.gui.widgets.file_dialogs import ask_folder, ask_save
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.theme import scaled, tokens

_AnyIndex = QModelIndex | QPersistentModelIndex
_SHOWN = {
    "all": "All rows",
    "done": "Analysed",
    "withheld": "Withheld",
    "failed": "Failed",
    "waiting": "Waiting",
    "excluded": "Excluded",
}


class _Shade(QStyledItemDelegate):
    """Excluded rows are muted and struck out; failed and withheld ones carry their colour."""

    def __init__(self, state: CohortState, parent: QWidget) -> None:
        super().__init__(parent)
        self._state = state

    def initStyleOption(self, option: QStyleOptionViewItem, index: _AnyIndex) -> None:
        """Colour and strike of one cell."""
        super().initStyleOption(option, index)
        row = self._state.rows.get(str(index.data(KEY_ROLE)))
        if row is None:
            return
        colours = tokens(option.palette)
        font = option.font
        excluded = row.key in self._state.excluded
        font.setStrikeOut(excluded)
        option.font = font
        title = COLUMNS[index.column()].title
        colour = ""
        if excluded:
            colour = colours.muted
        elif title in (SCORE, "State"):
            if row.outcome == FAILED:
                colour = colours.blocked
            elif row.outcome == Outcome.WITHHELD.value:
                colour = colours.attention
        if colour:
            option.palette.setColor(option.palette.ColorRole.Text, QColor(colour))


class ParticipantsTab(QWidget):
    """The table and what can be done with its rows."""

    case_asked = Signal(object)  # folder of a case

    def __init__(self, state: CohortState, work: CohortWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Participants")
        self.state, self.work = state, work
        self.table = CohortTable(state)
        self.filter = CohortFilter(self.table)
        self._build_view()
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search rows")
        self.search.setAccessibleName("Search rows")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._look_for)
        self.shown = choice("Which rows are shown", _SHOWN, "all", self._show_only)
        self.include = QPushButton("Include")
        self.exclude = QPushButton("Exclude")
        self.open = QPushButton("Open")
        self.pdfs = QPushButton("Summaries\N{HORIZONTAL ELLIPSIS}")
        self.export = QPushButton("Export TSV\N{HORIZONTAL ELLIPSIS}")
        self.open.setToolTip("Open the participant of the selected row (Enter or double click)")
        self.pdfs.setToolTip("Participant summaries (PDF) of the selected rows, or of all included")
        self.export.setToolTip("The rows that are shown, in this order")
        self.include.clicked.connect(lambda _checked=False: state.include(self.selected()))
        self.exclude.clicked.connect(lambda _checked=False: state.exclude(self.selected()))
        self.open.clicked.connect(lambda _checked=False: self.open_selected())
        self.pdfs.clicked.connect(lambda _checked=False: self._ask_pdfs())
        self.export.clicked.connect(lambda _checked=False: self._ask_export())
        self.counts = QLabel()
        self.counts.setObjectName("muted")
        self.counts.setWordWrap(True)
        buttons = (self.include, self.exclude, self.open, self.pdfs, self.export)
        head = flow(self.search, self.shown, *buttons, spacing=6)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.view, 1)
        column.addWidget(self.counts)
        for signal in (state.opened, state.rows_changed, state.excluded_changed):
            signal.connect(self._follow)
        work.running_changed.connect(self._follow)
        self._follow()

    def _build_view(self) -> None:
        self.view = QTableView()
        self.view.setModel(self.filter)
        self.view.setItemDelegate(_Shade(self.state, self.view))
        self.view.setAccessibleName("Participants, one row a visit")
        self.view.setSortingEnabled(True)
        self.view.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setAlternatingRowColors(True)
        self.view.setWordWrap(False)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(scaled(24))
        header = self.view.horizontalHeader()
        header.setSectionsMovable(True)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for number, column in enumerate(COLUMNS):
            self.view.setColumnWidth(number, scaled(column.width))
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(50)
        self.view.doubleClicked.connect(lambda _index: self.open_selected())
        self.view.selectionModel().selectionChanged.connect(lambda *_: self._follow())
        for key in ("Return", "Enter"):
            shortcut = QShortcut(QKeySequence(key), self.view, self.open_selected)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)

    # rows ------------------------------------------------------------------------------

    def selected(self) -> tuple[str, ...]:
        """Keys of the selected rows, in the order shown."""
        rows = self.view.selectionModel().selectedRows(0)
        return tuple(str(index.data(KEY_ROLE)) for index in sorted(rows, key=lambda i: i.row()))

    def shown_keys(self) -> tuple[str, ...]:
        """Keys of the rows that the filter lets through, in the order shown."""
        count = self.filter.rowCount()
        return tuple(str(self.filter.index(n, 0).data(KEY_ROLE)) for n in range(count))

    def open_selected(self) -> None:
        """Open the participant of the current row."""
        keys = self.selected()
        folder = self.state.case_folder(keys[0]) if keys else None
        if folder is not None:
            self.case_asked.emit(folder)
        elif keys:
            self.work.said.emit("This row has no case to open.")

    def export_text(self) -> str:
        """The shown rows as a table for other tools; excluded ones say so."""
        rows = [self.state.rows[key] for key in self.shown_keys()]
        lines = results_text(rows).splitlines()
        marks = ["included", *("false" if r.key in self.state.excluded else "true" for r in rows)]
        if self.state.outcomes:  # of a locked plan; before that nobody has read any
            sealed = ("n/a", "n/a")
            told = [self.state.outcomes.get(r.key, sealed) for r in rows]
            marks = [
                f"{mark}\t{words}\t{text}"
                for mark, (words, text) in zip(
                    marks, [("measured_outcome", "outcome_definition"), *told], strict=True
                )
            ]
        stamps = (wording.RUO_LINE, *wording.stamps(simulated=self.state.simulated,
                                                    research_only=False))  # fmt: skip
        body = [f"{line}\t{mark}" for line, mark in zip(lines, marks, strict=True)]
        return "\n".join([f"# {'; '.join(stamps)}", *body]) + "\n"

    def export_to(self, path: Path) -> None:
        """Write the shown rows.

        Raises
        ------
        StorageError
            Nothing can be written there.
        """
        from app.study.files import replace_file

        replace_file(path, self.export_text().encode())

    # small things ----------------------------------------------------------------------

    def _look_for(self, text: str) -> None:
        self.filter.look_for(text)
        self._follow()

    def _show_only(self, which: str) -> None:
        self.filter.show_only(which)
        self._follow()

    def _ask_pdfs(self) -> None:
        keys = self.selected() or tuple(row.key for row in self.state.included())
        name = ask_folder(self, "Folder for the summaries")
        if name:
            self.work.write_reports(keys, Path(name))

    def _ask_export(self) -> None:
        name, _ = ask_save(self, "Export rows", "cohort.tsv", "TSV (*.tsv)")
        if not name:
            return
        try:
            self.export_to(Path(name))
        except StorageError as error:
            self.work.messages.tell(error)
        else:
            self.work.said.emit("The rows were saved.")

    def _follow(self, *_told: object) -> None:
        """Counts below, and what can be done now."""
        counts = self.state.counts()
        parts = [wording.counted(counts["rows"], "visit"), f"{counts['done']} analysed"]
        parts += [f"{counts[name]} {name}" for name in ("failed", "waiting", "excluded")
                  if counts[name]]  # fmt: skip
        if self.filter.rowCount() != counts["rows"]:
            parts.append(f"{self.filter.rowCount()} shown")
        parts += self.state.number_words()
        self.counts.setText("  ·  ".join(parts) if counts["rows"] else "")
        keys = self.selected()
        idle = not self.work.running
        self.include.setEnabled(any(key in self.state.excluded for key in keys))
        self.exclude.setEnabled(any(key not in self.state.excluded for key in keys))
        self.open.setEnabled(len(keys) == 1 and self.state.case_folder(keys[0]) is not None)
        self.pdfs.setEnabled(idle and counts["done"] > 0)
        self.export.setEnabled(counts["rows"] > 0)
        self.view.viewport().update()
