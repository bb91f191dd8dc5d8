"""The colour bar that no map may go without: unit, zero, both ends, threshold band, arrows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.core import wording
from app.core.arrays import Ints
from app.core.colours import LIGHT_OUTLINE, NEUTRAL, OUTLINE, SignedScale, diverging_table
from app.reporting.theme import axes_mm, bare, new_figure, unit

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


BAR_MM = 14.6  # height of a bar with its key
_KEY_MM = (3.4, 2.2)  # a painted parcel of the key
_DOWN_ROW, _UP_ROW = 41, 214  # of the diverging table


def signed_bar_figure(
    scale: SignedScale, label: str, *, clipped: bool, width_mm: float, height_mm: float = BAR_MM
) -> Figure:
    """A bar on its own, shared by several pictures, and how they tell the sign without colour."""
    figure = new_figure(width_mm, height_mm)
    margin = 0.06 * width_mm + 2
    axes = axes_mm(figure, margin, 7.6, width_mm - 2 * margin, 2.8)
    draw_signed_bar(axes, scale, label, clipped=clipped)
    _draw_key(axes_mm(figure, 0.0, 11.4, width_mm, height_mm - 11.4), width_mm, height_mm - 11.4)
    return figure


def _draw_key(axes: Axes, wide_mm: float, high_mm: float) -> None:
    """A parcel of each sign in the outline that slices and surface give it, with words."""
    from matplotlib.patches import Rectangle

    bare(axes)
    axes.set_xlim(0.0, wide_mm)
    axes.set_ylim(0.0, high_mm)
    wide, high = _KEY_MM
    base = (high_mm - high) / 2
    for share, row, words in (
        (0.0, _DOWN_ROW, "down: light outline"),
        (0.52, _UP_ROW, "up: dark outline"),
    ):
        left = 0.1 * wide_mm + share * wide_mm
        frames = [(0.0, OUTLINE), (0.2, LIGHT_OUTLINE)] if row == _DOWN_ROW else [(0.0, OUTLINE)]
        inset = 0.65 if row == _DOWN_ROW else 0.3
        for edge, colour in (*frames, (inset, tuple(diverging_table()[row]))):
            axes.add_patch(
                Rectangle(
                    (left + edge, base + edge), wide - 2 * edge, high - 2 * edge,
                    facecolor=unit(colour), edgecolor="none", linewidth=0,
                )
            )  # fmt: skip
        axes.text(left + wide + 1.0, high_mm / 2, words, fontsize=7, va="center_baseline")
