"""Matrices in network order and signed sums over networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.core import wording
from app.core.arrays import Floats
from app.core.colours import (
    INK,
    NETWORK_SHORT,
    SignedScale,
    display_order,
    diverging_table,
    network_colour,
    network_names,
)
from app.reporting.figures.colour_bar import draw_signed_bar
from app.reporting.ranking import network_sums
from app.reporting.theme import axes_mm, bare, light_grid, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STRIP_MM = 1.6


def matrix_figure(
    matrix: Floats,
    networks: tuple[str, ...],
    hemispheres: tuple[str, ...],
    scale: SignedScale,
    label: str,
    width_mm: float,
) -> Figure:
    """A signed matrix in network order (left before right inside a network), with its bar.

    Each pair is painted once: a value above zero over the diagonal, one below zero under it, so
    that the sign is told without colour. The order is applied here, at drawing, only. NaN rows
    (parcels not covered) are grey.

    Parameters
    ----------
    matrix
        (parcel, parcel) in the atlas's own order, symmetric.
    """
    order = display_order(networks, hemispheres)
    shown = np.asarray(matrix, dtype=np.float64)[np.ix_(order, order)]
    names = network_names(networks)
    counts = [sum(network == name for network in networks) for name in names]
    borders = np.concatenate([[0], np.cumsum(counts)])
    left, side = 9.0, width_mm - 10.0
    height_mm = side + 14.0
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, left, 11.5, side, side)
    picture = scale.rgb(_signs_apart(shown))
    picture[np.isnan(shown)] = (190, 190, 190)
    axes.imshow(picture, interpolation="none", aspect="auto")
    bare(axes)
    for border in borders[1:-1]:
        axes.axhline(border - 0.5, color=unit(INK), linewidth=0.25)
        axes.axvline(border - 0.5, color=unit(INK), linewidth=0.25)
    _strip(axes_mm(figure, left - STRIP_MM - 0.4, 11.5, STRIP_MM, side), borders, names, True)
    _strip(axes_mm(figure, left, 11.5 + side + 0.4, side, STRIP_MM), borders, names, False)
    middles = _apart((borders[:-1] + borders[1:]) / 2 - 0.5, 2.4 / side * borders[-1])
    for middle, name in zip(middles, names, strict=True):
        axes.annotate(
            NETWORK_SHORT.get(name, name[:4]), (-0.5, middle),
            xytext=(-(STRIP_MM + 0.8) * 72 / 25.4, 0), textcoords="offset points",
            ha="right", va="center", fontsize=6.3, annotation_clip=False,
        )  # fmt: skip
    bar = axes_mm(figure, left + 5, 7.2, side - 10, 2.2)
    finite = shown[np.isfinite(shown)]
    draw_signed_bar(bar, scale, label, clipped=scale.clipped(finite), ticks=5)
    return figure


def _signs_apart(matrix: Floats) -> Floats:
    """Only what is above zero over the diagonal, only what is below it under; else 0."""
    return np.asarray(np.maximum(np.triu(matrix), 0.0) + np.minimum(np.tril(matrix, -1), 0.0))


def _apart(places: Floats, least: float) -> Floats:
    """Label positions moved up where they would come closer than `least` (last stays)."""
    moved = np.array(places, dtype=np.float64)
    for row in range(moved.size - 2, -1, -1):
        moved[row] = min(moved[row], moved[row + 1] - least)
    return moved


def _strip(axes: Axes, borders: Floats, names: tuple[str, ...], upright: bool) -> None:
    bare(axes)
    total = borders[-1]
    for low, high, name in zip(borders[:-1], borders[1:], names, strict=True):
        span = axes.axhspan if upright else axes.axvspan
        span(low, high, facecolor=unit(network_colour(name)), edgecolor="none")
    if upright:
        axes.set_ylim(total, 0)
    else:
        axes.set_xlim(0, total)


def _with_short(name: str) -> str:
    short = NETWORK_SHORT.get(name)
    return name if short is None else f"{name} ({short})"


_NUMBER_MM = 8.0  # "−0.60" with the gap before it


def network_figure(
    values: Floats, networks: tuple[str, ...], width_mm: float, height_mm: float
) -> Figure:
    """Positive and negative attribution of each network, kept apart, with numbers."""
    sums = network_sums(values, networks)
    figure = new_figure(width_mm, height_mm)
    wide = width_mm - 32.0
    axes = axes_mm(figure, 30.0, 8.0, wide, height_mm - 9.0)
    places = np.arange(len(sums))[::-1]
    reach = max(max(up, -down) for _, up, down in sums) or 1.0
    up_colour, down_colour = (diverging_table()[row] / 255.0 for row in (214, 41))
    for place, (_, up, down) in zip(places, sums, strict=True):
        axes.barh(place, up, 0.66, color=up_colour)
        axes.barh(place, down, 0.66, color=down_colour)
        for value, shift in ((up, 2), (down, -2)):
            axes.annotate(
                wording.signed(value), (value, place), xytext=(shift, 0),
                textcoords="offset points", ha="left" if shift > 0 else "right", va="center",
                fontsize=6.6,
            )  # fmt: skip
    axes.axvline(0.0, color=unit(INK), linewidth=0.6)
    room = max(wide / 2.0 - _NUMBER_MM, 0.2 * wide)  # of the longest bar; its number stands beyond
    limit = reach * wide / 2.0 / room
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-0.6, len(sums) - 0.4)
    axes.set_yticks(places, [_with_short(name) for name, _, _ in sums])
    axes.tick_params(axis="y", length=0, pad=7)
    axes.spines["left"].set_visible(False)
    for place, (name, _, _) in zip(places, sums, strict=True):
        axes.plot(
            [-0.025], [place], "s", transform=axes.get_yaxis_transform(), markersize=4.5,
            color=unit(network_colour(name)), clip_on=False,
        )  # fmt: skip
    axes.set_xlabel("Sum in log-odds", labelpad=1)
    light_grid(axes, "x")
    return figure
