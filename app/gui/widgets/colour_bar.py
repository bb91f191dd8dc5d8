"""The colour bar: unit, zero, both ends, the threshold as a grey band, arrows where clipped.

Signed values lie around a zero in the middle; magnitudes begin at a zero at the bottom.
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QLinearGradient,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.colour_maps import LayerScale, as_layer_scale, colour_table
from app.core.colours import MagnitudeScale, SignedScale
from app.gui.widgets.theme import font, tokens

_BAR_PX = 12
_NOTE_PX = 16  # least width of the note along the bar
ROWS = 33  # of the colour table that the gradient is made from


class ColourBar(QWidget):
    """A vertical bar for a scale; on black canvases and on panels alike."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scale: LayerScale | None = None
        self.clipped = (False, False)  # values lie below the low end, above the high one
        self.note = ""
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Colour bar")

    def set_scale(
        self,
        scale: SignedScale | MagnitudeScale | LayerScale | None,
        *,
        clipped: bool | tuple[bool, bool] = False,
        title: str = "",
        note: str = "",
    ) -> None:
        """Show a scale; `clipped` draws arrow heads, at both ends or at (low, high).

        `title` says which layer the bar belongs to; `note` is written along the bar.
        """
        self.note = note
        self.scale = None if scale is None else as_layer_scale(scale)
        self.updateGeometry()  # the numbers need their room
        both = clipped if isinstance(clipped, tuple) else (clipped, clipped)
        signed = self.scale is not None and self.scale.low < 0.0
        self.clipped = (both[0] and signed, both[1])
        self.setVisible(scale is not None)
        if self.scale is not None:
            self.setAccessibleName(f"Colour bar, {title}" if title else "Colour bar")
            self.setAccessibleDescription(_spoken(self.scale))
            self.setToolTip("\n".join(part for part in (title, note, _spoken(self.scale)) if part))
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the bar and its numbers."""
        return QSize(self.width_px(), 140)

    def minimumSizeHint(self) -> QSize:
        """Room for the bar and its numbers."""
        return QSize(self.width_px(), 90)

    def width_px(self) -> int:
        """Room for bar, numbers, unit and note in the size of the text: none of them is cut."""
        metrics = QFontMetrics(font(self.font(), scale=0.85))
        marks = [] if self.scale is None else [text for _, text in _marks(self.scale)]
        numbers = max(map(metrics.horizontalAdvance, (*marks, "+0.028")))
        unit = metrics.horizontalAdvance("log-odds")  # a longer one is shortened, and spoken
        return max(66, 6 + _BAR_PX + 7 + numbers, unit + 8) + self._note_px()

    def _note_px(self) -> int:
        height = QFontMetrics(font(self.font(), scale=0.85)).height()
        return max(_NOTE_PX, height) if self.note else 0

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the bar; the numbers stand right of it."""
        if self.scale is None:
            return
        scale, colours = self.scale, tokens(self.palette())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(self.font(), scale=0.85))
        metrics = painter.fontMetrics()
        top = metrics.height() + 14.0
        bar = QRectF(6, top, _BAR_PX, self.height() - top - 12.0)
        fill_bar(painter, bar, scale.colour_map, bar.bottomLeft(), bar.topLeft())

        def height_of(value: float) -> float:
            share = (value - scale.low) / (scale.high - scale.low)
            return bar.bottom() - share * bar.height()

        if scale.threshold > 0.0:
            above = height_of(min(scale.threshold, scale.high))
            below = height_of(max(-scale.threshold, scale.low))
            painter.fillRect(QRectF(bar.left(), above, _BAR_PX, below - above), QColor("#6b7178"))
        painter.setPen(QPen(QColor(colours.muted), 1))
        painter.drawRect(bar)
        self._arrows(painter, bar)
        painter.setPen(QColor(colours.text))
        room = self.width() - 6 - self._note_px()
        unit = metrics.elidedText(scale.unit, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QPointF(4, metrics.ascent() + 1), unit)
        taken: list[float] = []
        for value, text in _marks(scale):
            y = height_of(value)
            if any(abs(y - other) < metrics.height() - 2 for other in taken):
                continue
            taken.append(y)
            painter.setPen(QPen(QColor(colours.text), 1))
            painter.drawLine(QPointF(bar.right(), y), QPointF(bar.right() + 3, y))
            painter.drawText(QPointF(bar.right() + 5, y + metrics.ascent() / 2.0 - 1), text)
        if self.note:
            painter.setPen(QColor(colours.text))
            painter.translate(self.width() - 3.0, bar.bottom())
            painter.rotate(-90.0)
            words = metrics.elidedText(self.note, Qt.TextElideMode.ElideRight, int(bar.height()))
            painter.drawText(QPointF(0.0, -float(metrics.descent())), words)
        painter.end()

    def _arrows(self, painter: QPainter, bar: QRectF) -> None:
        assert self.scale is not None
        ends = colour_table(self.scale.colour_map, 2)
        colours = tokens(self.palette())
        painter.setPen(QPen(QColor(colours.muted), 1))  # an end may have the panel's own colour
        places = [(ends[1], bar.top(), bar.top() - 8.0)] * self.clipped[1]
        places += [(ends[0], bar.bottom(), bar.bottom() + 8.0)] * self.clipped[0]
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


def fill_bar(
    painter: QPainter, bar: QRectF, colour_map: str, low_end: QPointF, high_end: QPointF
) -> None:
    """Fill a bar with a colour map, from its low end to its high end."""
    table = colour_table(colour_map, ROWS)
    gradient = QLinearGradient(low_end, high_end)
    for row, colour in enumerate(table):
        gradient.setColorAt(row / (len(table) - 1), QColor(*(int(c) for c in colour)))
    painter.fillRect(bar, gradient)


def _spoken(scale: LayerScale) -> str:
    words = wording.number
    low = "0" if scale.low == 0 else wording.signed(scale.low, 3)
    high = wording.signed(scale.high, 3) if scale.low < 0 else words(scale.high)
    said = f"{scale.unit}, from {low} to {high}"
    return f"{said}, hidden below {words(scale.threshold)}" if scale.threshold > 0 else said


def _marks(scale: LayerScale) -> list[tuple[float, str]]:
    """(value, its words), the ends first: of two that would overlap, the first is written."""
    digits = digits_of(scale)
    signed = scale.low < 0.0
    values = [scale.high, scale.low]
    if signed and scale.high > 0.0:
        values.insert(1, 0.0)
    cut = min(scale.threshold, max(scale.high, -scale.low))
    values += [v for v in (cut, -cut) if cut > 0 and scale.low < v < scale.high]
    marks = [(v, written(v, digits, signed=signed)) for v in values]
    if scale.mark is not None and scale.low < scale.mark < scale.high:
        marks.append((scale.mark, f"{scale.mark:g}"))
    return marks


def written(value: float, digits: int, *, signed: bool) -> str:
    """A number of a bar."""
    if value == 0:
        return "0"
    return wording.signed(value, digits) if signed else f"{value:.{digits}f}"


def digits_of(scale: LayerScale) -> int:
    """Decimals that show two significant digits of the bar's end."""
    limit = max(abs(scale.low), abs(scale.high))
    if limit >= 10:
        return 0
    if limit >= 1:
        return 1
    return 2 if limit >= 0.1 else 3 if limit >= 0.01 else 4
