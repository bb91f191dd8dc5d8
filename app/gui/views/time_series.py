"""The selected parcel's signal, before and after cleaning, or its spectrum."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from app.core.arrays import Floats
from app.core.results import CleanSignals
from app.gui.session import Session
from app.gui.widgets import plots
from app.gui.widgets.fields import choice
from app.gui.widgets.view import ElidedLabel, View

_KINDS = {"time": "Over time", "spectrum": "Spectrum"}


class TimeSeriesView(View):
    """One parcel's series with flagged frames shaded; follows the selection."""

    name = "time_series"
    title = "Time series"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._kind = "time"
        self.tools.addWidget(choice("Time or spectrum", _KINDS, "time", self._set_kind))
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 0, 6, 0)
        self.graphics.setAccessibleName("Time series of the selected parcel")
        self.parcel_label = ElidedLabel()
        self.body.addWidget(self.parcel_label)
        self.body.addWidget(self.graphics, 1)
        self._plots: list[pg.PlotItem] = []
        self._cursors: list[pg.InfiniteLine] = []
        self._curves: list[pg.PlotDataItem] = []
        self.graphics.scene().sigMouseClicked.connect(self._clicked)
        self.listen(session.parcel_changed, self._parcel_changed)
        self.listen(session.frame_changed, self._frame_changed)
        self.refresh()

    def refresh(self) -> None:
        """Build the axes for the case, then show the selected parcel."""
        self.graphics.clear()
        self._plots, self._cursors, self._curves = [], [], []
        colours = self.tokens()
        self.graphics.setBackground(QColor(colours.surface))
        signals = self._signals()
        if signals is None:
            self.parcel_label.set_full_text("")
            self.graphics.addLabel(self.empty_reason(), color=colours.muted)
            return
        labels = (("Raw", colours.muted), ("Cleaned, %", colours.accent))
        for row, (label, colour) in enumerate(labels):
            first = signals.first_frame if self._kind == "time" else None
            item = plots.plot(self.graphics, row, label, first_frame=first)
            plots.style_plot(item, colours)
            self._curves.append(item.plot([], [], pen=plots.pen(colour, 1.3), connect="finite"))
            if self._kind == "time":
                plots.shade_flagged(item, signals.good_frames, colours)
                cursor = pg.InfiniteLine(pos=self.session.frame, pen=plots.pen(colours.accent, 1.5))
                item.addItem(cursor, ignoreBounds=True)
                self._cursors.append(cursor)
            self._plots.append(item)
        top, bottom = self._plots
        top.setXLink(bottom)
        top.getAxis("bottom").setStyle(showValues=False)
        top.getAxis("bottom").setHeight(6)
        flagged = int((~np.asarray(signals.good_frames)).sum())
        shaded = f"; shaded: {flagged} flagged" if flagged else ""
        words = (
            f"Volume in the file (first = 0{shaded})" if self._kind == "time" else "Frequency, Hz"
        )
        bottom.setLabel("bottom", words)
        self._parcel_changed()

    def restyle(self) -> None:
        """Draw again in the theme's colours."""
        self.refresh()

    def _signals(self) -> CleanSignals | None:
        opened = self.session.case
        return opened.case.signals if opened is not None else None

    def _set_kind(self, kind: str) -> None:
        self._kind = kind
        self.refresh()

    def _parcel_changed(self) -> None:
        signals, parcel = self._signals(), self.session.parcel
        if signals is None or not self._plots:
            return
        if parcel is None:
            self.parcel_label.set_full_text("Click a parcel in any view.")
            for line in self._curves:
                line.setData([], [])
            return
        self.parcel_label.set_full_text(
            f"{signals.parcel_names[parcel].replace('_', ' ')}  ·  {signals.networks[parcel]}"
            f"  ·  coverage {signals.coverage[parcel] * 100:.0f} %"
        )
        for line, item, values in zip(
            self._curves,
            self._plots,
            (signals.raw[:, parcel], signals.cleaned[:, parcel]),
            strict=True,
        ):
            across, up = self._points(np.asarray(values, dtype=float), signals)
            line.setData(across, up)
            item.getViewBox().autoRange(padding=0.03)
        self._plots[-1].setXRange(float(across[0]), float(across[-1]), padding=0.01)

    def _points(self, values: Floats, signals: CleanSignals) -> tuple[Floats, Floats]:
        if self._kind == "time":
            return np.arange(values.size, dtype=float), values
        centred = np.nan_to_num(values - np.nanmean(values))
        amplitude = np.abs(np.fft.rfft(centred * np.hanning(values.size))) / values.size
        return np.fft.rfftfreq(values.size, signals.repetition_time_s), amplitude

    def _frame_changed(self) -> None:
        for cursor in self._cursors:
            cursor.setValue(self.session.frame)

    def _clicked(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        if self._plots and self._kind == "time":
            at = self._plots[-1].getViewBox().mapSceneToView(event.scenePos())
            self.session.select_frame(round(float(at.x())))
