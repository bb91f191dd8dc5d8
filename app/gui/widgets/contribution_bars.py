"""Signed contributions of the inputs in log-odds, about a common zero."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.colours import diverging_table
from app.gui.widgets.theme import font, scaled, tokens

_ROW_PX = 20.0  # this and the next at the usual text size
_NAME_PX = 16.0  # a name's own line, where name, bar and number do not fit side by side
_LEAST_BAR_PX = 80.0


class ContributionBars(QWidget):
    """One bar an input; never sums of absolute values."""

    def __init__(self, contributions: dict[str, float], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = [(wording.modality_word(key), value) for key, value in contributions.items()]
        self.setFont(font(self.font(), scale=0.9))
        self._row_px, self._name_px = scaled(_ROW_PX), scaled(_NAME_PX)
        self.setFixedHeight(self._row_px * len(self._rows) + 4)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Contributions in log-odds")
        spoken = (f"{name} {wording.signed(value)}" for name, value in self._rows)
        self.setAccessibleDescription("; ".join(spoken))

    def _columns(self) -> tuple[float, float]:
        metrics = self.fontMetrics()
        names = max((metrics.horizontalAdvance(name) for name, _ in self._rows), default=0)
        return names + 8.0, metrics.horizontalAdvance("+00.00") + 6.0

    def stacked(self) -> bool:
        """Whether names stand above their bars, since a row has no room for both."""
        return self.width() - sum(self._columns()) < scaled(_LEAST_BAR_PX)

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """Two lines an input where one would be too narrow."""
        row = self._row_px + self._name_px * self.stacked()
        self.setFixedHeight(row * len(self._rows) + 4)

    def sizeHint(self) -> QSize:
        """One row an input."""
        return QSize(240, self.height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Name, bar, number."""
        painter = QPainter(self)
        colours = tokens(self.palette())
        name_px, value_px = self._columns()
        row_px = float(self._row_px)
        above = float(self._name_px) if self.stacked() else 0.0
        if above:
            name_px = 0.0
        room = max(self.width() - name_px - value_px, 20.0)
        zero = name_px + room / 2.0
        largest = max((abs(value) for _, value in self._rows), default=1.0) or 1.0
        low, high = diverging_table(11)[2], diverging_table(11)[8]
        for row, (name, value) in enumerate(self._rows):
            top = 2.0 + row * (row_px + above)
            painter.setPen(QColor(colours.text))
            side = Qt.AlignmentFlag.AlignBottom if above else Qt.AlignmentFlag.AlignVCenter
            side |= Qt.AlignmentFlag.AlignLeft
            name_box = QRectF(0, top, self.width() if above else name_px, above or row_px)
            painter.drawText(name_box, side, name)
            top += above
            length = value / largest * room / 2.0
            colour = QColor(*(int(c) for c in (high if value > 0 else low)))
            painter.fillRect(
                QRectF(min(zero, zero + length), top + 4, abs(length), row_px - 8), colour
            )
            painter.setPen(QPen(QColor(colours.muted), 1))
            painter.drawLine(QPointF(zero, top), QPointF(zero, top + row_px))
            painter.setPen(QColor(colours.text))
            side = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            box = QRectF(self.width() - value_px, top, value_px, row_px)
            painter.drawText(box, side, wording.signed(value))
        painter.end()
