"""A probability on a 0-100 axis: interval, base rate, cut-off, and what others scored."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.colours import NON_RESPONDER, RESPONDER
from app.core.results import ModelSummary
from app.gui.widgets.theme import font, scaled, tokens

_SIDE_PX = 12.0
_LANE_PX = 20.0  # above the bars: mark and interval, which would hide one person's bar
_LEAST_BAR_PX = 2.0  # one person among many is still seen


class ScoreAxis(QWidget):
    """Draws one estimate; two of them side by side have the same scale and size.

    Held-out scores stand above the line for responders and below it for non-responders, so
    that neither hides the other; the pattern tells them apart without colour. Mark and interval
    have a lane of their own above them.
    """

    def __init__(
        self,
        model: ModelSummary,
        probability: float,
        interval: tuple[float, float] | None,
        *,
        histogram: bool,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._probability = probability
        self._interval = interval
        self._histogram = histogram
        self.setMinimumHeight(scaled(104))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Probability axis from 0 to 100 percent")
        parts = [wording.percent(probability)]
        if interval is not None:
            parts.append(wording.interval_text(interval))
        parts += [wording.base_rate_text(model), wording.cutoff_text(model)]
        self.setAccessibleDescription("; ".join(parts))

    def sizeHint(self) -> QSize:
        """Room for bars, marks and both rows of words."""
        return QSize(scaled(320), scaled(112))

    def _x(self, share: float) -> float:
        return _SIDE_PX + share * (self.width() - 2 * _SIDE_PX)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw axis, histogram, lines, mark."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font(self.font(), scale=0.82))
        colours = tokens(self.palette())
        line = painter.fontMetrics().height()
        top, bottom = line + 4.0, self.height() - line - 6.0
        bars = top + (scaled(_LANE_PX) if self._histogram else 0.0)
        middle = (bars + bottom) / 2.0
        lane = top + scaled(_LANE_PX) / 2.0 if self._histogram else middle
        if self._histogram:
            self._paint_histogram(painter, bars, middle, bottom - 2)
        painter.setPen(QPen(QColor(colours.muted), 1))
        painter.drawLine(QPointF(self._x(0), middle), QPointF(self._x(1), middle))
        for percent in range(0, 101, 25):
            x = self._x(percent / 100.0)
            painter.setPen(QPen(QColor(colours.muted), 1))
            painter.drawLine(QPointF(x, bottom), QPointF(x, bottom + 3))
            text = f"{percent} %"
            width = painter.fontMetrics().horizontalAdvance(text)
            left = min(max(x - width / 2.0, 0.0), self.width() - width)
            painter.drawText(QPointF(left, self.height() - 3.0), text)
        painter.drawLine(QPointF(self._x(0), bottom), QPointF(self._x(1), bottom))
        self._paint_lines(painter, top, bottom)
        self._paint_mark(painter, lane)
        painter.end()

    def _paint_histogram(self, painter: QPainter, top: float, middle: float, bottom: float) -> None:
        model = self._model
        highest = max(
            float(model.score_counts_responder.max(initial=0.0)),
            float(model.score_counts_non_responder.max(initial=0.0)),
            1.0,
        )
        rows = zip(
            model.score_edges[:-1],
            model.score_edges[1:],
            model.score_counts_responder,
            model.score_counts_non_responder,
            strict=True,
        )
        for low, high, responders, others in rows:
            left, right = self._x(float(low)) + 0.5, self._x(float(high)) - 0.5
            up = _bar_px(middle - top, float(responders) / highest)
            down = _bar_px(bottom - middle, float(others) / highest)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_lifted(RESPONDER, self))
            painter.drawRect(QRectF(left, middle - up, right - left, up))
            other = _lifted(NON_RESPONDER, self)
            faint = QColor(other)
            faint.setAlpha(70)
            painter.setBrush(faint)
            painter.drawRect(QRectF(left, middle, right - left, down))
            painter.setBrush(QBrush(other, Qt.BrushStyle.BDiagPattern))
            painter.drawRect(QRectF(left, middle, right - left, down))

    def _paint_lines(self, painter: QPainter, top: float, bottom: float) -> None:
        model, colours = self._model, tokens(self.palette())
        base, cutoff = self._x(model.base_rate), self._x(model.cutoff)
        words = (
            (base, f"base rate {wording.percent(model.base_rate)}", Qt.PenStyle.DashLine),
            (cutoff, f"cut-off {wording.percent(model.cutoff)}", Qt.PenStyle.SolidLine),
        )
        left_first = base <= cutoff
        for index, (x, text, style) in enumerate(words):
            painter.setPen(QPen(QColor(colours.text), 1.2, style))
            painter.drawLine(QPointF(x, top), QPointF(x, bottom))
            width = painter.fontMetrics().horizontalAdvance(text)
            on_left = left_first == (index == 0)
            at = x - width - 3 if on_left else x + 3
            at = min(max(at, 0.0), self.width() - width)
            painter.drawText(QPointF(at, painter.fontMetrics().ascent() + 1.0), text)

    def _paint_mark(self, painter: QPainter, lane: float) -> None:
        colours = tokens(self.palette())
        x, end_px = self._x(self._probability), scaled(6)
        for colour, extra in ((colours.surface, 2.5), (colours.accent, 0.0)):
            painter.setPen(QPen(QColor(colour), 2.5 + 2 * extra))
            if self._interval is not None:
                low, high = (self._x(value) for value in self._interval)
                painter.drawLine(QPointF(low, lane), QPointF(high, lane))
                for end in (low, high):
                    painter.drawLine(QPointF(end, lane - end_px), QPointF(end, lane + end_px))
            size = scaled(7) + extra
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawPolygon(
                QPolygonF(
                    [
                        QPointF(x, lane - size),
                        QPointF(x + size, lane),
                        QPointF(x, lane + size),
                        QPointF(x - size, lane),
                    ]
                )
            )


class HistogramKey(QWidget):
    """Says which side of the histogram is which, with counts."""

    def __init__(self, model: ModelSummary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        responders = int(model.score_counts_responder.sum())
        others = int(model.score_counts_non_responder.sum())
        self._words = (
            f"responders, above ({responders})",
            f"non-responders, below ({others})",
        )
        self.setAccessibleName("; ".join(self._words))
        self.setFont(font(self.font(), scale=0.82))
        self._two_rows = False
        self.setFixedHeight(self.fontMetrics().height() + 2)

    def needed_px(self) -> float:
        """Width of both swatches with their words in one row."""
        words = sum(self.fontMetrics().horizontalAdvance(text) for text in self._words)
        return _SIDE_PX + words + 2 * (self.fontMetrics().ascent() + 2) + 14

    def resizeEvent(self, _event: QResizeEvent) -> None:
        """Two rows where one would be cut."""
        self._two_rows = self.width() < self.needed_px()
        self.setFixedHeight((1 + self._two_rows) * (self.fontMetrics().height() + 2))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Two small swatches with words."""
        painter = QPainter(self)
        muted = QColor(tokens(self.palette()).muted)
        x, y, metrics = _SIDE_PX, 0.0, painter.fontMetrics()
        for row, (text, colour) in enumerate(
            zip(self._words, (RESPONDER, NON_RESPONDER), strict=True)
        ):
            style = Qt.BrushStyle.SolidPattern if row == 0 else Qt.BrushStyle.BDiagPattern
            side = metrics.ascent() - 2.0
            painter.fillRect(QRectF(x, y + 3, side, side), QBrush(_lifted(colour, self), style))
            painter.setPen(muted)
            painter.drawText(QPointF(x + side + 4, y + metrics.ascent() + 1.0), text)
            if self._two_rows:
                y += metrics.height() + 2
                continue
            x += side + 4 + metrics.horizontalAdvance(text) + 14
        painter.end()


def _bar_px(room: float, share: float) -> float:
    return max(room * share, _LEAST_BAR_PX) if share > 0.0 else 0.0


def _lifted(rgb: tuple[int, int, int], widget: QWidget) -> QColor:
    """The report's colour, lightened in the dark theme to keep 3:1 against the panel."""
    colour = QColor(*rgb)
    return colour.lighter(150) if tokens(widget.palette()).dark else colour
