"""pyqtgraph plots in the window's colours."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QApplication

from app.core.arrays import Bools, Floats
from app.gui.widgets.theme import Tokens, scaled, text_scale

pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)

AXIS_WIDTH_PX = 58  # this and the next at the usual text size
_PAINTED_MS = 60  # by then a plot was painted
_NAMES_PX = 13.0  # height of a line of names
_NAMES_PT = 8.0
_BELOW_PX = 40.0  # of numbers and words below a plot
_NAMES_SHARE = 0.45  # of a plot that is very low
_TICK_PX = 14.0  # height of a number at an axis with air around it


class FrameAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis over the kept frames (first = 0) that counts volumes as the file does."""

    def __init__(self, first_frame: int) -> None:
        super().__init__(orientation="bottom")
        self._first = first_frame

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Places at round numbers of the file's count."""
        levels = super().tickValues(low + self._first, high + self._first, size)
        return [(step, [value - self._first for value in values]) for step, values in levels]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Volumes in the file, first = 0."""
        words = super().tickStrings([value + self._first for value in values], scale, spacing)
        return [str(word) for word in words]


class ValueAxis(pg.AxisItem):  # type: ignore[misc]
    """An axis at the left whose numbers never touch, however low the plot is."""

    def __init__(self) -> None:
        super().__init__(orientation="left")

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Every second place, again and again, until all have room; two at least where they can.

        None lies so near to the upper end that its number would be cut, or touch another plot's.
        """
        levels: list[tuple[float, list[float]]] = super().tickValues(low, high, size)
        if not levels or size <= 0 or high <= low:
            return levels
        room = scaled(_TICK_PX) * (high - low) / size  # of a number, in the axis' unit
        top = high - room / 2.0
        step, values = levels[0]
        values = [value for value in values if value <= top]
        while len(values) > 2 and step < room:
            step, values = 2.0 * step, [v for v in values if round(v / step) % 2 == 0]
        if len(values) > 1 and values[1] - values[0] >= room:
            return [(step, values), *levels[1:]]
        return [_two_numbers(levels[0][0], low, top, room) or (step, values[:1])]


def _two_numbers(
    coarse: float, low: float, top: float, room: float
) -> tuple[float, list[float]] | None:
    """(step, two multiples of it) at the ends, of the coarsest step; 0 is one where it is seen."""
    for step in (coarse / part for part in (1, 2, 5, 10)):
        values = [step * n for n in range(math.ceil(low / step), math.floor(top / step) + 1)]
        ends = [values[0], values[-1]] if values else []
        if low <= 0.0 <= top and ends:
            ends = sorted((0.0, max(ends, key=abs)))
        if ends and ends[1] - ends[0] >= room:
            return step, ends
    return None


class NamedBox(pg.ViewBox):  # type: ignore[misc]
    """The inside of a plot whose names lie above its curves, not on them."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self.names_px = 0.0  # height of the names in the upper left corner
        self.span: tuple[float, float] | None = None  # what is seen at least

    def childrenBounds(self, *given: Any, **named: Any) -> Any:
        """What automatic ranges are made from: the curves, with room for the names above."""
        found = super().childrenBounds(*given, **named)
        low, high = found[1] or self.span or (None, None)
        if low is None or high is None:
            return found
        if self.span is not None:
            low, high = min(low, self.span[0]), max(high, self.span[1])
        share = min(self.names_px / max(self.height(), 1.0), _NAMES_SHARE)
        found[1] = [low, low + (high - low) / (1.0 - share)]
        return found


def plot(
    layout: pg.GraphicsLayoutWidget,
    row: int,
    label: str,
    units: str = "",
    *,
    first_frame: int | None = None,
) -> pg.PlotItem:
    """A plot in a column of plots that share their time axis and left margin.

    With `first_frame`, the volume in the file that the first kept frame is, the axis below
    counts in the file.
    """
    axes: dict[str, pg.AxisItem] = {"left": ValueAxis()}
    if first_frame is not None:
        axes["bottom"] = FrameAxis(first_frame)
    item = layout.addPlot(row=row, col=0, axisItems=axes, viewBox=NamedBox(), enableMenu=False)
    item.hideButtons()
    item.setMouseEnabled(x=False, y=False)
    if label:
        item.setLabel("left", label, units=units or None)
    left = item.getAxis("left")
    left.setWidth(scaled(AXIS_WIDTH_PX))
    left.enableAutoSIPrefix(False)
    item.getAxis("bottom").enableAutoSIPrefix(False)
    font_of_text(item)
    return item


def font_of_text(item: pg.PlotItem) -> None:
    """Measure numbers at the axes with the font that draws them, so that none of them overlap."""
    for side in ("left", "bottom"):
        item.getAxis(side).setStyle(tickFont=QApplication.font())


def name_below(item: pg.PlotItem, words: str) -> None:
    """Say what the axis below counts, with room for its numbers and the words in any size."""
    item.setLabel("bottom", words)
    item.getAxis("bottom").setHeight(scaled(_BELOW_PX))


def share_height(layout: pg.GraphicsLayoutWidget, weights: Sequence[int]) -> None:
    """Share the height among the plots by weights, whatever their axes wish."""
    for row, weight in enumerate(weights):
        layout.ci.layout.setRowStretchFactor(row, weight)
        layout.ci.layout.setRowPreferredHeight(row, 10.0)


def share_frames(item: pg.PlotItem, last: pg.PlotItem) -> None:
    """Show the same frames as the last plot, which alone says which.

    A plot with an automatic range of its own would push that range upon the plot that it follows.
    """
    item.enableAutoRange(axis="x", enable=False)
    item.setXLink(last)
    item.getAxis("bottom").setStyle(showValues=False)
    item.getAxis("bottom").setHeight(6)


def lay_out_later(graphics: pg.GraphicsLayoutWidget) -> None:
    """Share the room anew: axes made in a view that is seen keep the room they began with."""

    def lay_out() -> None:
        graphics.ci.layout.invalidate()
        graphics.ci.layout.activate()

    timer = QTimer(graphics)  # after the first painting, in which the axes learn their size
    timer.setSingleShot(True)
    timer.timeout.connect(lay_out)
    timer.timeout.connect(timer.deleteLater)
    timer.start(_PAINTED_MS)


def style_plot(item: pg.PlotItem, colours: Tokens) -> None:
    """Give a plot the theme's colours."""
    for side in ("left", "bottom"):
        axis = item.getAxis(side)
        axis.setPen(pg.mkPen(colours.border))
        axis.setTextPen(pg.mkPen(colours.muted))
    item.showGrid(x=False, y=False)


def pen(colour: str, width: float = 1.0, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> object:
    """A cosmetic pen."""
    return pg.mkPen(QColor(colour), width=width, style=style)


def limit_line(item: pg.PlotItem, value: float, colours: Tokens, words: str) -> None:
    """A dashed horizontal line; its meaning stands in the upper right corner, off the curves.

    The plot must have a `legend`, which keeps that height free.
    """
    line = pg.InfiniteLine(
        pos=value, angle=0, pen=pen(colours.attention, 1.0, Qt.PenStyle.DashLine)
    )
    item.addItem(line)
    shown = f'<span style="color:{colours.attention};background-color:{colours.surface}">'
    label = pg.LabelItem(f"{shown}- - {words}</span>", size=_names_size(), justify="right")
    label.setParentItem(item.getViewBox())
    label.anchor(itemPos=(1, 0), parentPos=(1, 0), offset=(-4, -3))


def flagged_spans(good: Bools) -> list[tuple[int, int]]:
    """(first, after last) of each run of flagged frames."""
    bad = np.concatenate([[False], ~np.asarray(good, dtype=bool), [False]])
    change = np.flatnonzero(np.diff(bad.astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(change[::2], change[1::2], strict=True)]


def faint(colour: str, alpha: int) -> QColor:
    """A colour that lets through what lies below it."""
    made = QColor(colour)
    made.setAlpha(alpha)
    return made


class FrameShade(pg.GraphicsObject):  # type: ignore[misc]
    """Runs of frames shaded over the whole height of a plot: one item, however many runs."""

    def __init__(self, spans: list[tuple[int, int]], colour: QColor) -> None:
        super().__init__()
        self.spans, self._colour = spans, colour
        self.setZValue(-10)

    def boundingRect(self) -> QRectF:
        """All that is seen of the plot."""
        return QRectF(self.viewRect())

    def viewTransformChanged(self) -> None:
        """What is seen of the plot changed."""
        self.prepareGeometryChange()
        super().viewTransformChanged()  # what was seen before is kept in mind otherwise
        self.update()

    def paint(self, painter: QPainter, *_rest: object) -> None:
        """From the lower to the upper edge."""
        seen = self.viewRect()
        for first, after in self.spans:
            painter.fillRect(
                QRectF(first - 0.5, seen.top(), after - first, seen.height()), self._colour
            )


def shade_frames(item: pg.PlotItem, good: Bools, colour: str) -> list[FrameShade]:
    """Shade the frames that are not good; what was added, so that it can be taken away."""
    spans = flagged_spans(good)
    if not spans:
        return []
    shade = FrameShade(spans, faint(colour, 60))
    item.addItem(shade, ignoreBounds=True)
    return [shade]


def shade_flagged(item: pg.PlotItem, good: Bools, colours: Tokens) -> None:
    """Shade the frames that are not used for connectivity."""
    shade_frames(item, good, colours.attention)


def curve(
    item: pg.PlotItem, y: Floats, colour: str, width: float = 1.2, x: object = None
) -> object:
    """A line over the frames; NaN leaves a gap."""
    values = np.asarray(y, dtype=float)
    across = np.arange(values.size) if x is None else x
    return item.plot(across, values, pen=pen(colour, width), connect="finite")


def _names_size() -> str:
    return f"{_NAMES_PT * text_scale():.1f}pt"


def legend(item: pg.PlotItem, entries: tuple[tuple[str, str], ...], behind: str = "") -> None:
    """Names in the colours of their lines, in the upper left corner of a plot.

    A single name needs no mark. `behind` is the colour that keeps the words off what is shaded;
    curves whose range is automatic stay below the words.
    """
    mark = "&#9644; " if len(entries) > 1 else ""
    ground = f";background-color:{behind}" if behind else ""
    named = [f'<span style="color:{hue}{ground}">{mark}{name}</span>' for name, hue in entries]
    words = pg.LabelItem("&nbsp; ".join(named), size=_names_size())
    words.setParentItem(item.getViewBox())
    words.anchor(itemPos=(0, 0), parentPos=(0, 0), offset=(8, -3))
    item.getViewBox().names_px = scaled(_NAMES_PX)
