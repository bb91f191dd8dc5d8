"""A list to type into: commands (Ctrl+K) or regions (Ctrl+F); Enter does or goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from app.gui.widgets.framed_dialog import FramedDialog

_SHOWN = 300
_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


@dataclass(frozen=True, slots=True)
class Choice:
    """One row: what it says, at the right its keys or facts, why it cannot be done now."""

    words: str
    facts: str
    do: Callable[[], object]
    reason: str = ""


class Palette(FramedDialog):
    """Filters rows by the typed words, the rows that begin with them first."""

    def __init__(self, title: str, choices: Sequence[Choice], parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(title)
        self.wish(620, 420)
        self._choices = choices
        self.search = QLineEdit()
        self.search.setPlaceholderText("Type a part of the name")
        self.search.setAccessibleName(title)
        self.search.textChanged.connect(self._filter)
        self.search.installEventFilter(self)
        self.list = QTreeWidget()
        self.list.setHeaderHidden(True)
        self.list.setColumnCount(2)
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setAccessibleName(f"{title}: what was found")
        header = self.list.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.list.itemActivated.connect(lambda _item, _column: self._do())
        self.list.itemClicked.connect(lambda _item, _column: self._do())
        self.list.currentItemChanged.connect(lambda _now, _before: self._tell())
        self.note = QLabel()
        self.note.setObjectName("muted")
        column = self.inside
        column.addWidget(self.search)
        column.addWidget(self.list, 1)
        column.addWidget(self.note)
        self._filter("")

    def found(self) -> list[Choice]:
        """The rows that are shown, from the top."""
        return self._found

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows move in the list while the cursor stays in the field; Enter does the row."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in _MOVES:
                self.list.keyPressEvent(event)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._do()
                return True
        return super().eventFilter(watched, event)

    def _filter(self, text: str) -> None:
        parts = text.lower().split()
        fitting = [
            choice
            for choice in self._choices
            if all(part in f"{choice.words} {choice.facts}".lower() for part in parts)
        ]
        fitting.sort(key=lambda choice: not choice.words.lower().startswith(text.lower()))
        self._found = fitting[:_SHOWN]
        self.list.clear()
        for choice in self._found:
            item = QTreeWidgetItem([choice.words, choice.facts])
            if choice.reason:
                item.setForeground(0, self.palette().placeholderText())
                item.setToolTip(0, choice.reason)
            self.list.addTopLevelItem(item)
        first = self.list.topLevelItem(0)
        if first is not None:
            self.list.setCurrentItem(first)
        self._tell()

    def _current(self) -> Choice | None:
        item = self.list.currentItem()
        row = self.list.indexOfTopLevelItem(item) if item is not None else -1
        return self._found[row] if 0 <= row < len(self._found) else None

    def _tell(self) -> None:
        current = self._current()
        if current is None:
            self.note.setText("Nothing has this name.")
        else:
            self.note.setText(current.reason or f"{len(self._found)} found. Enter chooses.")

    def _do(self) -> None:
        current = self._current()
        if current is not None and not current.reason:
            self.close()
            current.do()
