"""Plots of head motion and of what flags frames, one above the other on one time axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg

from app.core.arrays import Floats
from app.core.results import Case
from app.gui.widgets import plots
from app.gui.widgets.frame_limits import flag_limits, limit_text
from app.gui.widgets.theme import Tokens
from app.preprocessing.carpet import running_tsnr

AXIS_HUES = ("#4e9ad4", "#e0913a", "#7fb069")  # x, y, z
_JENKINSON_HUE = "#e0913a"
_FLAGGING = (
    ("framewise_displacement", "FD", "mm"),
    ("std_dvars", "Standardised DVARS", ""),
    ("dvars", "DVARS", ""),
)


def trace_plots(
    graphics: pg.GraphicsLayoutWidget, case: Case, colours: Tokens
) -> Iterator[pg.PlotItem | None]:
    """Shift, turn, FD of both kinds, DVARS and tSNR of a case with signals and motion.

    Those by which frames are flagged carry their limit and the count over it. One plot is made at
    each step, since making one takes long; None where a step made none.
    """
    signals, motion = case.signals, case.motion
    assert signals is not None
    assert motion is not None
    row = 0

    def made(*named: tuple[str, str]) -> pg.PlotItem:
        nonlocal row
        row += 1
        item = plots.plot(graphics, row - 1, "", first_frame=signals.first_frame)
        item.getAxis("left").setStyle(maxTickLevel=0)
        item.getAxis("left").setTickDensity(0.5)  # the plots are low
        plots.legend(item, named, colours.surface)
        return item

    parameters = _kept(case, np.asarray(motion.parameters))
    for columns, label, factor, units in (
        (slice(0, 3), "Shift", 1.0, "mm"),
        (slice(3, 6), "Turn", 180.0 / np.pi, "°"),
    ):
        first, *others = zip("xyz", AXIS_HUES, strict=True)
        item = made((f"{label}, {units}: {first[0]}", first[1]), *others)
        for hue, trace in zip(AXIS_HUES, (parameters[:, columns] * factor).T, strict=True):
            plots.curve(item, trace, hue)
        yield item
    for key, label, units in _FLAGGING:
        if key not in signals.confounds:
            continue
        name = f"{label}, {units}" if units else label
        item = made(*(_both(colours) if key == _FLAGGING[0][0] else ((name, colours.muted),)))
        values = np.asarray(signals.confounds[key], dtype=float)
        if key == "framewise_displacement":
            jenkinson = _kept(case, np.asarray(motion.framewise_displacement_jenkinson_mm))
            plots.curve(item, jenkinson, _JENKINSON_HUE, 1.0)
        plots.curve(item, values, colours.accent, 1.4)
        limit = flag_limits(case).get(key)
        if limit is not None:  # raw DVARS lies around its own level, in the scanner's units
            plots.limit_line(item, limit, colours, limit_text(values, limit, units))
            item.getViewBox().span = (0.0, limit * 1.6)
        yield item
    steady = running_tsnr(np.asarray(signals.raw))
    yield None
    item = made(("tSNR of parcels over 11 volumes", colours.muted))
    plots.curve(item, steady, colours.accent, 1.4)
    yield item


def draw_displacement(item: pg.PlotItem, case: Case, colours: Tokens) -> None:
    """FD (Power) of the kept frames with its limit and the count over it, for a small plot."""
    assert case.signals is not None
    key = "framewise_displacement"
    values, limit = np.asarray(case.signals.confounds[key], dtype=float), flag_limits(case)[key]
    plots.curve(item, values, colours.muted)
    plots.limit_line(item, limit, colours, limit_text(values, limit, "mm"))
    item.getViewBox().span = (0.0, limit * 1.6)


def _both(colours: Tokens) -> tuple[tuple[str, str], ...]:
    return (("FD, mm: Power", colours.accent), ("Jenkinson", _JENKINSON_HUE))


def _kept(case: Case, values: Floats) -> Floats:
    """Rows of a per-file-frame array that belong to the kept frames."""
    signals = case.signals
    assert signals is not None
    count = len(signals.good_frames)
    first = signals.first_frame if len(values) > count else 0
    return values[first : first + count]
