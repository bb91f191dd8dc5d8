"""Rows of settings under a heading, of which a search shows only those that fit."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QPushButton, QWidget

from app.gui.widgets.theme import font, text_scale

_NAME_WIDTH_CHARS = 24
_BESIDE_SCALE = 1.6  # of the text; names of larger ones stand above their settings


def note(words: str) -> QLabel:
    """A small sentence below a setting."""
    label = QLabel(words)
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setFont(font(label.font(), scale=0.9))
    return label


class Section(QWidget):
    """A heading and its settings."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title
        self._rows: list[tuple[str, tuple[QWidget, ...]]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 6, 0, 0)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        head = QLabel(title)
        head.setFont(font(head.font(), scale=1.15, bold=True))
        self._grid.addWidget(head, 0, 0, 1, 2)

    def add(self, words: str, field: QWidget, below: QLabel | None = None) -> None:
        """One setting with its name at the left; a tick box carries its own name."""
        row = self._grid.rowCount()
        shown: list[QWidget] = [field]
        if words:
            label = QLabel(words)
            label.setObjectName("muted")
            label.setMinimumWidth(label.fontMetrics().averageCharWidth() * _NAME_WIDTH_CHARS)
            label.setBuddy(field)
            field.setAccessibleName(words)
            self._grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignVCenter)
            if text_scale() > _BESIDE_SCALE:
                row += 1
                self._grid.addWidget(field, row, 0, 1, 2)
            else:
                self._grid.addWidget(field, row, 1)
            shown.append(label)
        else:
            self._grid.addWidget(field, row, 0, 1, 2)
        if below is not None:
            self._grid.addWidget(below, row + 1, 0, 1, 2)
            shown.append(below)
        text = " ".join([self.title, words, _words(field), below.text() if below else ""])
        self._rows.append((text.lower(), tuple(shown)))

    def filter(self, text: str) -> None:
        """Show the settings that hold every word; the whole section where nothing is asked."""
        parts, some = text.lower().split(), False
        for words, widgets in self._rows:
            fits = all(part in words for part in parts)
            some |= fits
            for widget in widgets:
                widget.setVisible(fits)
        self.setVisible(some)


def _words(field: QWidget) -> str:
    if isinstance(field, QComboBox):
        return " ".join(field.itemText(index) for index in range(field.count()))
    return field.text() if isinstance(field, QCheckBox | QPushButton) else ""
