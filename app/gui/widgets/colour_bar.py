"""The colour bar: unit, zero, both ends, the threshold as a grey band, arrows where clipped.

Signed values lie around a zero in the middle; magnitudes begin at a zero at the bottom.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.colours import MagnitudeScale, SignedScale, diverging_table, sequential_table
from app.gui.widgets.theme import font, tokens

_BAR_PX = 12


class ColourBar(QWidget):
    """A vertical bar for a scale; on black canvases and on panels alike."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: SignedScale | MagnitudeScale | None = None
        self._clipped = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Colour bar")

    def set_scale(
        self, scale: SignedScale | MagnitudeScale | None, *, clipped: bool = False
    ) -> None:
        """Show a scale; `clipped` draws arrow heads at the ends."""
        self._scale = scale
        self._clipped = clipped
        self.setVisible(scale is not None)
        number = wording.number
        if isinstance(scale, SignedScale):
            self.setAccessibleDescription(
                f"{scale.unit}, from {wording.signed(-scale.limit, 3)} to "
                f"{wording.signed(scale.limit, 3)}, hidden below {number(scale.threshold)}"
            )
        elif scale is not None:
            self.setAccessibleDescription(f"{scale.unit}, from 0 to {number(scale.limit)}")
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the bar and its numbers."""
        return QSize(66, 140)

    def minimumSizeHint(self) -> QSize:
        """Room for the bar and its numbers."""
        return QSize(66, 90)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the bar; the numbers stand right of it."""
        if self._scale is None:
            return
        scale, colours = self._scale, tokens(self.palette())
        signed = isinstance(scale, SignedScale)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(self.font(), scale=0.85))
        metrics = painter.fontMetrics()
        top = metrics.height() + 14.0
        bar = QRectF(6, top, _BAR_PX, self.height() - top - 12.0)
        table = diverging_table(33) if signed else sequential_table(33)
        gradient = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        for row, colour in enumerate(table):
            gradient.setColorAt(row / (len(table) - 1), QColor(*(int(c) for c in colour)))
        painter.fillRect(bar, gradient)
        low = -scale.limit if signed else 0.0

        def height_of(value: float) -> float:
            return bar.bottom() - (value - low) / (scale.limit - low) * bar.height()

        if isinstance(scale, SignedScale) and scale.threshold > 0.0:
            cut = min(scale.threshold, scale.limit)
            band = QRectF(bar.left(), height_of(cut), _BAR_PX, height_of(-cut) - height_of(cut))
            painter.fillRect(band, QColor("#6b7178"))
        painter.setPen(QPen(QColor(colours.muted), 1))
        painter.drawRect(bar)
        if self._clipped:
            self._arrows(painter, bar, both=signed)
        painter.setPen(QColor(colours.text))
        painter.drawText(QPointF(4, metrics.ascent() + 1), scale.unit)
        taken: list[float] = []
        for value, text in _marks(scale):
            y = height_of(value)
            if any(abs(y - other) < metrics.height() - 2 for other in taken):
                continue
            taken.append(y)
            painter.setPen(QPen(QColor(colours.text), 1))
            painter.drawLine(QPointF(bar.right(), y), QPointF(bar.right() + 3, y))
            painter.drawText(QPointF(bar.right() + 5, y + metrics.ascent() / 2.0 - 1), text)
        painter.end()

    def _arrows(self, painter: QPainter, bar: QRectF, *, both: bool) -> None:
        ends = diverging_table(2) if both else sequential_table(2)
        painter.setPen(Qt.PenStyle.NoPen)
        places = [(ends[1], bar.top(), bar.top() - 8.0)]
        places += [(ends[0], bar.bottom(), bar.bottom() + 8.0)] * both
        for colour, base, tip in places:
            painter.setBrush(QColor(*(int(c) for c in colour)))
            triangle = QPolygonF(
                [
                    QPointF(bar.left(), base),
                    QPointF(bar.right(), base),
                    QPointF(bar.center().x(), tip),
                ]
            )
            painter.drawPolygon(triangle)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _marks(scale: SignedScale | MagnitudeScale) -> list[tuple[float, str]]:
    """(value, its words), the ends first: of two that would overlap, the first is written."""
    digits = _digits(scale.limit)
    if isinstance(scale, MagnitudeScale):
        marks = [(scale.limit, f"{scale.limit:.{digits}f}"), (0.0, "0")]
        if scale.mark is not None and 0.0 < scale.mark < scale.limit:
            marks.append((scale.mark, f"{scale.mark:g}"))
        return marks
    values = [scale.limit, 0.0, -scale.limit]
    cut = min(scale.threshold, scale.limit)
    if cut > 0:
        values += [cut, -cut]
    return [(v, "0" if v == 0 else wording.signed(v, digits)) for v in values]


def _digits(limit: float) -> int:
    """Decimals that show two significant digits of the bar's end."""
    if limit >= 10:
        return 0
    if limit >= 1:
        return 1
    return 2 if limit >= 0.1 else 3 if limit >= 0.01 else 4
