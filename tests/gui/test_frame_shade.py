"""Frames that are not used are shaded over the whole height of every plot, whatever its range."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtWidgets import QApplication

from app.gui.main_window.window import MainWindow
from app.gui.views import TimeSeriesView
from app.gui.widgets.plots import FrameShade, flagged_spans
from tests.live_case import view_of


def test_that_the_shade_follows_the_range_that_is_seen(live: MainWindow, qtbot: Any) -> None:
    live.session.select_parcel(3)
    view = view_of(live, "explain", TimeSeriesView, qtbot)
    assert live.session.case is not None
    signals = live.session.case.case.signals
    assert signals is not None
    spans = flagged_spans(np.asarray(signals.good_frames))
    assert spans
    found = [item for item in view.graphics.scene().items() if isinstance(item, FrameShade)]
    drawn = [shade for shade in found if shade.spans == spans]
    assert len(drawn) >= 3  # raw, cleaned, motion
    for low, high in ((-40.0, 60.0), (9000.0, 11000.0)):
        for shade in drawn:
            box = shade.getViewBox()
            box.setYRange(low, high, padding=0)
            QApplication.processEvents()
            seen = shade.boundingRect()
            assert abs(seen.top() - low) < 1e-6 * high
            assert abs(seen.bottom() - high) < 1e-6 * high
