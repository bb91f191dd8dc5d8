"""The number and its variants on one axis of log-odds, with the cut-off."""

from __future__ import annotations

import math

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.explanation_health import Sensitivity
from app.core.explanation_wording import sensitivity_text
from app.gui.widgets.theme import font, scaled, tokens

_ROW, _FOOT, _HEAD, _RIGHT = 18, 22, 18, 58  # px at the usual text size
_NAMES_SHARE = 0.55  # of the width, where the view is narrow: rows differ by their names


class VariantStrip(QWidget):
    """One row a variant: a hollow dot, its value in words; the number as made is filled."""

    def __init__(self, found: Sensitivity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found = found
        self._rows = [("As made", found.as_made)]
        self._rows += [
            (f"{one.group}: {one.name}", one.log_odds)
            for one in found.computed
            if one.log_odds is not None
        ]
        self.setFont(font(self.font(), scale=0.88))
        sizes = (scaled(px) for px in (_ROW, _FOOT, _HEAD, _RIGHT))
        self._row, self._foot, self._head, self._right = sizes
        self.setMinimumHeight(self._head + self._foot + self._row * len(self._rows))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Sensitivity of the log-odds")
        self.setAccessibleDescription(sensitivity_text(found))

    def sizeHint(self) -> QSize:
        """A row for each variant."""
        return QSize(scaled(360), self.minimumHeight())

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Names at the left, dots on the axis, values at the right."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, metrics = tokens(self.palette()), painter.fontMetrics()
        names = min(
            max(metrics.horizontalAdvance(name) for name, _ in self._rows) + 10,
            int(self.width() * _NAMES_SHARE),
        )
        left, right = float(names), float(self.width() - self._right)
        cutoff = self._found.cutoff
        values = [value for _, value in self._rows]
        if math.isfinite(cutoff):
            values.append(cutoff)
        low, high = min(values), max(values)
        room = max(high - low, 0.2) * 0.08
        low, high = low - room, high + room

        def across(value: float) -> float:
            return left + (value - low) / (high - low) * (right - left)

        bottom = self._head + self._row * len(self._rows)
        if math.isfinite(cutoff):
            x = across(cutoff)
            painter.setPen(QPen(QColor(colours.text), 1.2))
            painter.drawLine(QPointF(x, self._head - 4), QPointF(x, bottom))
            words = f"cut-off {wording.signed(cutoff)}"
            wide = metrics.horizontalAdvance(words)
            at = min(max(x - wide / 2, 0.0), self.width() - wide)
            painter.drawText(QPointF(at, metrics.ascent() + 0.0), words)
        for index, (name, value) in enumerate(self._rows):
            self._paint_row(painter, index, name, value, names, across(value), right)
        painter.setPen(QColor(colours.muted))
        painter.drawText(
            QRectF(0.0, bottom + 2, right, self._foot),
            int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter),
            "log-odds before calibration",
        )
        painter.end()

    def _paint_row(
        self,
        painter: QPainter,
        index: int,
        name: str,
        value: float,
        names: int,
        x: float,
        right: float,
    ) -> None:
        colours, metrics = tokens(self.palette()), painter.fontMetrics()
        middle = self._head + self._row * (index + 0.5)
        base = middle + metrics.ascent() / 2 - 2
        painter.setPen(QColor(colours.text if index == 0 else colours.muted))
        shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, names - 8)
        painter.drawText(QPointF(0.0, base), shown)
        painter.drawText(QPointF(right + 8, base), wording.signed(value))
        painter.setPen(QPen(QColor(colours.muted), 0.5, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(names, middle), QPointF(right, middle))
        painter.setPen(QPen(QColor(colours.accent), 1.8))
        painter.setBrush(QColor(colours.accent if index == 0 else colours.surface))
        painter.drawEllipse(QPointF(x, middle), self._row / 4.0, self._row / 4.0)
