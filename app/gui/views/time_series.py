"""Time series of the selected parcel or voxel and of those that are held, or their spectra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QCheckBox, QFileDialog, QWidget

from app.core.arrays import Floats
from app.core.errors import AppError
from app.core.results import CleanSignals
from app.gui.session import Session
from app.gui.traces import (
    Trace,
    current_key,
    hold,
    percent_change,
    repetition_time_s,
    spectrum,
    trace_of,
    traces_tsv,
)
from app.gui.widgets import plots
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.frame_limits import flag_limits, limit_text
from app.gui.widgets.frame_mouse import FrameMouse
from app.gui.widgets.tables import Cell, Table
from app.gui.widgets.trace_legend import Look, TraceLegend, look_of
from app.gui.widgets.view import View
from app.gui.widgets.view_keys import ViewCommand
from app.study.files import replace_file, storage_errors

_KINDS = {"time": "Over time", "spectrum": "Spectrum"}
_SOURCES = {"parcel": "Parcel", "voxel": "Voxel"}
_NO_VOXELS = "Open the scan itself (File, Open scan) to read its voxels."


class TimeSeriesView(View):
    """Traces over the volumes of the file with flagged frames shaded, motion below."""

    name = "time_series"
    title = "Time series"
    takes_turns = True
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        ViewCommand("hold", "Hold this time series", "T", "hold"),
        ViewCommand("release", "Let all held time series go", "Shift+T", "release"),
        ViewCommand("back", "Volume before", ",", "volume_before"),
        ViewCommand("on", "Next volume", ".", "volume_after"),
        ViewCommand(
            "export", "Export the time series (TSV)\N{HORIZONTAL ELLIPSIS}", "", "ask_export"
        ),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click", "Show this volume"),
        ("Shift+click", "Hold this time series"),
        ("Drag", "Select frames: the series attribution is drawn for them"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        state = session.state.plots
        self.source_box = choice(
            "Parcel, or voxel at the crosshair",
            _SOURCES,
            state.trace,
            lambda key: session.change("Parcel or voxel", "plots", trace=key),
        )
        self.percent_box = QCheckBox("% change")
        self.percent_box.setToolTip("Raw values in percent of their mean over time")
        self.percent_box.toggled.connect(
            lambda on: session.change("Percent change", "plots", percent=on)
        )
        self.kind_box = choice(
            "Time or spectrum",
            _KINDS,
            state.series,
            lambda key: session.change("Time or spectrum", "plots", series=key),
        )
        for widget in (self.source_box, self.percent_box, self.kind_box):
            self.tools.addWidget(widget)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 0, 6, 0)
        self.graphics.setAccessibleName("Time series")
        self.mouse = FrameMouse(self.graphics)
        self.parcel_label = TraceLegend()
        self.body.addWidget(self.parcel_label)
        self.body.addWidget(self.graphics, 1)
        self._plots: dict[str, pg.PlotItem] = {}
        self._cursors: list[pg.InfiniteLine] = []
        self._ranges: list[pg.LinearRegionItem] = []
        self._curves: list[tuple[pg.PlotItem, pg.PlotDataItem]] = []
        self._traces: tuple[Trace, ...] = ()
        self._made: object = None
        self.mouse.clicked.connect(self._clicked)
        self.mouse.dragging.connect(self._show_range)
        self.mouse.dragged.connect(lambda first, last, _shift: session.select_frames(first, last))
        self.listen(session.parcel_changed, self._selection_changed)
        self.listen(session.crosshair_changed, self._selection_changed)
        self.listen(session.frame_changed, self._frame_changed)
        self.listen(session.frames_changed, self._frames_changed)
        self.listen(session.plots_changed, self._plots_changed)
        self.refresh()

    # drawing ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Build the axes for what is open, then show the traces."""
        state, signals = self.session.state.plots, self._signals()
        self.graphics.clear()
        self._plots, self._cursors, self._ranges, self._curves = {}, [], [], []
        colours = self.tokens()
        self.graphics.setBackground(QColor(colours.surface))
        set_choice(self.kind_box, state.series)
        set_choice(self.source_box, state.trace)
        self.source_box.setVisible(self.session.case is not None)
        self.percent_box.blockSignals(True)
        self.percent_box.setChecked(state.percent)
        self.percent_box.blockSignals(False)
        self._made = (state.series, state.percent)
        time = state.series == "time"
        if signals is None and not self._has_voxels():
            self.parcel_label.show_words("")
            self.graphics.addLabel(self.empty_reason(), color=colours.muted)
            self.mouse.plots = []
            return
        self._add("raw", "Raw, %" if state.percent else "Raw")
        if signals is not None:
            self._add("cleaned", "Cleaned, %" if signals.units == "percent" else "Cleaned")
            if time:
                self._add_motion(signals)
        last = list(self._plots.values())[-1]
        for item in self._plots.values():
            if item is not last:
                item.setXLink(last)
                item.getAxis("bottom").setStyle(showValues=False)
                item.getAxis("bottom").setHeight(6)
        last.setLabel("bottom", self._axis_words(signals))
        self.mouse.plots = list(self._plots.values()) if time else []
        stretch = self.graphics.ci.layout
        for row, name in enumerate(self._plots):
            stretch.setRowStretchFactor(row, 2 if name == "motion" else 4)
            stretch.setRowPreferredHeight(row, 10.0)
        self._selection_changed()
        self._frames_changed()

    def _axis_words(self, signals: CleanSignals | None) -> str:
        if self.session.state.plots.series == "spectrum":
            return "Frequency, Hz"
        flagged = 0 if signals is None else int((~np.asarray(signals.good_frames)).sum())
        return "Volume in the file (first = 0)" + f"; {flagged} not used" * bool(flagged)

    def _add(self, name: str, label: str) -> pg.PlotItem:
        time, signals = self.session.state.plots.series == "time", self._signals()
        first = None
        if time:
            first = 0 if signals is None else signals.first_frame
        colours = self.tokens()
        item = plots.plot(self.graphics, len(self._plots), label, first_frame=first)
        plots.style_plot(item, colours)
        self._plots[name] = item
        if time:
            if signals is not None:
                plots.shade_flagged(item, signals.good_frames, colours)
            region = pg.LinearRegionItem(movable=False, brush=plots.faint(colours.accent, 45))
            region.setZValue(-5)
            region.hide()
            item.addItem(region, ignoreBounds=True)
            self._ranges.append(region)
            cursor = pg.InfiniteLine(pos=self.session.frame, pen=plots.pen(colours.accent, 1.5))
            item.addItem(cursor, ignoreBounds=True)
            self._cursors.append(cursor)
        return item

    def _add_motion(self, signals: CleanSignals) -> None:
        trace, opened = signals.confounds.get("framewise_displacement"), self.session.case
        if trace is None or opened is None:
            return
        values, colours = np.asarray(trace, dtype=float), self.tokens()
        item = self._add("motion", "FD, mm")
        plots.curve(item, values, colours.muted)
        limit = flag_limits(opened.case)["framewise_displacement"]
        plots.limit_line(item, limit, colours, limit_text(values, limit, "mm"))
        item.setYRange(0, max(float(np.nanmax(values, initial=0.0)), limit * 1.6), padding=0.04)

    def restyle(self) -> None:
        """Draw again in the theme's colours."""
        self.refresh()

    def empty_reason(self) -> str:
        """Also without a case there may be voxels."""
        if self.session.preview is not None:
            return "The volumes are being decoded\N{HORIZONTAL ELLIPSIS}"
        return super().empty_reason()

    def _signals(self) -> CleanSignals | None:
        opened = self.session.case
        return opened.case.signals if opened is not None else None

    def _has_voxels(self) -> bool:
        return getattr(self.session, "volumes", None) is not None

    def _selection_changed(self) -> None:
        """Take the traces anew: the current one first, then those that are held."""
        if not self._plots:
            return
        current, held = current_key(self.session), self.session.state.plots.held
        keys = [current] * bool(current) + [key for key in held if key != current]
        found = (trace_of(self.session, key) for key in keys)
        self._traces = tuple(trace for trace in found if trace is not None)
        self._draw_curves()
        self._tell(current)

    def _draw_curves(self) -> None:
        for item, curve in self._curves:
            item.removeItem(curve)
        self._curves = []
        held = self.session.state.plots.held
        for trace in self._traces:
            colour, dash = self._look(trace.key)
            width = 1.4 if trace.key not in held else 1.2
            for name, (across, up) in self._points(trace).items():
                item = self._plots.get(name)
                if item is not None:
                    pen = plots.pen(colour, width, dash)
                    self._curves.append((item, item.plot(across, up, pen=pen, connect="finite")))
        for name in ("raw", "cleaned"):
            if name in self._plots:
                self._plots[name].enableAutoRange(axis="y")
                self._plots[name].getViewBox().updateAutoRange()
        if self._traces:
            self._set_range()

    def _set_range(self) -> None:
        last = list(self._plots.values())[-1]
        points = [next(iter(self._points(trace).values()))[0] for trace in self._traces]
        low, high = min(p[0] for p in points), max(p[-1] for p in points)
        last.setXRange(float(low), float(high), padding=0.01)

    def _look(self, key: str) -> Look:
        """Hue and dashes of a trace: held ones keep theirs, the current one is plain."""
        held = self.session.state.plots.held
        return look_of(held.index(key)) if key in held else _plain(self.tokens().accent)

    def _points(self, trace: Trace) -> dict[str, tuple[Floats, Floats]]:
        """What is drawn of a trace in each plot: frames or Hz, and values."""
        state, seconds = self.session.state.plots, repetition_time_s(self.session)
        raw = percent_change(trace.raw) if state.percent else trace.raw
        series = {"raw": raw} | ({} if trace.cleaned is None else {"cleaned": trace.cleaned})
        if state.series == "spectrum":
            return {name: spectrum(values, seconds) for name, values in series.items()}
        first = trace.first_frame
        frames = np.arange(len(series["raw"]), dtype=float)
        across = {"raw": trace.volumes - first, "cleaned": frames}
        return {name: (across[name][: len(values)], values) for name, values in series.items()}

    def _tell(self, current: str) -> None:
        entries = [
            (trace.name + self._more(trace) * (trace.key == current), self._look(trace.key))
            for trace in self._traces
        ]
        self.parcel_label.show_entries(tuple(entries))
        if not entries:
            voxel = self.session.state.plots.trace == "voxel" or self.session.case is None
            none = voxel and not self._has_voxels()
            self.parcel_label.show_words(_NO_VOXELS if none else "Click a parcel.")

    def _more(self, trace: Trace) -> str:
        signals, parcel = self._signals(), self.session.parcel
        if not trace.key.startswith("parcel") or signals is None or parcel is None:
            return ""
        share = signals.coverage[parcel] * 100
        return f"  ·  {signals.networks[parcel]}  ·  coverage {share:.0f} %"

    # frames ----------------------------------------------------------------------

    def _frame_changed(self) -> None:
        for cursor in self._cursors:
            cursor.setValue(self.session.frame)

    def _frames_changed(self) -> None:
        frames = self.session.state.selection.frames
        for region in self._ranges:
            region.setVisible(frames is not None)
        if frames is not None:
            self._show_range(*frames)

    def _show_range(self, first: int, last: int) -> None:
        for region in self._ranges:
            region.setRegion((first - 0.5, last + 0.5))
            region.show()

    def _plots_changed(self) -> None:
        state = self.session.state.plots
        if self._made != (state.series, state.percent):
            self.refresh()
        else:
            set_choice(self.source_box, state.trace)
            self._selection_changed()

    def _clicked(self, frame: int, shift: bool) -> None:
        if shift:
            self.hold()
        else:
            self.session.select_frame(frame)

    # keys ------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep the trace that follows the selection, or let it go."""
        hold(self.session)

    def release(self) -> None:
        """Keep none."""
        self.session.change("Let all traces go", "plots", held=())

    def volume_before(self) -> None:
        """One volume back."""
        self.session.select_frame(self.session.frame - 1)

    def volume_after(self) -> None:
        """One volume on."""
        self.session.select_frame(self.session.frame + 1)

    # words and files ---------------------------------------------------------------

    def sentence(self) -> str:
        """Which traces are drawn and their values at the cursor."""
        if not self._traces:
            return self.empty_reason()
        volume = self.session.frame + self._traces[0].first_frame
        parts = []
        for trace in self._traces:
            at = np.flatnonzero(trace.volumes == volume)
            value = f" {trace.raw[at[0]]:.6g}" if at.size else ""
            parts.append(f"{trace.name}{value}")
        return f"Time series at volume {volume} (first = 0): {', '.join(parts)}"

    def as_table(self) -> Table | None:
        """One row a volume, or a frequency: what is drawn."""
        if not self._traces:
            return None
        columns, series = [], []
        for trace in self._traces:
            for name, (across, up) in self._points(trace).items():
                columns.append(f"{trace.name}, {name}")
                series.append((across, up))
        spectral = self.session.state.plots.series == "spectrum"
        first = 0 if spectral else self._traces[0].first_frame
        grid = np.unique(np.concatenate([across for across, _ in series]))
        made = np.full((len(grid), len(series)), np.nan)
        for column, (across, up) in enumerate(series):
            made[np.searchsorted(grid, across), column] = up
        head = "frequency, Hz" if spectral else "volume"
        rows: list[Sequence[Cell]] = [
            (float(at) if spectral else int(at) + first, *(float(value) for value in values))
            for at, values in zip(grid, made, strict=True)
        ]
        return Table((head, *columns), rows)

    def ask_export(self) -> None:
        """Choose where the traces go."""
        if not self._traces:
            return
        stem = self.session.case.case.stem() if self.session.case is not None else "scan"
        name, _ = QFileDialog.getSaveFileName(
            self, "Export the time series", f"{stem}_desc-traces_timeseries.tsv", "TSV (*.tsv)"
        )
        if name:
            self.export_to(Path(name))

    def export_to(self, path: Path) -> None:
        """Write the traces as they are stored: raw in scanner units, whatever is drawn."""
        try:
            with storage_errors():
                replace_file(path, traces_tsv(self._traces, repetition_time_s(self.session)))
        except AppError as error:
            self.parcel_label.show_words(f"{error.message} {error.hint}".strip())
        else:
            self.parcel_label.show_words(f"{len(self._traces)} time series were exported.")


def _plain(colour: str) -> Look:
    return colour, Qt.PenStyle.SolidLine
