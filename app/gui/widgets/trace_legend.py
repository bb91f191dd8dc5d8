"""Names of the traces beside a sample of their lines, in one row."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.gui.widgets.theme import tokens

Look = tuple[str, Qt.PenStyle]
# Hues of Okabe and Ito without their blues, which the current trace has; told apart also by dashes.
_HUES = ("#e69f00", "#009e73", "#cc79a7", "#d55e00", "#9a8f00", "#8c6bb1")
_DASHES = (
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
    Qt.PenStyle.DashDotDotLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
)
_SAMPLE_PX = 18.0
_LOST = 0.12  # of a row's width that wrapping between words leaves free


def look_of(place: int) -> Look:
    """Hue and dashes of a held trace."""
    return _HUES[place % len(_HUES)], _DASHES[place % len(_DASHES)]


def plain_look(colour: str) -> Look:
    """Of the trace that follows the selection."""
    return colour, Qt.PenStyle.SolidLine


class TraceLegend(QWidget):
    """Lines and names in one row, or below each other where the row is too short."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: tuple[tuple[str, Look], ...] = ()
        self._words = ""
        self._rows = 1
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_entries(self, entries: tuple[tuple[str, Look], ...]) -> None:
        """Names and the looks of their lines."""
        if len(entries) != len(self._entries):
            self._rows = 1
        self._entries = entries
        self._say(", ".join(name for name, _ in entries))

    def show_words(self, words: str) -> None:
        """A sentence in place of the names."""
        self._entries = ()
        self._say(words)

    def full_text(self) -> str:
        """What is written."""
        return self._words

    def _say(self, words: str) -> None:
        self._words = words
        self.setToolTip(words)
        self.setAccessibleName(words)
        self._fit()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many rows as the names need now."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit(least=1)

    def sizeHint(self) -> QSize:
        """All rows of text."""
        return QSize(120, self._rows * (self.fontMetrics().height() + 2))

    def _fit(self, least: int = 0) -> None:
        """Rows that were taken stay: with each shorter name the plots would be laid out anew."""
        rows = max(sum(high for _, high in self._lines()), least or self._rows)
        if rows != self._rows:
            self._rows = rows
            self.updateGeometry()

    def _lines(self) -> list[tuple[list[tuple[str, Look]], int]]:
        """(entries, rows of text) of each line; only a name that fills a line by itself has two."""
        lines: list[tuple[list[tuple[str, Look]], int]] = []
        left = 0.0
        for entry in self._entries:
            wide = _SAMPLE_PX + 12.0 + self.fontMetrics().horizontalAdvance(entry[0])
            if not lines or wide > left:
                left = float(self.width())
                lines.append(([], 1 if wide <= left else 2))
            lines[-1][0].append(entry)
            left -= wide
        return lines

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Samples and names, each with its share of the room."""
        painter, colours = QPainter(self), tokens(self.palette())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, high = painter.fontMetrics(), float(self.height())
        align = int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
        elide, wrap = Qt.TextElideMode.ElideRight, int(Qt.TextFlag.TextWordWrap)
        if not self._entries:
            painter.setPen(QColor(colours.muted))
            words = metrics.elidedText(self._words, elide, self.width())
            painter.drawText(self.rect(), align, words)
            painter.end()
            return
        high /= self._rows
        lines = self._lines()
        top = 0.5 * high * max(self._rows - sum(rows for _, rows in lines), 0)
        for line, rows in lines:
            x, middle = 0.0, top + high / 2
            for name, (hue, dash) in line:
                painter.setPen(QPen(QColor(hue), 2, dash))
                painter.drawLine(QPointF(x, middle), QPointF(x + _SAMPLE_PX, middle))
                room = max(self.width() - x - _SAMPLE_PX - 6.0, 8.0)
                seen = room if rows == 1 else room * rows * (1.0 - _LOST)
                words = metrics.elidedText(name, elide, round(seen))
                painter.setPen(QColor(colours.text))
                wide = min(metrics.horizontalAdvance(words) + 2.0, room)
                box = QRectF(x + _SAMPLE_PX + 4, top, wide, rows * high)
                painter.drawText(box, align | (wrap if rows > 1 else 0), words)
                x += _SAMPLE_PX + 10.0 + wide
            top += rows * high
        painter.end()
