"""The title of a view: whole where there is room, shortened before anything else is squeezed."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLabel

_LEAST_CHARS = 6
_RIGHT = Qt.TextElideMode.ElideRight


class TitleLabel(QLabel):
    """As wide as its text wishes, or down to a few letters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def setText(self, text: str) -> None:
        """The tooltip has it whole."""
        super().setText(text)
        self.setToolTip(text)

    def minimumSizeHint(self) -> QSize:
        """A few letters, an ellipsis and the letter of the method."""
        whole = super().minimumSizeHint()
        least = self.fontMetrics().averageCharWidth() * _LEAST_CHARS
        least += self.fontMetrics().horizontalAdvance(self._method())
        return QSize(min(whole.width(), least), whole.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """As much of the text as fits."""
        painter, box, shown = QPainter(self), self.contentsRect(), self.shown_text()
        side = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        role = QPalette.ColorRole.WindowText
        self.style().drawItemText(painter, box, side, self.palette(), self.isEnabled(), shown, role)
        painter.end()

    def shown_text(self) -> str:
        """The text as it is drawn: what tells one map from another, "(b)", is never cut off."""
        metrics, end, width = self.fontMetrics(), self._method(), self.contentsRect().width()
        if metrics.horizontalAdvance(self.text()) <= width:
            return self.text()
        room = width - metrics.horizontalAdvance(end)
        return metrics.elidedText(self.text().removesuffix(end), _RIGHT, room) + end

    def _method(self) -> str:
        found = re.search(r" \([ab]\)$", self.text())
        return found.group() if found else ""
