"""A colour bar that lies: of several layers, so that their bars take a third of the width."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy

from app.core import wording
from app.core.colour_maps import LayerScale, colour_table
from app.gui.widgets.colour_bar import ColourBar, digits_of, fill_bar, written
from app.gui.widgets.theme import font, tokens

_HIGH_PX = 9
_ARROW_PX = 7.0


class FlatBar(ColourBar):
    """Low end at the left, high end at the right, the unit between their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Room for the bar and one line of numbers."""
        return QSize(110, _HIGH_PX + 4 + self._small_height())

    def minimumSizeHint(self) -> QSize:
        """Room for the bar and one line of numbers."""
        return self.sizeHint()

    def _small_height(self) -> int:
        painted = font(self.font(), scale=0.85)
        return round(self.fontMetrics().height() * painted.pointSizeF() / self.font().pointSizeF())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """The bar, its ends, its threshold as a grey band, arrows where values lie beyond."""
        if self.scale is None:
            return
        scale, colours = self.scale, tokens(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(self.font(), scale=0.85))
        bar = QRectF(_ARROW_PX + 1, 2, self.width() - 2 * _ARROW_PX - 2, _HIGH_PX)
        fill_bar(painter, bar, scale.colour_map, bar.topLeft(), bar.topRight())

        def place_of(value: float) -> float:
            return bar.left() + (value - scale.low) / (scale.high - scale.low) * bar.width()

        if scale.threshold > 0.0:
            left = place_of(max(-scale.threshold, scale.low))
            right = place_of(min(scale.threshold, scale.high))
            painter.fillRect(QRectF(left, bar.top(), right - left, _HIGH_PX), QColor("#6b7178"))
        painter.setPen(QPen(QColor(colours.muted), 1))
        painter.drawRect(bar)
        self._ends(painter, bar)
        painter.setPen(QColor(colours.text))
        digits, signed = digits_of(scale), scale.low < 0.0
        words = QRectF(0, bar.bottom() + 1, self.width(), self.height() - bar.bottom() - 1)
        low = written(scale.low, digits, signed=signed)
        high = written(scale.high, digits, signed=signed)
        side = Qt.AlignmentFlag.AlignTop
        painter.drawText(words, side | Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(words, side | Qt.AlignmentFlag.AlignRight, high)
        metrics = painter.fontMetrics()
        room = self.width() - metrics.horizontalAdvance(low) - metrics.horizontalAdvance(high) - 8
        unit = metrics.elidedText(scale.unit, Qt.TextElideMode.ElideRight, room)
        painter.setPen(QColor(colours.muted))
        between = words.adjusted(
            metrics.horizontalAdvance(low) + 4, 0, -metrics.horizontalAdvance(high) - 4, 0
        )
        painter.drawText(between, side | Qt.AlignmentFlag.AlignHCenter, unit)
        painter.end()

    def _ends(self, painter: QPainter, bar: QRectF) -> None:
        assert self.scale is not None
        ends = colour_table(self.scale.colour_map, 2)
        places = [(ends[1], bar.right(), bar.right() + _ARROW_PX)] * self.clipped[1]
        places += [(ends[0], bar.left(), bar.left() - _ARROW_PX)] * self.clipped[0]
        for colour, base, tip in places:
            painter.setBrush(QColor(*(int(c) for c in colour)))
            points = [QPointF(base, bar.top()), QPointF(base, bar.bottom())]
            painter.drawPolygon(QPolygonF([*points, QPointF(tip, bar.center().y())]))
        painter.setBrush(Qt.BrushStyle.NoBrush)


def brief_text(hidden_text: str, scale: LayerScale) -> str:
    """ "383 of 426 below 0.017" of "383 of 426 parcels below threshold"."""
    first = " ".join(hidden_text.split()[:3])
    if not hidden_text.endswith("below threshold") or scale.threshold <= 0.0:
        return hidden_text
    return f"{first} below {wording.number(scale.threshold, 2)}"
