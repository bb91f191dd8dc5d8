"""Words of a line, shortened where they must be; read-outs take another line before that."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QResizeEvent, QTextLayout
from PySide6.QtWidgets import QLabel, QSizePolicy

_LEAST_PX = 40
_ENDLESS_PX = 100_000


class ElidedLabel(QLabel):
    """A label that shortens its text to the room there is; the whole text is its tooltip.

    The text is shortened while painting, so that a change of size never changes the layout.

    Parameters
    ----------
    lines
        That the text may take where one is too short: read-outs carry numbers. A line that was
        taken stays until the width changes, so that what stands above does not jump; the height
        that a view must have stays that of one line.
    firm
        Whether the lines that are taken are not given up where a view is low: plots and pictures
        beside them become smaller instead.
    """

    def __init__(self, text: str = "", *, lines: int = 1, firm: bool = False) -> None:
        super().__init__()
        self._most, self._taken, self._firm = lines, 1, firm
        high = QSizePolicy.Policy.Fixed if lines == 1 else QSizePolicy.Policy.Preferred
        self.setSizePolicy(QSizePolicy.Policy.Ignored, high)
        self.setMinimumWidth(_LEAST_PX)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show a text, shortened if it must be."""
        if text != self.text():
            self.setText(text)
            self.setToolTip(text)
            self.setAccessibleName(text)
            self._take(max(self._taken, self._wanted()))

    def full_text(self) -> str:
        """The text before shortening."""
        return self.text()

    def is_cut(self) -> bool:
        """Whether there is less room than the text needs."""
        if self._most == 1:
            room = self.contentsRect().width()
            return self.fontMetrics().horizontalAdvance(self.text()) > room
        return self._needed() > self._seen()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many lines as the text needs now."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._take(self._wanted())

    def sizeHint(self) -> QSize:
        """The lines that are taken."""
        return super().sizeHint() + QSize(0, self._more_px())

    def minimumSizeHint(self) -> QSize:
        """One line, of any width; or those that are taken."""
        more = self._more_px() if self._firm else 0
        return QSize(_LEAST_PX, super().minimumSizeHint().height() + more)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw as much of the text as fits, with an ellipsis for the rest."""
        painter, box = QPainter(self), self.contentsRect()
        align = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        lines = self._seen()
        if lines > 1:
            align |= int(Qt.TextFlag.TextWordWrap)
        role = QPalette.ColorRole.WindowText
        self.style().drawItemText(
            painter, box, align, self.palette(), self.isEnabled(), self.shown_text(), role
        )
        painter.end()

    def shown_text(self) -> str:
        """The text as it is drawn: whole, or with an ellipsis at the end of its last line."""
        lines, width, elide = self._seen(), self.contentsRect().width(), Qt.TextElideMode.ElideRight
        if lines == 1:
            return self.fontMetrics().elidedText(self.text(), elide, width)
        if self._needed() <= lines:
            return self.text()
        layout = QTextLayout(self.text(), self.font())
        found: list[str] = []
        layout.beginLayout()
        while len(found) < lines - 1:
            line = layout.createLine()
            line.setLineWidth(width)
            found.append(self.text()[line.textStart() : line.textStart() + line.textLength()])
        layout.endLayout()
        rest = self.text()[sum(len(words) for words in found) :]
        return "\n".join([*found, self.fontMetrics().elidedText(rest, elide, width)])

    def _needed(self) -> int:
        """Lines that the whole text takes in this width."""
        width, metrics = self.contentsRect().width(), self.fontMetrics()
        if metrics.horizontalAdvance(self.text()) <= width:
            return 1
        room = QRect(0, 0, max(width, _LEAST_PX), _ENDLESS_PX)
        flags = int(Qt.TextFlag.TextWordWrap)
        high = metrics.boundingRect(room, flags, self.text()).height()
        return max(2, round((high - metrics.height()) / metrics.lineSpacing()) + 1)

    def _seen(self) -> int:
        """Lines that there is room for."""
        metrics = self.fontMetrics()
        more = (self.contentsRect().height() - metrics.height()) // metrics.lineSpacing()
        return min(max(more + 1, 1), self._taken)

    def _wanted(self) -> int:
        return 1 if self._most == 1 else min(self._needed(), self._most)

    def _take(self, lines: int) -> None:
        if lines != self._taken:
            self._taken = lines
            self.updateGeometry()

    def _more_px(self) -> int:
        return (self._taken - 1) * self.fontMetrics().lineSpacing()
