"""Time series of the selected parcel or voxel and of those that are held, or their spectra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyqtgraph as pg
from PySide6.QtCore import QSignalBlocker
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from app.core.arrays import Floats
from app.core.explanation_wording import titled
from app.core.results import CleanSignals
from app.gui.session import Session
from app.gui.trace_values import (
    Trace,
    axis_words,
    drawn_points,
    drawn_rows,
    save_traces,
    spoken,
)
from app.gui.traces import (
    current_key,
    hold,
    hold_key,
    mask_key,
    more,
    moved_baseline,
    moved_words,
    repetition_time_s,
    sphere_key,
    trace_of,
)
from app.gui.widgets import plots
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.file_dialogs import ask_save
from app.gui.widgets.frame_keys import FRAME_COMMANDS, FrameKeys
from app.gui.widgets.frame_marks import FrameMarks
from app.gui.widgets.frame_mouse import FrameMouse
from app.gui.widgets.mask_reader import MaskReader
from app.gui.widgets.motion_traces import draw_displacement
from app.gui.widgets.roi_button import RoiButton
from app.gui.widgets.tables import Table
from app.gui.widgets.trace_legend import Look, TraceLegend, look_of, plain_look
from app.gui.widgets.view import View
from app.gui.widgets.view_keys import ViewCommand

_KINDS = {"time": "Over time", "spectrum": "Spectrum"}
_SOURCES = {"parcel": "Parcel", "voxel": "Voxel"}
_NO_MASK = "Add a mask as a layer first; of an image of labels, put the crosshair on one."
_NO_VOXELS = "Press Open volumes… in the Scan view (Load) to read voxels; the case stays open."


class TimeSeriesView(FrameKeys, View):
    """Traces over the volumes of the file with flagged frames shaded, motion below.

    With `native` the current trace is the voxel under the scan's own crosshair.
    """

    name = "time_series"
    title = "Time series"
    takes_turns = True
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        ViewCommand("hold", "Hold this time series", "T", "hold"),
        ViewCommand("hold_mask", "Hold the mean inside the uppermost mask", "", "hold_mask"),
        ViewCommand("hold_sphere", "Hold the mean in a sphere here (ROI)", "R", "hold_sphere"),
        ViewCommand("release", "Let all held time series go", "Shift+T", "release"),
        *FRAME_COMMANDS,
        ViewCommand("export", "Export the time series (TSV)…", "", "ask_export"),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click", "Show this volume"),
        ("Shift+click", "Hold this time series"),
        ("Drag", "Select frames: the series attribution is drawn for them"),
    )

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, native: bool = False
    ) -> None:
        super().__init__(session, parent)
        self.native = native
        self.reader = MaskReader(session, self)
        state = session.state.plots
        self.source_box = choice(
            "Parcel, or voxel at the crosshair",
            _SOURCES,
            state.trace,
            lambda key: session.change("Parcel or voxel", "plots", trace=key),
        )
        self.percent_box = QCheckBox("%")
        self.percent_box.setToolTip("Change of the raw values in percent of their mean over time")
        self.percent_box.setAccessibleName("Percent change")
        self.percent_box.toggled.connect(
            lambda on: session.change("Percent change", "plots", percent=on)
        )
        self.kind_box = choice(
            "Time or spectrum",
            _KINDS,
            state.series,
            lambda key: session.change("Time or spectrum", "plots", series=key),
        )
        self.roi_button = RoiButton(session)
        self.roi_button.sphere_asked.connect(self.hold_sphere)
        self.roi_button.mask_asked.connect(self.hold_mask)
        for widget in (self.source_box, self.percent_box, self.kind_box):
            self.tools.addWidget(widget)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 0, 6, 0)
        self.graphics.setAccessibleName("Time series")
        self.mouse = FrameMouse(self.graphics)
        self.parcel_label = TraceLegend()
        names = QHBoxLayout()  # the title row has no room left in a small window
        names.addWidget(self.parcel_label, 1)
        names.addWidget(self.roi_button)
        self.body.addLayout(names)
        self.body.addWidget(self.graphics, 1)
        self._plots: dict[str, pg.PlotItem] = {}
        self._marks = FrameMarks()
        self._curves: list[tuple[pg.PlotItem, pg.PlotDataItem]] = []
        self._traces: tuple[Trace, ...] = ()
        self._made: object = None
        self.reader.done.connect(self._arrived)
        self.reader.refused.connect(self.parcel_label.show_words)
        self._shown: object = None  # which traces are drawn
        self.mouse.clicked.connect(self._clicked)
        self.mouse.dragging.connect(self._marks.shade)
        self.mouse.dragged.connect(lambda first, last, _shift: session.select_frames(first, last))
        for signal in (session.parcel_changed, session.network_changed):
            self.listen(signal, self._selection_changed, soon=True)
        self.listen(session.crosshair_changed, self._crosshair_changed, soon=True)
        self.listen(session.frame_changed, self._frames_changed)
        self.listen(session.volumes_changed, self.refresh)
        self.listen(session.frames_changed, self._frames_changed)
        for signal in (session.plots_changed, session.display_changed):
            self.listen(signal, self._plots_changed)
        self.refresh()

    # drawing ---------------------------------------------------------------------

    def _arrived(self) -> None:
        """Draw again: what a trace waited for was read."""
        self._shown = None
        self._selection_changed()

    def refresh(self) -> None:
        """Build the axes for what is open, then show the traces."""
        for _ in self.refreshing():
            pass

    def refreshing(self) -> Iterator[None]:
        """A plot a turn: making one takes long."""
        state, signals, opened = self.session.state.plots, self._signals(), self.session.case
        self.graphics.clear()
        self._shown = None
        self.mouse.plots = []
        yield
        self._plots, self._curves = {}, []  # the plots of before go, which takes long
        self._marks.clear()
        yield
        colours = self.tokens()
        self.graphics.setBackground(QColor(colours.surface))
        set_choice(self.kind_box, state.series)
        set_choice(self.source_box, state.trace)
        self.source_box.setVisible(opened is not None and not self.native)
        with QSignalBlocker(self.percent_box):
            self.percent_box.setChecked(state.percent)
        self._made = (state.series, state.percent, moved_words(self.session))
        time = state.series == "time"
        if signals is None and not self._has_voxels():
            self.parcel_label.show_words("")
            self.graphics.addLabel(self.empty_reason(), color=colours.muted)
            self.mouse.plots = []
            return
        self._add("raw", "Raw, %" if state.percent else "Raw")
        yield
        if signals is not None:
            if not self.native:  # voxels are not cleaned
                words = "Cleaned, %" if signals.units == "percent" else "Cleaned"
                few = opened.not_cleaned if opened is not None else ""
                self._add("cleaned", "Not cleaned: too few usable frames" if few else words)
                yield
            if time and moved_words(self.session) and not self.native:
                self._add("moved", moved_words(self.session))
                yield
            if time and opened is not None and "framewise_displacement" in signals.confounds:
                draw_displacement(self._add("motion", "FD, mm"), opened.case, colours)
        last = list(self._plots.values())[-1]
        for item in self._plots.values():
            if item is not last:
                plots.share_frames(item, last)
        plots.name_below(last, axis_words(signals, state))
        self.mouse.plots = list(self._plots.values()) if time else []
        plots.share_height(self.graphics, [2 if n == "motion" else 4 for n in self._plots])
        plots.lay_out_later(self.graphics)
        yield
        self._selection_changed()
        self._frames_changed()

    def _add(self, name: str, label: str) -> pg.PlotItem:
        time, signals = self.session.state.plots.series == "time", self._signals()
        first = (0 if signals is None else signals.first_frame) if time else None
        colours = self.tokens()
        item = plots.plot(self.graphics, len(self._plots), "", first_frame=first)
        plots.style_plot(item, colours)
        plots.legend(item, ((label, colours.muted),), colours.surface)
        self._plots[name] = item
        if time:
            if signals is not None:
                plots.shade_flagged(item, signals.good_frames, colours)
            self._marks.add(item, self.session.frame, colours, alpha=45, depth=-5)
        return item

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
        return self.session.volumes is not None

    def _selection_changed(self) -> None:
        """Take the traces anew: the current one first, then those that are held."""
        if not self._plots:
            return
        current, held = current_key(self.session, native=self.native), self.session.state.plots.held
        keys = [current] * bool(current) + [key for key in held if key != current]
        shown = (tuple(keys), held, id(self.session.drawn), self._made)
        if shown == self._shown:
            return  # a slice was stepped inside the parcel
        self._shown = shown
        self.reader.want(keys)
        found = (trace_of(self.session, key) for key in keys)
        self._traces = tuple(trace for trace in found if trace is not None)
        self._draw_curves()
        self._tell(current)

    def close_scene(self) -> None:
        """Wait for the thread."""
        self.reader.close()

    def _crosshair_changed(self) -> None:
        if current_key(self.session, native=self.native).startswith("voxel"):
            self._selection_changed()

    def _draw_curves(self) -> None:
        spare = {
            name: [c for i, c in self._curves if i is item] for name, item in self._plots.items()
        }
        self._curves = []
        held = self.session.state.plots.held
        for trace in self._traces:
            colour, dash = self._look(trace.key)
            width = 1.4 if trace.key not in held else 1.2
            for name, (across, up) in self._points(trace).items():
                item = self._plots.get(name)
                if item is None:
                    continue
                pen = plots.pen(colour, width, dash)
                if spare[name]:  # making one takes long
                    curve = spare[name].pop()
                    curve.setData(across, up, pen=pen, connect="finite")
                else:
                    curve = item.plot(across, up, pen=pen, connect="finite")
                self._curves.append((item, curve))
        for name, curves in spare.items():
            for curve in curves:
                self._plots[name].removeItem(curve)
        for name in ("raw", "cleaned", "moved"):
            if name in self._plots:
                self._plots[name].enableAutoRange(axis="y")
                self._plots[name].getAxis("left").setStyle(showValues=bool(self._traces))
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
        return look_of(held.index(key)) if key in held else plain_look(self.tokens().accent)

    def _points(self, trace: Trace) -> dict[str, tuple[Floats, Floats]]:
        """What is drawn of a trace in each plot."""
        return drawn_points(trace, self.session.state.plots, repetition_time_s(self.session))

    def _tell(self, current: str) -> None:
        entries = [
            (trace.name + more(self.session, trace) * (trace.key == current), self._look(trace.key))
            for trace in self._traces
        ]
        self.parcel_label.show_entries(tuple(entries))
        if not entries:
            parcel = self.session.state.plots.trace == "parcel" and self.session.case is not None
            voxel = self.native or not parcel
            none = voxel and not self._has_voxels()
            self.parcel_label.show_words(_NO_VOXELS if none else "Click a parcel or a network.")

    # frames ----------------------------------------------------------------------

    def _frames_changed(self) -> None:
        self._marks.move(self.session.frame)
        self._marks.select(self.session.state.selection.frames)

    def _plots_changed(self) -> None:
        state = self.session.state.plots
        if self._made != (state.series, state.percent, moved_words(self.session)):
            self.refresh()
        else:
            set_choice(self.source_box, state.trace)
            self._selection_changed()

    def _clicked(self, frame: int, shift: bool) -> None:
        self.hold() if shift else self.session.select_only_frame(frame)

    # keys ------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep the trace that follows the selection, or let it go."""
        hold(self.session, native=self.native)

    def hold_mask(self) -> None:
        """Hold the mean of the mask that lies uppermost among the layers, or of a label."""
        key = mask_key(self.session)
        self._hold_region(key, _NO_VOXELS if key else _NO_MASK)

    def hold_sphere(self) -> None:
        """Hold the mean in a sphere at the crosshair."""
        self._hold_region(sphere_key(self.session, native=self.native), _NO_VOXELS)

    def _hold_region(self, key: str, trouble: str) -> None:
        if key and self._has_voxels():
            hold_key(self.session, key)
        else:
            self.parcel_label.show_words(trouble)

    def release(self) -> None:
        """Keep none."""
        self.session.change("Let all traces go", "plots", held=())

    # words and files ---------------------------------------------------------------

    def sentence(self) -> str:
        """Which traces are drawn and their values at the cursor."""
        if not self._traces:  # what the screen says as well
            return self.parcel_label.full_text() or self.empty_reason()
        return spoken(self._traces, self.session.frame + self._traces[0].first_frame)

    def baseline(self) -> str:
        """Of what the frames moved, while it is drawn of (b)."""
        return moved_baseline(self.session) if "moved" in self._plots else ""

    def as_table(self) -> Table | None:
        """One row a volume, or a frequency: what is drawn."""
        if not self._traces:
            return None
        spectral = self.session.state.plots.series == "spectrum"
        first = None if spectral else self._traces[0].first_frame
        drawn = {
            titled(f"{trace.name}, {name}", self.baseline() * (name == "moved")): points
            for trace in self._traces
            for name, points in self._points(trace).items()
        }
        return Table(*drawn_rows(drawn, first))

    def ask_export(self) -> None:
        """Choose where the traces go."""
        if not self._traces:
            return
        stem = self.session.case.case.stem() if self.session.case is not None else "scan"
        name, _ = ask_save(
            self, "Export the time series", f"{stem}_desc-traces_timeseries.tsv", "TSV (*.tsv)"
        )
        if name:
            self.export_to(Path(name))

    def export_to(self, path: Path) -> None:
        """Write the traces as they are stored: raw in scanner units, whatever is drawn."""
        said = save_traces(path, self._traces, repetition_time_s(self.session))
        self.parcel_label.show_words(said)
