"""The table twin of a plot: shown beside it, copied, saved as TSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QTableView,
    QWidget,
)

from app.core.errors import StorageError
from app.core.wording import counted
from app.gui.widgets.file_dialogs import ask_save
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import scaled

Cell = str | int | float | None
_AnyIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


@dataclass(frozen=True, slots=True)
class Table:
    """What a view offers as a table: names with units, then one row of values for each."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[Cell]]

    def tsv(self) -> str:
        """Tab-separated text with a decimal point, whatever the system's language."""
        lines = ["\t".join(self.columns)]
        lines += ["\t".join(_machine_text(cell) for cell in row) for row in self.rows]
        return "\n".join(lines) + "\n"


def _machine_text(cell: Cell) -> str:
    if cell is None or cell != cell:  # NaN
        return "n/a"
    return repr(cell) if isinstance(cell, float) else " ".join(str(cell).split())


def table_of_model(model: QAbstractItemModel, number_role: int | None = None) -> Table:
    """What a table on screen holds, all rows of it, filtered and sorted as it is.

    Parameters
    ----------
    number_role
        Role that gives a cell's number in full, where it has one.
    """
    columns = range(model.columnCount())
    across = Qt.Orientation.Horizontal
    names = tuple(str(model.headerData(column, across) or "") for column in columns)
    rows = []
    for row in range(model.rowCount()):
        cells: list[Cell] = []
        for column in columns:
            index = model.index(row, column)
            number = index.data(number_role) if number_role is not None else None
            exact = isinstance(number, int | float) and not isinstance(number, bool)
            shown = number if exact else index.data(Qt.ItemDataRole.DisplayRole)
            cells.append(shown if isinstance(shown, str | int | float) else "")
        rows.append(tuple(cells))
    return Table(names, rows)


_WIDEST_PX = 420  # of a column; a longer cell is read in its tip
MOST_MEASURED = 5000  # cells
_ROLES = (
    Qt.ItemDataRole.DisplayRole,
    Qt.ItemDataRole.ToolTipRole,
    Qt.ItemDataRole.TextAlignmentRole,
)


class TableRows(QAbstractTableModel):
    """A `Table` for Qt."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table

    def rowCount(self, parent: _AnyIndex = _ROOT) -> int:
        """Number of rows."""
        return 0 if parent.isValid() else len(self.table.rows)

    def columnCount(self, parent: _AnyIndex = _ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(self.table.columns)

    def data(self, index: _AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A value; numbers stand at the right."""
        if role not in _ROLES:
            return None
        cell = self.table.rows[index.row()][index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return f"{cell:.6g}" if isinstance(cell, float) else _machine_text(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole and isinstance(cell, int | float):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Names above, numbers of the rows from 1 at the side."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self.table.columns[section]
        return str(section + 1)


class TableDialog(FramedDialog):
    """Shows a table beside the window, which goes on; copies and saves it.

    `stamps` stand above the table and go into the copy and the file as lines that begin with #.
    """

    def __init__(self, title: str, stamps: str, table: Table, parent: QWidget) -> None:
        super().__init__(parent)
        self.table, self.stamps = table, stamps
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"{title}: table")
        self.wish(640, 480)
        self.strip.setText(stamps)
        self.view = QTableView()
        self.view.setModel(TableRows(table))
        self.view.setAlternatingRowColors(True)
        self.view.setAccessibleName(f"{title} as a table, {counted(len(table.rows), 'row')}")
        header = self.view.horizontalHeader()
        header.setStretchLastSection(True)
        header.setMaximumSectionSize(scaled(_WIDEST_PX))  # also of what a row further down holds
        # widths are taken from the first rows: every cell of a matrix would take minutes
        header.setResizeContentsPrecision(max(MOST_MEASURED // max(len(table.columns), 1), 10))
        self.view.resizeColumnsToContents()
        self.copy = QPushButton("Copy")
        self.copy.clicked.connect(self.copy_text)
        self.save = QPushButton("Save as TSV\N{HORIZONTAL ELLIPSIS}")
        self.save.clicked.connect(self._ask_save)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        self.said = QLabel(counted(len(table.rows), "row"))
        self.said.setObjectName("muted")
        row = QHBoxLayout()
        row.addWidget(self.said, 1)
        for button in (self.copy, self.save, close):
            button.setAutoDefault(False)
            row.addWidget(button)
        column = self.inside
        column.addWidget(self.view, 1)
        column.addLayout(row)
        QShortcut(QKeySequence.StandardKey.Copy, self.view, self.copy_text)

    def text(self) -> str:
        """Stamps and table as they are copied and saved."""
        return f"# {self.stamps}\n{self.table.tsv()}"

    def copy_text(self) -> None:
        """Put the whole table on the clipboard."""
        QGuiApplication.clipboard().setText(self.text())
        self.said.setText(f"{counted(len(self.table.rows), 'row was', 'rows were')} copied.")

    def save_to(self, path: Path) -> None:
        """Write the table.

        Raises
        ------
        StorageError
            There is no room or no right to write there.
        """
        try:
            path.write_text(self.text(), encoding="utf-8")
        except OSError as fault:
            raise StorageError(
                "The table could not be saved there.", "Choose another folder.", code="gui.table"
            ) from fault

    def _ask_save(self) -> None:
        name, _ = ask_save(self, "Save the table", "table.tsv", "TSV (*.tsv)")
        if not name:
            return
        try:
            self.save_to(Path(name))
        except StorageError as error:
            self.said.setText(str(error))
        else:
            self.said.setText("The table was saved.")
