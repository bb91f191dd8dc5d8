"""Motion, FD, DVARS and tSNR above the live carpet: read, step, leave frames out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSlider, QWidget

from app.core.colours import CARPET_LIMIT_SD, network_names
from app.gui.censoring import rows_by_hand, take_back, toggle_censored, warm_up
from app.gui.jobs import Reader
from app.gui.session import OpenCase, Session
from app.gui.widgets import plots
from app.gui.widgets.carpet_plot import CarpetPlot, networks_of
from app.gui.widgets.censor_bar import CensorBar
from app.gui.widgets.fields import muted, share_slider
from app.gui.widgets.frame_keys import FRAME_COMMANDS, FrameKeys
from app.gui.widgets.frame_marks import FrameMarks
from app.gui.widgets.frame_mouse import FrameMouse
from app.gui.widgets.frame_table import frame_table, frame_words
from app.gui.widgets.motion_traces import trace_plots
from app.gui.widgets.tables import Table
from app.gui.widgets.view import ElidedLabel, View
from app.gui.widgets.view_keys import ViewCommand
from app.preprocessing.carpet import carpet_rows

VOLUME_LABEL = "Volume in the file (first = 0)"
_TRACES_SHARE = 0.55  # of the height, for all traces together
_LEAST_TRACE_PX = 34.0
_BEFORE = "Slide to Before, or press B, for the carpet before cleaning."
_SHARE = "Carpet before or after cleaning"


class MotionView(FrameKeys, View):
    """Traces aligned to the carpet; hover reads, click shows a volume, drag leaves frames out."""

    name = "motion"
    title = "Motion and carpet"
    takes_turns = True
    draws = ("carpet_before.npy", "carpet_after.npy", "carpet_rows.npy")
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        *FRAME_COMMANDS,
        ViewCommand("flagged_back", "Flagged volume before", "Shift+,", "flagged_before"),
        ViewCommand("flagged_on", "Next flagged volume", "Shift+.", "flagged_after"),
        ViewCommand(
            "censor",
            "Leave the selected frames out, or take them back",
            "X",
            "censor",
            help="Connectivity and gates follow at once; the number waits for a new run",
        ),
        ViewCommand("before_after", "Carpet before or after cleaning", "B", "swap_carpet"),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click", "Show this volume in the slices; no frames are selected any more"),
        ("Drag", "Leave these frames out, or take them back"),
        ("Shift+drag", "Select frames"),
        ("Click the strip of networks", "Select the network everywhere"),
    )

    run_again_asked = Signal()  # with the frames that are left out now

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.tools.addWidget(muted("Before"))
        self.share: QSlider = share_slider(_SHARE, session.state.plots.carpet_share, self._slid)
        self.share.sliderReleased.connect(session.end_merge)
        self.tools.addWidget(self.share)
        self.tools.addWidget(muted("After cleaning"))
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 0, 6, 0)
        self.graphics.setAccessibleName("Motion traces and carpet")
        self.mouse = FrameMouse(self.graphics)
        self.networks = muted("")
        self.networks.setTextFormat(Qt.TextFormat.RichText)
        self.networks.setWordWrap(True)  # the legend is never cut
        self.networks.setAccessibleName("Networks of the strip beside the carpet")
        self.censor_bar = CensorBar(session)
        self.read_out = ElidedLabel(lines=2)
        self.read_out.setObjectName("muted")
        self.body.addWidget(self.graphics, 1)
        for widget in (self.networks, self.censor_bar, self.read_out):
            self.body.addWidget(widget)
        self.reader: Reader | None = None
        self._room_later = QTimer(self)  # once the layout stands
        self._room_later.setSingleShot(True)
        self._room_later.timeout.connect(self._share_room)
        self._base: OpenCase | None = None  # that the plots were made for, as it lies on disk
        self._marks = FrameMarks()
        self._clear()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        session = self.session
        self.mouse.hovered.connect(self._hovered)
        self.mouse.clicked.connect(self._clicked)
        self.mouse.dragging.connect(self._marks.shade)
        self.mouse.dragged.connect(self._dragged)
        self.censor_bar.back_asked.connect(lambda: take_back(session))
        self.censor_bar.run_asked.connect(self.run_again_asked)
        self.listen(session.frame_changed, self._frame_changed)
        self.listen(session.frames_changed, self._frames_changed)
        self.listen(session.parcel_changed, self._parcel_changed, soon=True)
        self.listen(session.network_changed, self._network_changed)
        self.listen(session.plots_changed, self._plots_changed)
        self.listen(session.review_changed, self._show_frames)

    # drawing ---------------------------------------------------------------------

    def _clear(self) -> None:
        self._plots: list[pg.PlotItem] = []
        self._marks.clear()
        self._shades: list[tuple[pg.PlotItem, plots.FrameShade]] = []
        self._carpet: CarpetPlot | None = None
        self._share = -1.0  # of what is drawn
        self.mouse.plots = []

    @property
    def _row_line(self) -> pg.InfiniteLine | None:
        return None if self._carpet is None else self._carpet.row_line

    def refresh(self) -> None:
        """Draw the case's traces and carpet."""
        for _ in self.refreshing():
            pass

    def refreshing(self) -> Iterator[None]:
        """A plot a turn: making one takes long. Where only frames were edited, nothing is made."""
        opened = self.session.case
        base = (opened.original or opened) if opened is not None else None
        if base is not None and base is self._base and self._carpet is not None:
            self._show_frames()
            self._show_carpet()
            return
        yield from self._making(base)

    def _making(self, base: OpenCase | None) -> Iterator[None]:
        self._base = None
        self.graphics.clear()
        self.mouse.plots = []
        yield
        self._clear()  # the plots of before go, which takes long
        yield
        colours, opened = self.tokens(), self.session.case
        self.graphics.setBackground(QColor(colours.surface))
        self.networks.setText("")
        self.censor_bar.follow()
        if opened is None or opened.case.signals is None or opened.case.motion is None:
            self.graphics.addLabel(self.empty_reason(), color=colours.muted)
            self.read_out.set_full_text("")
            return
        for item in trace_plots(self.graphics, opened.case, colours):
            if item is not None:
                self._plots.append(item)
            yield
        self._add_carpet(opened)
        yield
        for item in self._plots:
            self._finish(item)
        self._room_later.start()
        plots.lay_out_later(self.graphics)
        self._base = base
        self.mouse.plots = self._plots
        self._show_frames()
        self._frame_changed()
        self._frames_changed()
        self._parcel_changed()
        self._network_changed()

    def _finish(self, item: pg.PlotItem) -> None:
        """Colours, the common time axis, the cursor, the selected frames."""
        colours = self.tokens()
        plots.style_plot(item, colours)
        self._marks.add(item, self.session.frame, colours, alpha=60)
        if item is not self._plots[-1]:
            plots.share_frames(item, self._plots[-1])

    def restyle(self) -> None:
        """Draw again in the theme's colours."""
        self._base = None
        self.refresh()

    def _add_carpet(self, opened: OpenCase) -> None:
        rows, signals = opened.view.carpet_rows, opened.case.signals
        assert signals is not None
        first, row = signals.first_frame, len(self._plots)
        item = plots.plot(self.graphics, row, "Parcels", first_frame=first)
        grey = f"grey: \N{MINUS SIGN}{CARPET_LIMIT_SD:g} to +{CARPET_LIMIT_SD:g} SD"
        plots.name_below(item, f"{VOLUME_LABEL}  \N{MIDDLE DOT}  {grey}")
        self._plots.append(item)
        names = () if rows is None else networks_of(rows, signals.networks)
        self._carpet = CarpetPlot(item, names, self.tokens())
        if names:
            self._carpet.set_up(len(signals.good_frames))
            self.networks.setText(self._carpet.legend())
            self.networks.setToolTip("\n".join(network_names(names)))
        self._show_carpet()

    def _show_carpet(self) -> None:
        opened, self._share = self.session.case, self.session.state.plots.carpet_share
        self.share.blockSignals(True)
        self.share.setValue(round(self._share * 100))
        self.share.blockSignals(False)
        if opened is None or self._carpet is None:
            return
        view, signals = opened.view, opened.case.signals
        before, after, rows = view.carpet_before, view.carpet_after, view.carpet_rows
        if before is None or after is None or rows is None or not len(rows) or signals is None:
            self._carpet.show_reason(self.empty_reason())
            return
        nothing = opened.not_cleaned if self._share > 0.0 else ""  # before cleaning there is one
        self._carpet.show_reason(f"{nothing} {_BEFORE}" if nothing else "")
        if nothing:
            return
        if opened.is_edited:  # the file's rows were cleaned with other frames
            after = carpet_rows(np.asarray(signals.cleaned), np.asarray(rows, dtype=np.int64))
        self._carpet.show_values(before, after, self._share)

    def showEvent(self, event: QShowEvent) -> None:
        """Make ready for the first edit of frames, in the background."""
        super().showEvent(event)
        if self.reader is None:
            self.reader = Reader(self)
            self.reader.read("ready", warm_up, lambda _done: None)

    def close_scene(self) -> None:
        """Wait for the thread."""
        if self.reader is not None:
            self.reader.close()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share the room anew, once the layout stands."""
        super().resizeEvent(event)
        self._room_later.start()

    def _share_room(self) -> None:
        """Traces are low, whatever their axes wish; the carpet takes the rest."""
        if self._carpet is None:
            return
        layout, traces = self.graphics.ci.layout, len(self._plots) - 1
        high = max(self.graphics.height() * _TRACES_SHARE / max(traces, 1), _LEAST_TRACE_PX)
        for row in range(traces):
            layout.setRowMaximumHeight(row, high)
        layout.activate()
        self._carpet.fit_names()

    # frames ----------------------------------------------------------------------

    def _show_frames(self) -> None:
        """Shades and marks of the frames that are not used, and what is said of them."""
        opened = self.session.case
        self.censor_bar.follow()
        if opened is None or self._carpet is None or opened.case.signals is None:
            return
        for item, shade in self._shades:
            item.removeItem(shade)
        self._shades = []
        colours, by_hand = self.tokens(), rows_by_hand(self.session)
        flagged = ~np.asarray(opened.case.signals.good_frames)
        self._carpet.show_frames(flagged, by_hand)
        for item in self._plots[:-1]:
            for bad, hue in ((flagged & ~by_hand, colours.attention), (by_hand, colours.accent)):
                for shade in plots.shade_frames(item, ~bad, hue):
                    self._shades.append((item, shade))
        self._frame_changed()

    def frame_text(self, frame: int) -> str:
        """What is known of a frame, with the base of the count."""
        opened = self.session.case
        by_hand = self.session.state.review.censored
        return "" if opened is None else frame_words(opened.case, frame, by_hand)

    def _row_text(self, scene_position: object) -> str:
        """Region and network of the carpet's row under the pointer."""
        parcel = self._parcel_at(scene_position)
        signals = self.session.case.case.signals if self.session.case is not None else None
        if parcel is None or signals is None:
            return ""
        return f"{signals.parcel_names[parcel].replace('_', ' ')}, {signals.networks[parcel]}"

    def _parcel_at(self, scene_position: object) -> int | None:
        """The parcel of the carpet's row at a point of the scene."""
        opened, box = self.session.case, self._plots[-1].getViewBox()
        rows = opened.view.carpet_rows if opened is not None else None
        if rows is None or not box.sceneBoundingRect().contains(scene_position):
            return None
        row = int(np.floor(float(box.mapSceneToView(scene_position).y())))
        return int(rows[row]) if 0 <= row < len(rows) else None

    def _clicked(self, frame: int, _shift: bool) -> None:
        """Show a volume; left of the first one lies the strip of the networks."""
        parcel = self._parcel_at(self.mouse.released_at) if frame < 0 else None
        opened = self.session.case
        if parcel is not None and opened is not None and opened.case.signals is not None:
            self.session.select_network(opened.case.signals.networks[parcel])
        else:
            self.session.select_only_frame(frame)

    def _hovered(self, frame: int, scene_position: object) -> None:
        words = self.frame_text(frame) or self.frame_text(self.session.frame)
        region = self._row_text(scene_position)
        self.read_out.set_full_text(f"{region}  ·  {words}" if region else words)

    def _frame_changed(self) -> None:
        self._marks.move(self.session.frame)
        self.read_out.set_full_text(self.frame_text(self.session.frame))

    def _frames_changed(self) -> None:
        self._marks.select(self.session.state.selection.frames)

    def _dragged(self, first: int, last: int, shift: bool) -> None:
        self.session.select_frames(first, last)
        if not shift:
            toggle_censored(self.session, first, last)

    # selection -------------------------------------------------------------------

    def _parcel_changed(self) -> None:
        opened = self.session.case
        if opened is None or self._carpet is None or opened.view.carpet_rows is None:
            return
        found = np.flatnonzero(np.asarray(opened.view.carpet_rows) == self.session.parcel)
        self._carpet.show_row(int(found[0]) if found.size else None)

    def _network_changed(self) -> None:
        if self._carpet is not None:
            self._carpet.show_network(self.session.state.selection.network)

    def _plots_changed(self) -> None:
        if self._share != self.session.state.plots.carpet_share:
            self._show_carpet()

    def _slid(self, share: float) -> None:
        self.session.change(_SHARE, "plots", merge="carpet", carpet_share=share)

    # keys ------------------------------------------------------------------------

    def flagged_before(self) -> None:
        """To the last frame before the cursor that is not used."""
        self._go_to_flagged(forward=False)

    def flagged_after(self) -> None:
        """To the next frame that is not used."""
        self._go_to_flagged(forward=True)

    def censor(self) -> None:
        """Leave the selected frames out, or take them back; without a range, the cursor's."""
        frames = self.session.state.selection.frames
        toggle_censored(self.session, *(frames or (self.session.frame, self.session.frame)))

    def swap_carpet(self) -> None:
        """All before cleaning, or all after."""
        share = 0.0 if self.session.state.plots.carpet_share > 0.5 else 1.0
        self.session.change(_SHARE, "plots", carpet_share=share)

    def _go_to_flagged(self, *, forward: bool) -> None:
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return
        flagged = np.flatnonzero(~np.asarray(opened.case.signals.good_frames))
        now = self.session.frame
        ahead = flagged[flagged > now] if forward else flagged[flagged < now]
        if ahead.size:
            self.session.select_frame(int(ahead[0] if forward else ahead[-1]))

    # words -----------------------------------------------------------------------

    def sentence(self) -> str:
        """What is known of the volume at the cursor, and what was left out."""
        words = self.frame_text(self.session.frame)
        return words or self.empty_reason()

    def as_table(self) -> Table | None:
        """One row a volume with every trace and whether it is used."""
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return None
        return frame_table(opened.case, self.session.state.review.censored)
