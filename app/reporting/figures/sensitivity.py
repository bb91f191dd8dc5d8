"""The number under other choices: one dot a variant on the log-odds axis, with the cut-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.core import wording
from app.core.colours import ACCENT, INK, MUTED, RULE
from app.core.explanation_health import Sensitivity
from app.reporting.theme import axes_mm, new_figure, unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW_MM, MARGIN_MM, LABEL_MM = 4.0, 15.0, 50.0
LONGEST = 42


def sensitivity_height_mm(found: Sensitivity) -> float:
    """Height of the figure: a row for the number as made and for each variant."""
    return MARGIN_MM + ROW_MM * (1 + len(found.computed))


def sensitivity_figure(found: Sensitivity, width_mm: float) -> Figure:
    """Log-odds before calibration of each variant; hollow: a marked hypothetical."""
    height_mm = sensitivity_height_mm(found)
    figure = new_figure(width_mm, height_mm)
    axes = axes_mm(figure, LABEL_MM, 9.0, width_mm - LABEL_MM - 4.0, height_mm - MARGIN_MM)
    rows = [("As made", found.as_made)]
    rows += [
        (_short(f"{one.group}: {one.name}"), one.log_odds)
        for one in found.computed
        if one.log_odds is not None
    ]
    places = np.arange(len(rows))[::-1]
    for place, (name, value) in zip(places, rows, strict=True):
        axes.hlines(place, 0, 1, transform=axes.get_yaxis_transform(), color=unit(RULE), lw=0.4)
        made = name == "As made"
        axes.plot(
            [value], [place], "D" if made else "o", color=unit(ACCENT), markersize=5 if made else 4,
            markerfacecolor=unit(ACCENT) if made else "white", clip_on=False, zorder=4,
        )  # fmt: skip
    axes.axvline(found.as_made, color=unit(ACCENT), linewidth=0.6, linestyle=(0, (1, 1.5)))
    if np.isfinite(found.cutoff):
        axes.axvline(found.cutoff, color=unit(INK), linewidth=0.9, linestyle=(0, (5, 2)))
        axes.annotate(
            f"cut-off {wording.signed(found.cutoff)}", (found.cutoff, len(rows) - 0.4),
            xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7,
            annotation_clip=False,
        )  # fmt: skip
    axes.margins(x=0.12)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_yticks(places, [name for name, _ in rows], fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Log-odds before calibration", color=unit(MUTED), labelpad=1)
    return figure


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
