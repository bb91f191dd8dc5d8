"""F1: every key, taken from the window's real actions and the views' own lists."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QLineEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

VIEW_KEYS = (
    ("Slices: move the crosshair by 1 voxel, by 5", "Arrows, Shift+Arrows"),
    ("Slices: next and previous slice", "Wheel, PgUp, PgDn"),
    ("Slices: zoom", "Ctrl+Wheel, Ctrl++, Ctrl+-"),
    ("Slices: pan", "Middle drag, Shift+drag, Alt+drag, Alt+Arrows"),
    ("Slices: brightness and contrast", "Right drag"),
    ("Slices: reset", "R"),
    ("Slices: one slice large, back", "Double click, Enter, F11"),
    ("Registration: flicker between participant and template", "F"),
    ("Registration: the other picture, while held", "Space"),
    ("Motion: volume before and after", "Comma, full stop"),
    ("Motion: flagged volume before and after", "Shift+comma, Shift+full stop"),
    ("Motion: carpet before and after cleaning", "B"),
    ("Surface: turn, zoom", "Drag or Arrows, Wheel or right drag"),
    ("Surface: left, right, front, back, top, bottom", "1 to 6"),
    ("Matrix: move the selected connection", "Arrows"),
    ("Matrix: zoom, pan, reset", "Wheel, Shift+drag, R"),
)


class ShortcutsDialog(QDialog):
    """A list that can be searched."""

    def __init__(self, actions: Iterable[QAction], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard and mouse")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(560, 520)
        rows = [
            (action.text().replace("&", ""), keys)
            for action in actions
            if (keys := action.shortcut().toString(QKeySequence.SequenceFormat.NativeText))
        ]
        rows += [(f"Step {number}", f"Ctrl+{number}") for number in range(1, 6)]
        rows += VIEW_KEYS
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search")
        self.search.setAccessibleName("Search the shortcuts")
        self.search.textChanged.connect(self._filter)
        self.table = QTableWidget(len(rows), 2)
        self.table.setHorizontalHeaderLabels(["Action", "Keys or mouse"])
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for row, cells in enumerate(rows):
            for column, words in enumerate(cells):
                item = QTableWidgetItem(words)
                item.setToolTip(words)
                self.table.setItem(row, column, item)
        column_layout = QVBoxLayout(self)
        column_layout.addWidget(self.search)
        column_layout.addWidget(self.table)

    def _filter(self, text: str) -> None:
        for row in range(self.table.rowCount()):
            cells = (self.table.item(row, column) for column in (0, 1))
            words = " ".join(cell.text() for cell in cells if cell is not None)
            self.table.setRowHidden(row, text.lower() not in words.lower())
