"""One line that offers something and stays until it is taken or declined; never a modal box."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget


class OfferBar(QWidget):
    """Words, a button that takes the offer and one that declines it."""

    taken = Signal()
    declined = Signal()

    def __init__(self, name: str, take: str, decline: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName(name)
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.take = QPushButton(take)
        self.take.setObjectName("primary")
        self.decline = QPushButton(decline)
        self.take.clicked.connect(self._take)
        self.decline.clicked.connect(self._decline)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 6, 3)
        row.addWidget(self.words, 1)
        row.addWidget(self.take)
        row.addWidget(self.decline)
        self.hide()

    def offer(self, words: str) -> None:
        """Show the offer."""
        self.words.setText(words)
        self.setAccessibleDescription(words)
        self.show()

    def _take(self) -> None:
        self.hide()
        self.taken.emit()

    def _decline(self) -> None:
        self.hide()
        self.declined.emit()
