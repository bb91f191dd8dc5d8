"""Motion, DVARS and the carpet before and after cleaning, on one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.colours import (
    ACCENT,
    CARPET_LIMIT_SD,
    INK,
    MUTED,
    STAMP,
    network_colour,
    network_names,
)
from app.reporting.theme import axes_mm, bare, light_grid, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT_MM = 15.0
RIGHT_MM = 3.0


def _shade_flagged(axes: Axes, frames: Floats, good: Bools) -> None:
    """Bands over the frames that were flagged and not used."""
    for frame in frames[~good]:
        axes.axvspan(frame - 0.5, frame + 0.5, facecolor=unit(STAMP), alpha=0.16, linewidth=0)


def _trace(
    axes: Axes, frames: Floats, values: Floats, good: Bools, label: str, limit: float | None
) -> None:
    _shade_flagged(axes, frames, good)
    axes.plot(frames, values, color=unit(ACCENT), linewidth=0.7)
    top = float(np.nanmax(values, initial=0.0))
    if limit is not None:
        axes.axhline(limit, color=unit(INK), linewidth=0.7, linestyle=(0, (4, 2)))
        axes.annotate(
            f"limit {limit:g}", (1, limit), xycoords=("axes fraction", "data"), xytext=(0, 1),
            textcoords="offset points", ha="right", va="bottom", fontsize=6.5,
        )  # fmt: skip
        top = max(top, 1.25 * limit)
    axes.set_ylim(0.0, 1.08 * top if top > 0 else 1.0)
    axes.set_ylabel(label)
    axes.yaxis.set_label_coords(-11.0 / _wide(axes), 0.5)
    light_grid(axes)
    axes.tick_params(labelbottom=False)


def _wide(axes: Axes) -> float:
    width: float = axes.get_position().width * axes.figure.get_figwidth() * 25.4  # type: ignore[union-attr]
    return width


def _carpet(axes: Axes, rows: Any, frames: Floats, networks: tuple[str, ...], title: str) -> None:
    """Z-scored parcel rows in grey, dark below and bright above the row's mean."""
    clean = np.nan_to_num(np.asarray(rows, dtype=np.float32))
    axes.imshow(
        clean, cmap="gray", vmin=-CARPET_LIMIT_SD, vmax=CARPET_LIMIT_SD, aspect="auto",
        interpolation="none", extent=(frames[0] - 0.5, frames[-1] + 0.5, clean.shape[0], 0),
    )  # fmt: skip
    axes.set_yticks([])
    axes.set_ylabel(f"{title}\n{clean.shape[0]} parcels")
    axes.yaxis.set_label_coords(-4.2 / _wide(axes), 0.5)
    for start, _, _ in _runs(networks)[1:]:
        axes.axhline(start, color="white", linewidth=0.3)


def _runs(networks: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """(first row, one past the last row, network) of each stretch of equal rows."""
    runs: list[tuple[int, int, str]] = []
    for row, name in enumerate(networks):
        if runs and runs[-1][2] == name:
            runs[-1] = (runs[-1][0], row + 1, name)
        else:
            runs.append((row, row + 1, name))
    return runs


def timeline_figure(
    *,
    first_frame: int,
    displacement_mm: Floats,
    std_dvars: Floats | None,
    good: Bools,
    carpets: tuple[tuple[str, Any], ...],
    networks: tuple[str, ...],
    limits: tuple[float | None, float | None],
    width_mm: float,
    height_mm: float,
) -> Figure:
    """FD, standardised DVARS and the carpets, aligned frame by frame.

    Parameters
    ----------
    first_frame
        Volume number (from 0, in the file) of the first frame here.
    displacement_mm, std_dvars, good
        (frame,) each.
    carpets
        (title, (row, frame) z-scores), top to bottom.
    networks
        Network of each carpet row.
    limits
        Flagging limits of FD in mm and of standardised DVARS, None where not known.
    """
    count = good.size
    frames = first_frame + np.arange(count, dtype=np.float64)
    figure = new_figure(width_mm, height_mm)
    wide = width_mm - LEFT_MM - RIGHT_MM
    traces = [(displacement_mm, "FD (mm)", limits[0])]
    if std_dvars is not None:
        traces.append((std_dvars, "std. DVARS", limits[1]))
    trace_mm, gap, legend_mm = 14.0, 2.2, 3.6
    bottom = 7.2 + legend_mm
    each = (height_mm - bottom - len(traces) * (trace_mm + gap) - 1.0) / max(len(carpets), 1) - gap
    top = height_mm - 1.0
    axes: Axes | None = None
    for values, label, limit in traces:
        top -= trace_mm
        axes = axes_mm(figure, LEFT_MM, top, wide, trace_mm)
        _trace(axes, frames, np.asarray(values), good, label, limit)
        axes.set_xlim(frames[0] - 0.5, frames[-1] + 0.5)
        top -= gap
    for title, rows in carpets:
        top -= each
        axes = axes_mm(figure, LEFT_MM, top, wide, each)
        _carpet(axes, rows, frames, networks, title)
        axes.tick_params(labelbottom=False)
        axes.set_xlim(frames[0] - 0.5, frames[-1] + 0.5)
        strip = axes_mm(figure, LEFT_MM - 2.6, top, 1.9, each)
        bare(strip)
        strip.set_ylim(len(networks), 0)
        for low, high, name in _runs(networks):
            strip.axhspan(low, high, facecolor=unit(network_colour(name)), edgecolor="none")
        top -= gap
    if axes is not None:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("Volume in the file (first = 0)", labelpad=1)
    if carpets:
        _legend(figure, networks, width_mm, height_mm, legend_mm)
    return figure


def _legend(
    figure: Figure, networks: tuple[str, ...], width_mm: float, height_mm: float, tall: float
) -> None:
    """Names of the networks beside their colours, one line."""
    axes = axes_mm(figure, LEFT_MM, 0.0, width_mm - LEFT_MM - RIGHT_MM, tall)
    bare(axes)
    axes.set_xlim(0, width_mm - LEFT_MM - RIGHT_MM)
    axes.set_ylim(0, tall)
    names = network_names(networks)
    lengths = [_text_mm(name, 6.8) for name in names]
    room = width_mm - LEFT_MM - RIGHT_MM
    spare = max(room - sum(lengths) - 3.2 * len(names), 0.0) / max(len(names) - 1, 1)
    place = 0.0
    for name, length in zip(names, lengths, strict=True):
        axes.plot([place + 1.0], [1.8], "s", color=unit(network_colour(name)), markersize=4.5)
        axes.text(place + 2.4, 1.8, name, fontsize=6.8, va="center", color=unit(MUTED))
        place += length + 3.2 + min(spare, 4.0)


def _text_mm(text: str, size_pt: float) -> float:
    """Width of a text in millimetres in the report's typeface."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    from app.reporting.theme import FAMILY

    path = TextPath((0, 0), text, size=size_pt, prop=FontProperties(family=FAMILY))
    return float(path.get_extents().width) * 25.4 / 72.0
