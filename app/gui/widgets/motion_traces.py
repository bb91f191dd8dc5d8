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
    ("std_dvars", "std.DVARS", ""),
    ("dvars", "DVARS", ""),
)


def trace_plots(
    graphics: pg.GraphicsLayoutWidget, case: Case, colours: Tokens
) -> Iterator[pg.PlotItem]:
    """Shift, turn, FD of both kinds, DVARS and tSNR of a case with signals and motion.

    Those by which frames are flagged carry their limit and the count over it. One plot is made at
    each step, since making one takes long.
    """
    signals, motion = case.signals, case.motion
    assert signals is not None
    assert motion is not None
    row = 0

    def made(label: str, units: str) -> pg.PlotItem:
        nonlocal row
        row += 1
        return plots.plot(graphics, row - 1, label, units, first_frame=signals.first_frame)

    parameters = _kept(case, np.asarray(motion.parameters))
    for columns, label, factor, units in (
        (slice(0, 3), "Shift", 1.0, "mm"),
        (slice(3, 6), "Turn", 180.0 / np.pi, "°"),
    ):
        item = made(label, units)
        for hue, trace in zip(AXIS_HUES, (parameters[:, columns] * factor).T, strict=True):
            plots.curve(item, trace, hue)
        yield item
    for key, label, units in _FLAGGING:
        if key not in signals.confounds:
            continue
        item = made(label, units)
        values = np.asarray(signals.confounds[key], dtype=float)
        if key == "framewise_displacement":
            jenkinson = _kept(case, np.asarray(motion.framewise_displacement_jenkinson_mm))
            plots.curve(item, jenkinson, _JENKINSON_HUE, 1.0)
            plots.legend(item, (("Power", colours.accent), ("Jenkinson", _JENKINSON_HUE)))
        plots.curve(item, values, colours.accent, 1.4)
        limit = flag_limits(case).get(key)
        if limit is not None:  # raw DVARS lies around its own level, in the scanner's units
            plots.limit_line(item, limit, colours, limit_text(values, limit, units))
            top = float(np.nanmax(values, initial=0.0))
            item.setYRange(0, max(top, limit * 1.6), padding=0.04)
        yield item
    item = made("tSNR", "")
    plots.curve(item, running_tsnr(np.asarray(signals.raw)), colours.accent, 1.4)
    plots.legend(item, (("over 11 volumes", colours.accent),))
    yield item


def _kept(case: Case, values: Floats) -> Floats:
    """Rows of a per-file-frame array that belong to the kept frames."""
    signals = case.signals
    assert signals is not None
    count = len(signals.good_frames)
    first = signals.first_frame if len(values) > count else 0
    return values[first : first + count]
