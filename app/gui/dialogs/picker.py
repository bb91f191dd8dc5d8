"""What a folder holds, and which series or run of it is to be opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.core.wording import SEVERITY_WORDS
from app.gui.widgets.framed_dialog import FramedDialog
from app.scans.contents import Choice, Contents, SourceKind

COLUMNS = (
    "No.", "Name", "Kind", "Volumes", "TR, s", "Matrix", "Date", "Participant", "Visit", "Note",
)  # fmt: skip
_TITLES = {
    SourceKind.DICOM: "Choose a series",
    SourceKind.NIFTI: "Choose a scan",
    SourceKind.BIDS: "Choose a run",
    SourceKind.DERIVATIVES: "Choose a preprocessed run",
}
_SHOWN_FINDINGS = 4
Chosen = Callable[[Choice, Path | None], None]


class PickerDialog(FramedDialog):
    """A table of series or runs; rows that cannot be analysed are greyed and say why.

    `chosen` receives the row and, where the run had to be asked for it, the confound table.
    """

    def __init__(self, contents: Contents, chosen: Chosen, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(_TITLES.get(contents.kind, "Choose what to open"))
        self.wish(980, 480)
        self.contents = contents
        self._chosen = chosen
        column = self.inside
        usable = len(contents.candidates)
        words = QLabel(
            f"{len(contents.choices)} entries, {usable} of them can be analysed. "
            "Nothing is opened until you choose."
        )
        words.setWordWrap(True)
        column.addWidget(words)
        for finding in contents.findings[:_SHOWN_FINDINGS]:
            column.addWidget(
                _wrapped(f"{SEVERITY_WORDS[finding.severity]}: {finding.message} {finding.hint}")
            )
        self.table = self._table()
        column.addWidget(self.table, 1)
        self.question = _wrapped("")
        self.confounds = QComboBox()
        self.confounds.setAccessibleName("Confound table of this run")
        self.confounds.currentIndexChanged.connect(self._follow)
        column.addWidget(self.question)
        column.addWidget(self.confounds)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self.open_button = self.buttons.button(QDialogButtonBox.StandardButton.Open)
        self.buttons.accepted.connect(self._accept)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)
        self.table.itemSelectionChanged.connect(self._row_changed)
        self.table.itemDoubleClicked.connect(self._accept)
        self._select_first()
        self._row_changed()

    def current(self) -> Choice | None:
        """The row that is selected."""
        rows = self.table.selectionModel().selectedRows()
        return self.contents.choices[rows[0].row()] if rows else None

    def _table(self) -> QTableWidget:
        table = QTableWidget(len(self.contents.choices), len(COLUMNS))
        table.setAccessibleName("Series and runs")
        table.setHorizontalHeaderLabels(list(COLUMNS))
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setAlternatingRowColors(True)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        for row, choice in enumerate(self.contents.choices):
            for place, words in enumerate(cells(choice)):
                item = QTableWidgetItem(words)
                item.setToolTip(choice.obstacle or choice.question or choice.reason)
                if not choice.openable:
                    item.setFlags(Qt.ItemFlag.NoItemFlags)
                if place in (0, 3, 4):
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                table.setItem(row, place, item)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        for place in range(len(COLUMNS)):
            empty = all(not cells(choice)[place] for choice in self.contents.choices)
            table.setColumnHidden(place, empty)
        return table

    def _select_first(self) -> None:
        wanted = next(iter(self.contents.candidates), None)
        if wanted is not None:
            self.table.selectRow(self.contents.choices.index(wanted))
        self.table.setFocus()

    def _row_changed(self) -> None:
        choice = self.current()
        self.confounds.blockSignals(True)
        self.confounds.clear()
        asks = choice is not None and bool(choice.question)
        if choice is not None and asks:
            self.confounds.addItem("Choose the confound table of this run…", None)
            for path in choice.confounds:
                self.confounds.addItem(path.name, path)
            self.question.setText(choice.question)
        self.confounds.blockSignals(False)
        self.question.setVisible(asks)
        self.confounds.setVisible(asks)
        self._follow()

    def _follow(self) -> None:
        choice = self.current()
        ready = choice is not None and choice.openable
        if choice is not None and choice.question:
            ready = ready and self.confounds.currentData() is not None
        self.open_button.setEnabled(ready)

    def _accept(self) -> None:
        choice = self.current()
        if choice is None or not self.open_button.isEnabled():
            return
        table = self.confounds.currentData() if choice.question else None
        self._chosen(choice, table if isinstance(table, Path) else None)
        self.accept()


def cells(choice: Choice) -> tuple[str, ...]:
    """A row's texts; "" where nothing is known."""
    matrix = " × ".join(map(str, choice.matrix)) if any(choice.matrix) else ""
    return (
        str(choice.number) if choice.number else "",
        choice.title or "without a name",
        choice.kind,
        str(choice.volumes) if choice.volumes else "",
        f"{choice.repetition_time_s:g}" if choice.repetition_time_s else "",
        matrix,
        choice.date,
        choice.participant,
        choice.session,
        choice.obstacle or choice.question or choice.reason,
    )


def _wrapped(words: str) -> QLabel:
    label = QLabel(words)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setObjectName("muted")
    label.setWordWrap(True)
    return label
