"""Motion, FD and DVARS above the carpet, all on one time axis with one frame cursor."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QWidget

from app.core.arrays import Floats
from app.core.colours import CARPET_LIMIT_SD, NETWORK_SHORT, network_colour, network_names
from app.core.results import Case
from app.gui.session import OpenCase, Session
from app.gui.widgets import plots
from app.gui.widgets.fields import choice, muted, set_choice
from app.gui.widgets.view import ElidedLabel, View
from app.preprocessing.presets import SPIKE_FD_MM, SPIKE_STD_DVARS

_KINDS = {"before": "Before cleaning", "after": "After cleaning"}
_HUES = ("#4e9ad4", "#e0913a", "#7fb069")  # x, y, z
_SELECTED_HUE = "#ffeb3b"
_JENKINSON_HUE = "#e0913a"
VOLUME_LABEL = "Volume in the file (first = 0)"
_ROW_SHARES = {"trace": 3, "carpet": 10}


def flag_limits(case: Case) -> dict[str, float]:
    """Confound name -> the limit above which this case's recipe flags a frame."""
    told = case.provenance.parameters if case.provenance is not None else {}
    limits = {"framewise_displacement": SPIKE_FD_MM, "std_dvars": SPIKE_STD_DVARS}
    for key, name in (
        ("framewise_displacement", "flag_fd_power_mm"),
        ("std_dvars", "flag_std_dvars"),
    ):
        value = told.get(name)
        if isinstance(value, int | float):
            limits[key] = float(value)
    return limits


class MotionView(View):
    """Traces aligned to the carpet; hovering reads a frame, clicking selects it."""

    name = "motion"
    title = "Motion and carpet"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.kind_box = choice(
            "Carpet before or after cleaning",
            _KINDS,
            session.display.carpet,
            lambda key: session.set_display(carpet=key),
        )
        hues = " ".join(
            f'<span style="color:{hue}">&#9644;</span> {name}'
            for hue, name in zip(_HUES, "xyz", strict=True)
        )
        legend = muted(hues)
        legend.setAccessibleName("Blue x, orange y, green z")
        self.tools.addWidget(legend)
        self.tools.addSpacing(10)
        self.tools.addWidget(
            muted(f"grey: \N{MINUS SIGN}{CARPET_LIMIT_SD:g} to +{CARPET_LIMIT_SD:g} SD")
        )
        self.tools.addWidget(self.kind_box)
        self.graphics = pg.GraphicsLayoutWidget()
        self.graphics.ci.layout.setSpacing(2)
        self.graphics.ci.layout.setContentsMargins(0, 0, 6, 0)
        self.graphics.setAccessibleName("Motion traces and carpet")
        self.body.addWidget(self.graphics, 1)
        self.networks = muted("")
        self.networks.setTextFormat(Qt.TextFormat.RichText)
        self.networks.setAccessibleName("Networks of the strip beside the carpet")
        self.body.addWidget(self.networks)
        self.read_out = ElidedLabel()
        self.read_out.setObjectName("muted")
        self.body.addWidget(self.read_out)
        self._plots: list[pg.PlotItem] = []
        self._cursors: list[pg.InfiniteLine] = []
        self._image: pg.ImageItem | None = None
        self._row_line: pg.InfiniteLine | None = None  # of the selected parcel in the carpet
        self.graphics.scene().sigMouseMoved.connect(self._hovered)
        self.graphics.scene().sigMouseClicked.connect(self._clicked)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.listen(session.frame_changed, self._frame_changed)
        self.listen(session.parcel_changed, self._parcel_changed)
        self.listen(session.display_changed, self._display_changed)
        self.refresh()

    # drawing ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the case's traces and carpet."""
        for _ in self.refreshing():
            pass

    def refreshing(self) -> Iterator[None]:
        """A plot a turn: making one takes long."""
        self.graphics.clear()
        self._plots, self._cursors, self._image, self._row_line = [], [], None, None
        colours = self.tokens()
        self.graphics.setBackground(QColor(colours.surface))
        self.networks.setText("")
        opened = self.session.case
        if opened is None or opened.case.signals is None or opened.case.motion is None:
            self.graphics.addLabel(self.empty_reason(), color=colours.muted)
            self.read_out.set_full_text("")
            return
        for part in (self._add_motion(opened), self._add_flagging(opened)):
            yield from part
        self._add_carpet(opened)
        yield
        for item in self._plots:
            self._finish(item, opened)
        stretch = self.graphics.ci.layout
        for row in range(len(self._plots)):
            carpet = row == len(self._plots) - 1
            stretch.setRowStretchFactor(row, _ROW_SHARES["carpet" if carpet else "trace"])
            # Rows share the room by their factors alone, whatever was drawn here before.
            stretch.setRowPreferredHeight(row, 10.0)
        stretch.activate()
        self._frame_changed()
        self._parcel_changed()

    def _finish(self, item: pg.PlotItem, opened: OpenCase) -> None:
        """Colours, the common time axis, the cursor, the marks of flagged frames."""
        assert opened.case.signals is not None
        colours = self.tokens()
        plots.style_plot(item, colours)
        item.setXLink(self._plots[-1])
        cursor = pg.InfiniteLine(pos=self.session.frame, pen=plots.pen(colours.accent, 1.5))
        item.addItem(cursor, ignoreBounds=True)
        self._cursors.append(cursor)
        if item is not self._plots[-1]:
            plots.shade_flagged(item, opened.case.signals.good_frames, colours)
            item.getAxis("bottom").setStyle(showValues=False)
            item.getAxis("bottom").setHeight(6)

    def restyle(self) -> None:
        """Draw again in the theme's colours."""
        self.refresh()

    def _add_motion(self, opened: OpenCase) -> Iterator[None]:
        parameters = self._frames_of(opened, np.asarray(opened.case.motion.parameters))  # type: ignore[union-attr]
        for columns, label, factor, units in (
            (slice(0, 3), "Shift", 1.0, "mm"),
            (slice(3, 6), "Turn", 180.0 / np.pi, "°"),
        ):
            item = self._new_plot(label, units)
            for hue, trace in zip(_HUES, (parameters[:, columns] * factor).T, strict=True):
                plots.curve(item, trace, hue)
            yield

    def _add_flagging(self, opened: OpenCase) -> Iterator[None]:
        """FD of both kinds, standardised DVARS, DVARS; those that flag carry their limit."""
        signals, motion, colours = opened.case.signals, opened.case.motion, self.tokens()
        assert signals is not None
        assert motion is not None
        jenkinson = self._frames_of(opened, np.asarray(motion.framewise_displacement_jenkinson_mm))
        for key, label, units in (
            ("framewise_displacement", "FD", "mm"),
            ("std_dvars", "std.DVARS", ""),
            ("dvars", "DVARS", ""),
        ):
            trace = signals.confounds.get(key)
            if trace is None:
                continue
            item = self._new_plot(label, units)
            values = np.asarray(trace, dtype=float)
            if key == "framewise_displacement":
                plots.curve(item, jenkinson, _JENKINSON_HUE, 1.0)
                plots.legend(item, (("Power", colours.accent), ("Jenkinson", _JENKINSON_HUE)))
            plots.curve(item, values, colours.accent, 1.4)
            limit = flag_limits(opened.case).get(key)
            top = float(np.nanmax(values, initial=0.0))
            if limit is not None:  # raw DVARS lies around its own level, in the scanner's units
                plots.limit_line(item, limit, colours, limit_text(values, limit, units))
                item.setYRange(0, max(top, limit * 1.6), padding=0.04)
            yield

    def _add_carpet(self, opened: OpenCase) -> None:
        item = self._new_plot("Parcels", "")
        item.setLabel("bottom", VOLUME_LABEL)
        image = pg.ImageItem()
        item.addItem(image)
        self._image = image
        item.getViewBox().invertY(True)
        self._row_line = pg.InfiniteLine(angle=0, pen=plots.pen(_SELECTED_HUE, 1.0))
        self._row_line.setVisible(False)
        item.addItem(self._row_line, ignoreBounds=True)
        self._add_network_strip(item, opened)
        self._add_flag_strip(item, opened)
        self._show_carpet(opened)

    def _add_network_strip(self, item: pg.PlotItem, opened: OpenCase) -> None:
        rows, signals = opened.view.carpet_rows, opened.case.signals
        if rows is None or signals is None or not len(rows):
            return
        strip = np.array([network_colour(signals.networks[int(p)]) for p in rows], dtype=np.uint8)
        frames = len(signals.good_frames)
        width = max(frames / 90.0, 1.0)
        picture = pg.ImageItem(strip[:, None, :])
        picture.setRect(-0.5 - width, 0, width, len(rows))
        item.addItem(picture)
        names = [signals.networks[int(p)] for p in rows]
        starts = [0, *(i for i in range(1, len(names)) if names[i] != names[i - 1]), len(names)]
        ticks = [
            ((a + b) / 2.0, NETWORK_SHORT.get(names[a], names[a]))
            for a, b in itertools.pairwise(starts)
            if b - a >= len(names) / 26
        ]
        item.getAxis("left").setTicks([ticks])
        item.getAxis("left").setStyle(tickLength=0)
        squares = [
            f'<span style="color:rgb{network_colour(name)}">&#9632;</span>'
            f"{NETWORK_SHORT.get(name, name)}"
            for name in network_names(names)
        ]
        self.networks.setText(" &nbsp;".join(squares))
        self.networks.setToolTip("\n".join(network_names(names)))

    def _add_flag_strip(self, item: pg.PlotItem, opened: OpenCase) -> None:
        """Marks above the carpet, over each flagged frame."""
        rows, signals = opened.view.carpet_rows, opened.case.signals
        if rows is None or signals is None:
            return
        flagged = np.flatnonzero(~np.asarray(signals.good_frames))
        height = _flag_strip(len(rows))
        marks = pg.BarGraphItem(
            x=flagged, y0=-height, height=height, width=1.0, brush=self.tokens().attention, pen=None
        )
        item.addItem(marks)

    def _show_carpet(self, opened: OpenCase) -> None:
        kind = self.session.display.carpet
        set_choice(self.kind_box, kind)
        view = opened.view
        carpet = view.carpet_before if kind == "before" else view.carpet_after
        if self._image is None or carpet is None or not len(carpet):
            return
        scaled = np.clip((np.asarray(carpet) / CARPET_LIMIT_SD + 1.0) * 127.5, 0.0, 255.0)
        pixels = np.nan_to_num(scaled).astype(np.uint8)
        self._image.setImage(pixels, levels=(0, 255), autoLevels=False)
        self._image.setRect(-0.5, 0, pixels.shape[1], pixels.shape[0])
        width = max(pixels.shape[1] / 90.0, 1.0)
        item = self._plots[-1]
        item.setYRange(-_flag_strip(pixels.shape[0]), pixels.shape[0], padding=0)
        item.setXRange(-0.5 - width, pixels.shape[1] - 0.5, padding=0)

    def _new_plot(self, label: str, units: str) -> pg.PlotItem:
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        first = signals.first_frame if signals is not None else 0
        item = plots.plot(self.graphics, len(self._plots), label, units, first_frame=first)
        self._plots.append(item)
        return item

    def _frames_of(self, opened: OpenCase, values: Floats) -> Floats:
        """Rows of a per-file-frame array that belong to the kept frames."""
        signals = opened.case.signals
        assert signals is not None
        first = signals.first_frame if len(values) > len(signals.good_frames) else 0
        return values[first : first + len(signals.good_frames)]

    # frames ----------------------------------------------------------------------

    def frame_text(self, frame: int) -> str:
        """What is known of a frame, with the base of the count."""
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return ""
        signals = opened.case.signals
        if not 0 <= frame < len(signals.good_frames):
            return ""
        parts = [
            f"volume {frame + signals.first_frame} in the file (first = 0)",
            f"{(frame + signals.first_frame) * signals.repetition_time_s:.1f} s",
        ]
        for key, label, unit in (
            ("framewise_displacement", "FD", " mm"),
            ("std_dvars", "DVARS", ""),
        ):
            if key in signals.confounds:
                value = float(signals.confounds[key][frame])
                parts.append(f"{label} {value:.2f}{unit}" if np.isfinite(value) else f"{label} –")
        parts.append("used" if signals.good_frames[frame] else "flagged: not used for connectivity")
        if not signals.good_frames.all():
            parts.append(f"{int((~np.asarray(signals.good_frames)).sum())} flagged in all")
        return "  ·  ".join(parts)

    def _frame_at(self, scene_position: object) -> int | None:
        if not self._plots or not self.graphics.ci.sceneBoundingRect().contains(scene_position):
            return None
        box = self._plots[-1].getViewBox()
        return round(float(box.mapSceneToView(scene_position).x()))

    def _row_text(self, scene_position: object) -> str:
        """Region and network of the carpet's row under the pointer."""
        opened = self.session.case
        box = self._plots[-1].getViewBox()
        if opened is None or not box.sceneBoundingRect().contains(scene_position):
            return ""
        rows, signals = opened.view.carpet_rows, opened.case.signals
        row = int(np.floor(float(box.mapSceneToView(scene_position).y())))
        if rows is None or signals is None or not 0 <= row < len(rows):
            return ""
        parcel = int(rows[row])
        return f"{signals.parcel_names[parcel].replace('_', ' ')}, {signals.networks[parcel]}"

    def _hovered(self, scene_position: object) -> None:
        frame = self._frame_at(scene_position)
        if frame is not None:
            words = self.frame_text(frame) or self.frame_text(self.session.frame)
            region = self._row_text(scene_position)
            self.read_out.set_full_text(f"{region}  ·  {words}" if region else words)

    def _clicked(self, event: pg.GraphicsScene.mouseEvents.MouseClickEvent) -> None:
        frame = self._frame_at(event.scenePos())
        if frame is not None:
            self.session.select_frame(frame)

    def _frame_changed(self) -> None:
        for cursor in self._cursors:
            cursor.setValue(self.session.frame)
        self.read_out.set_full_text(self.frame_text(self.session.frame))

    def _parcel_changed(self) -> None:
        opened, line = self.session.case, self._row_line
        if opened is None or line is None or opened.view.carpet_rows is None:
            return
        found = np.flatnonzero(np.asarray(opened.view.carpet_rows) == self.session.parcel)
        line.setVisible(bool(found.size))
        if found.size:
            line.setValue(float(found[0]) + 0.5)

    def _display_changed(self) -> None:
        if self.session.case is not None and self._image is not None:
            self._show_carpet(self.session.case)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Comma and full stop: the volume before and after; with Shift the next flagged one."""
        key, frame = event.key(), self.session.frame
        if key in (Qt.Key.Key_Comma, Qt.Key.Key_Period):
            self.session.select_frame(frame + (-1 if key == Qt.Key.Key_Comma else 1))
        elif key in (Qt.Key.Key_Less, Qt.Key.Key_Greater, Qt.Key.Key_Semicolon, Qt.Key.Key_Colon):
            self._go_to_flagged(forward=key in (Qt.Key.Key_Greater, Qt.Key.Key_Colon))
        elif key == Qt.Key.Key_B:
            other = "after" if self.session.display.carpet == "before" else "before"
            self.session.set_display(carpet=other)
        else:
            super().keyPressEvent(event)

    def _go_to_flagged(self, *, forward: bool) -> None:
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return
        flagged = np.flatnonzero(~np.asarray(opened.case.signals.good_frames))
        ahead = (
            flagged[flagged > self.session.frame]
            if forward
            else flagged[flagged < self.session.frame]
        )
        if ahead.size:
            self.session.select_frame(int(ahead[0] if forward else ahead[-1]))


def limit_text(values: Floats, limit: float, units: str) -> str:
    """Such as "limit 0.5 mm: 6 of 200 over"; frames without a value are not over."""
    over = int((np.nan_to_num(np.asarray(values)) > limit).sum())
    return f"limit {limit:g}{' ' * bool(units)}{units}: {over} of {len(values)} over"


def _flag_strip(rows: int) -> float:
    """Height of the marks above the carpet, in rows."""
    return max(rows / 40.0, 1.0)
