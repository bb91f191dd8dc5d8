"""The carpet: rows of parcels by network over the volumes, with strips for networks and frames."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg

from app.core.arrays import Bools, Floats, Ints
from app.core.colours import CARPET_LIMIT_SD, NETWORK_SHORT, network_colour, network_names
from app.gui.widgets import plots
from app.gui.widgets.theme import Tokens, scaled

_SELECTED_HUE = "#ffeb3b"
_REASON_LETTERS = 64  # of a line of the reason why there is no picture
_NAME_PX = 13.0  # height of a network's name


class CarpetPlot:
    """What is drawn into one plot whose x counts the case's frames.

    Parameters
    ----------
    item
        Becomes the carpet.
    networks
        (row,) name of each row's network.
    """

    def __init__(self, item: pg.PlotItem, networks: Sequence[str], colours: Tokens) -> None:
        self.item, self.networks = item, tuple(networks)
        self._colours = colours
        self._marks: list[pg.BarGraphItem] = []
        self.image = pg.ImageItem()
        item.addItem(self.image)
        item.getViewBox().invertY(True)
        self.reason = pg.TextItem(anchor=(0.5, 0.5), color=colours.text)
        self.reason.setVisible(False)
        item.addItem(self.reason, ignoreBounds=True)
        self.row_line = pg.InfiniteLine(angle=0, pen=plots.pen(_SELECTED_HUE, 1.0))
        self.row_line.setVisible(False)
        item.addItem(self.row_line, ignoreBounds=True)
        self.network_box = pg.LinearRegionItem(orientation="horizontal", movable=False)
        self.network_box.setBrush(pg.mkBrush(None))
        for line in self.network_box.lines:
            line.setPen(plots.pen(_SELECTED_HUE, 1.5))
        self.network_box.setVisible(False)
        item.addItem(self.network_box, ignoreBounds=True)

    def show_values(self, before: Floats, after: Floats, share: float) -> None:
        """Draw (row, frame) z-scores: `share` of the second, the rest of the first."""
        mixed = (1.0 - share) * np.asarray(before) + share * np.asarray(after)
        scaled = np.clip((mixed / CARPET_LIMIT_SD + 1.0) * 127.5, 0.0, 255.0)
        pixels = np.nan_to_num(scaled).astype(np.uint8)
        self.image.setImage(pixels, levels=(0, 255), autoLevels=False)
        self.image.setRect(-0.5, 0, pixels.shape[1], pixels.shape[0])

    def show_reason(self, words: str) -> None:
        """Why there is no picture, in its place; "" takes the words away."""
        self.reason.setVisible(bool(words))
        if words:
            self.image.clear()
            self.reason.setText(textwrap.fill(words, _REASON_LETTERS))
            (left, right), (low, high) = self.item.viewRange()
            self.reason.setPos((left + right) / 2.0, (low + high) / 2.0)

    def set_up(self, frames: int) -> None:
        """The strip of the networks at the left, and the range of both axes."""
        rows, width = len(self.networks), max(frames / 90.0, 1.0)
        strip = np.array([network_colour(name) for name in self.networks], dtype=np.uint8)
        if rows:
            picture = pg.ImageItem(strip[:, None, :])
            picture.setRect(-0.5 - width, 0, width, rows)
            self.item.addItem(picture)
        self.item.getAxis("left").setStyle(tickLength=0)
        self.fit_names()
        self.item.setYRange(-self._strip_rows(), rows, padding=0)
        self.item.setXRange(-0.5 - width, frames - 0.5, padding=0)

    def fit_names(self) -> None:
        """Name the networks that have room for it: large ones first."""
        rows = len(self.networks)
        room = float(self.item.getViewBox().height()) or 300.0
        apart = scaled(_NAME_PX) * (rows + self._strip_rows()) / max(room, 1.0)
        ticks: list[tuple[float, str]] = []
        for name, a, b in sorted(self._blocks(), key=lambda block: block[1] - block[2]):
            middle = (a + b) / 2.0
            if all(abs(middle - other) >= apart for other, _ in ticks):
                ticks.append((middle, NETWORK_SHORT.get(name, name)))
        self.item.getAxis("left").setTicks([sorted(ticks)])

    def show_frames(self, flagged: Bools, by_hand: Bools) -> None:
        """Marks above the carpet: over flagged frames, and over those left out by hand."""
        for mark in self._marks:
            self.item.removeItem(mark)
        self._marks = []
        height = self._strip_rows()
        for frames, hue in (
            (flagged & ~by_hand, self._colours.attention),
            (by_hand, self._colours.accent),
        ):
            mark = pg.BarGraphItem(
                x=np.flatnonzero(frames), y0=-height, height=height, width=1.0, brush=hue, pen=None
            )
            self.item.addItem(mark)
            self._marks.append(mark)

    def show_row(self, row: int | None) -> None:
        """A line at the selected parcel's row."""
        self.row_line.setVisible(row is not None)
        if row is not None:
            self.row_line.setValue(row + 0.5)

    def show_network(self, network: str | None) -> None:
        """A frame round the selected network's rows."""
        found = [(a, b) for name, a, b in self._blocks() if name == network]
        self.network_box.setVisible(bool(found))
        if found:
            self.network_box.setRegion(found[0])

    def legend(self) -> str:
        """Rich text: a square and the short name of every network."""
        squares = [
            f'<span style="color:rgb{network_colour(name)}">&#9632;</span>'
            f"{NETWORK_SHORT.get(name, name)}"
            for name in network_names(self.networks)
        ]
        return " &nbsp;".join(squares)

    def _blocks(self) -> list[tuple[str, int, int]]:
        names = self.networks
        starts = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1]), len(names)]
        return [(names[a], a, b) for a, b in itertools.pairwise(starts) if b > a]

    def _strip_rows(self) -> float:
        """Height of the marks above the carpet, in rows."""
        return max(len(self.networks) / 40.0, 1.0)


def networks_of(rows: Ints, networks: Sequence[str]) -> tuple[str, ...]:
    """(row,) network of each row of a carpet."""
    return tuple(networks[int(parcel)] for parcel in rows)
