"""The frame cursor and the selected frames, on every plot that shares a time axis."""

from __future__ import annotations

import pyqtgraph as pg

from app.gui.widgets import plots
from app.gui.widgets.theme import Tokens


class FrameMarks:
    """One cursor and one shaded range a plot; all of them move together."""

    def __init__(self) -> None:
        self.cursors: list[pg.InfiniteLine] = []
        self.ranges: list[pg.LinearRegionItem] = []

    def clear(self) -> None:
        """Forget the marks of plots that are gone."""
        self.cursors.clear()
        self.ranges.clear()

    def add(
        self, item: pg.PlotItem, frame: int, colours: Tokens, *, alpha: int, depth: float = 0.0
    ) -> None:
        """Put both marks on a plot; the range is hidden until frames are selected."""
        region = pg.LinearRegionItem(movable=False, brush=plots.faint(colours.accent, alpha))
        if depth:
            region.setZValue(depth)
        region.hide()
        item.addItem(region, ignoreBounds=True)
        self.ranges.append(region)
        cursor = pg.InfiniteLine(pos=frame, pen=plots.pen(colours.accent, 1.5))
        item.addItem(cursor, ignoreBounds=True)
        self.cursors.append(cursor)

    def move(self, frame: int) -> None:
        """Put the cursor on a frame, first = 0."""
        for cursor in self.cursors:
            cursor.setValue(frame)

    def select(self, frames: tuple[int, int] | None) -> None:
        """Shade the selected frames, or nothing."""
        if frames is not None:
            self.shade(*frames)
            return
        for region in self.ranges:
            region.hide()

    def shade(self, first: int, last: int) -> None:
        """Shade frames, both ends included."""
        for region in self.ranges:
            region.setRegion((first - 0.5, last + 0.5))
            region.show()
