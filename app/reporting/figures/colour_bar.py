"""The colour bar that no map may go without: unit, zero, both ends, threshold band, arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.core import wording
from app.core.arrays import Ints
from app.core.colours import NEUTRAL, SignedScale, diverging_table
from app.reporting.theme import axes_mm, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_signed_bar(
    axes: Axes, scale: SignedScale, label: str, *, clipped: bool, ticks: int = 5
) -> None:
    """Fill `axes` with a horizontal symmetric bar; magnitudes below the threshold are grey."""
    table: Ints = diverging_table()
    axes.imshow(
        table[None], extent=(-scale.limit, scale.limit, 0, 1), aspect="auto", interpolation="none"
    )
    if scale.threshold > 0.0:
        band = min(scale.threshold, scale.limit)
        axes.axvspan(-band, band, facecolor=unit(NEUTRAL), edgecolor="none")
        for edge in (-band, band):
            axes.axvline(edge, color="black", linewidth=0.5)
    if clipped:
        for side, end, row in ((-1, -scale.limit, 0), (1, scale.limit, -1)):
            tip = end + side * 0.045 * 2 * scale.limit
            axes.fill(
                [end, tip, end], [0, 0.5, 1], color=table[row] / 255.0, clip_on=False, linewidth=0
            )
    axes.set_xlim(-scale.limit, scale.limit)
    long = scale.limit < 0.01  # many digits: fewer ticks, so that they do not touch
    places = np.linspace(-scale.limit, scale.limit, 3 if long else ticks)
    axes.set_xticks(places, [_tick(place, scale.limit) for place in places])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_xlabel(label, labelpad=1.5)


def _tick(value: float, limit: float) -> str:
    digits = max(0, 1 - int(np.floor(np.log10(limit))))
    return wording.signed(float(value), digits) if abs(value) > 1e-9 * limit else "0"


def signed_bar_figure(
    scale: SignedScale, label: str, *, clipped: bool, width_mm: float, height_mm: float = 11.0
) -> Figure:
    """A bar on its own, shared by several pictures."""
    figure = new_figure(width_mm, height_mm)
    margin = 0.06 * width_mm + 2
    axes = axes_mm(figure, margin, 7.6, width_mm - 2 * margin, 2.8)
    draw_signed_bar(axes, scale, label, clipped=clipped)
    return figure
