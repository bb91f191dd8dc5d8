"""Signed sums of networks about a common zero: positive and negative apart, a bar a hemisphere."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetrics,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.core import wording
from app.core.colours import NETWORK_SHORT, diverging_table, network_colour
from app.core.network_sums import NetworkSum
from app.gui.widgets.theme import font, tokens

_GAP_PX = 5.0
_WIDE_CHARS = 60  # from here on networks have their whole names
# Bars of the right hemisphere are ruled, so that the sides differ without colour.
_PATTERNS = {
    "L": Qt.BrushStyle.SolidPattern,
    "R": Qt.BrushStyle.BDiagPattern,
    "M": Qt.BrushStyle.Dense5Pattern,
}


@dataclass(frozen=True, slots=True)
class _Block:
    network: str
    rows: tuple[NetworkSum, ...]
    top: float
    bottom: float


class NetworkBars(QWidget):
    """Rows of a breakdown; a click or the arrows select a network."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reason = ""
        self.selected: str | None = None
        self._rows: tuple[NetworkSum, ...] = ()
        self._blocks: tuple[_Block, ...] = ()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Signed sums by network and hemisphere")

    def show_rows(self, rows: tuple[NetworkSum, ...], reason: str = "") -> None:
        """Draw a breakdown, or print why there is none."""
        self._rows, self.reason = rows, reason
        row_px = self.row_px()
        blocks, top = [], row_px + 3.0
        for network, group in itertools.groupby(rows, key=lambda row: row.network):
            own = tuple(group)
            blocks.append(_Block(network, own, top, top + len(own) * row_px))
            top += len(own) * row_px + _GAP_PX
        self._blocks = tuple(blocks)
        self.setFixedHeight(round(max(top, 120.0 if not rows else 0.0)))
        self.update()

    def row_px(self) -> float:
        """Height of a row: that of its words."""
        return float(QFontMetrics(self._words_font()).height())

    def _words_font(self) -> QFont:
        return font(self.font(), scale=0.86)

    def _wide(self) -> bool:
        return self.width() >= _WIDE_CHARS * self.fontMetrics().averageCharWidth()

    def set_selected(self, network: str | None) -> None:
        """Mark a network."""
        self.selected = network
        self.update()

    def step(self, by: int) -> None:
        """Choose the network after or before the selected one."""
        names = [block.network for block in self._blocks]
        if names:
            now = names.index(self.selected) if self.selected in names else -1
            at = min(max(now + by, 0), len(names) - 1)
            self.chosen.emit(names[at])

    def row_middle(self, network: str) -> QPointF:
        """A point on a network's bars."""
        block = next(block for block in self._blocks if block.network == network)
        return QPointF(self.width() / 2.0, (block.top + block.bottom) / 2.0)

    def sizeHint(self) -> QSize:
        """All rows."""
        return QSize(260, self.height())

    def _columns(self) -> tuple[float, float]:
        """Pixels of names and of numbers."""
        metrics = self.fontMetrics()
        longest = "Ventral Attention L " if self._wide() else "DMN  L "
        return metrics.horizontalAdvance(longest) + 10.0, metrics.horizontalAdvance(
            "+0.000 \N{MINUS SIGN}0.000 "
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Head line, then name, side, two bars and their numbers."""
        painter, colours = QPainter(self), tokens(self.palette())
        if not self._rows:
            painter.setPen(QColor(colours.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 4, -12, -4), int(flags), self.reason)
            painter.end()
            return
        painter.setFont(self._words_font())
        names_px, values_px = self._columns()
        room = max(self.width() - names_px - values_px, 40.0)
        zero = names_px + room / 2.0
        largest = max(max(row.positive, -row.negative) for row in self._rows) or 1.0
        painter.setPen(QColor(colours.muted))
        head = QRectF(names_px, 0, room, self._blocks[0].top)
        middle = Qt.AlignmentFlag.AlignVCenter
        minus = "\N{LEFTWARDS ARROW} negative"
        painter.drawText(head, int(middle | Qt.AlignmentFlag.AlignLeft), minus)
        plus = "positive \N{RIGHTWARDS ARROW}"
        painter.drawText(head, int(middle | Qt.AlignmentFlag.AlignRight), plus)
        for block in self._blocks:
            self._paint_block(painter, block, names_px, zero, room / 2.0 / largest, values_px)
        painter.setPen(QPen(QColor(colours.muted), 1))
        last = self._blocks[-1].bottom
        painter.drawLine(QPointF(zero, self._blocks[0].top), QPointF(zero, last))
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_block(
        self,
        painter: QPainter,
        block: _Block,
        names_px: float,
        zero: float,
        px_per_unit: float,
        values_px: float,
    ) -> None:
        colours, metrics = tokens(self.palette()), painter.fontMetrics()
        high, row_px = block.bottom - block.top, self.row_px()
        if block.network == self.selected:
            around = QRectF(0, block.top - 2, self.width(), high + 4)
            painter.fillRect(around, QColor(colours.raised))
            painter.fillRect(QRectF(0, block.top - 2, 3, high + 4), QColor(colours.accent))
        strip = QRectF(5, block.top + 1, 5, high - 2)
        painter.fillRect(strip, QColor(*network_colour(block.network)))
        words = block.network if self._wide() else NETWORK_SHORT.get(block.network, block.network)
        painter.setPen(QColor(colours.text))
        side_px = metrics.horizontalAdvance("M ")
        name_box = QRectF(14, block.top, names_px - 14 - side_px, high)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(name_box, int(middle | Qt.AlignmentFlag.AlignLeft), words)
        low, top = diverging_table(11)[2], diverging_table(11)[8]
        for index, row in enumerate(block.rows):
            y = block.top + index * row_px
            painter.setPen(QColor(colours.muted))
            side_box = QRectF(names_px - side_px, y, side_px, row_px)
            painter.drawText(side_box, int(middle | Qt.AlignmentFlag.AlignLeft), row.side)
            for value, hue in ((row.negative, low), (row.positive, top)):
                length = value * px_per_unit
                bar = QRectF(min(zero, zero + length), y + 2, abs(length), row_px - 4)
                colour = QColor(*(int(c) for c in hue))
                painter.fillRect(bar, QBrush(colour, _PATTERNS[row.side]))
                if abs(length) >= 1.0:
                    painter.setPen(QPen(colour, 1))
                    painter.drawRect(bar)
            painter.setPen(QColor(colours.text))
            numbers = f"{wording.signed(row.positive, 3)} {wording.signed(row.negative, 3)}"
            box = QRectF(self.width() - values_px, y, values_px - 4, row_px)
            painter.drawText(box, int(middle | Qt.AlignmentFlag.AlignRight), numbers)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the network of the row."""
        y = event.position().y()
        for block in self._blocks:
            if block.top - _GAP_PX / 2 <= y < block.bottom + _GAP_PX / 2:
                self.chosen.emit(block.network)
