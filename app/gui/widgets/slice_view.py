"""What every view of three slices has: stage, bars, read-out, coordinate box, window and level."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.core.coordinates import stored_grid, stored_voxel
from app.core.explanation_wording import titled
from app.core.sides import UNKNOWN_SENTENCE, side_word
from app.gui.session import Point, Session
from app.gui.traces import storage_codes
from app.gui.view_state.slices import CROSSHAIR_COLOURS
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.overlay import Overlay, follows_frames
from app.gui.widgets.place_box import PlaceBox
from app.gui.widgets.slice_content import Crosshair, SliceContent
from app.gui.widgets.slice_keys import GESTURES, PLANE_COMMANDS, PlaneKeys
from app.gui.widgets.slice_stage import SliceStage
from app.gui.widgets.tables import Table
from app.gui.widgets.view import ElidedLabel, View
from app.gui.widgets.view_keys import ViewCommand

NO_IMAGE = "Parcel series were opened: there is no image."


class SliceView(View):
    """Slices with crosshair and read-out; subclasses say which volume and what lies on it."""

    title = "Slices"
    takes_turns = True
    draws = ("view.json", "template.npy", "boldref.npy", "native.json", "native_boldref.npy")
    plane_commands: ClassVar[tuple[ViewCommand, ...]] = PLANE_COMMANDS
    commands = PLANE_COMMANDS
    gestures = GESTURES

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.overlay: Overlay | None = None
        self._levels: dict[int, tuple[object, tuple[float, float]]] = {}  # by identity
        self.stage = SliceStage()
        self.stage.set_keys(
            PlaneKeys(session.keys, self.name, type(self).title, self.plane_commands)
        )
        self.stage.voxel_picked.connect(self._picked)
        self.stage.windowed.connect(self._window)
        self.stage.region_windowed.connect(self._window_region)
        self.stage.window_mode.connect(self.window_keys_changed)
        self.stage.released.connect(session.end_merge)
        self.stage.reset.connect(self._reset_window)
        self.bar = ColourBar()
        self.bars = QHBoxLayout()
        self.bars.setSpacing(0)
        self.bars.addWidget(self.bar)
        self.region = ElidedLabel(lines=2, firm=True)
        self.region.setObjectName("title")
        self.hidden = ElidedLabel(lines=4, firm=True)
        self.hidden.setObjectName("muted")
        self.read_out = ElidedLabel(lines=3, firm=True)
        self.read_out.setObjectName("muted")
        self.place = PlaceBox(session)
        self.place.placed.connect(self.select)
        self.place.copied.connect(self._copy)
        self.copy = self.place.copy
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.stage, 1)
        row.addLayout(self.bars)
        self.body.addLayout(row, 1)
        for label in (self.region, self.read_out):
            self.body.addWidget(label)
        self.place.row.addWidget(self.hidden, 4)
        self.body.addWidget(self.place)
        for signal in (session.parcel_changed, session.network_changed):
            self.listen(signal, self._parcel_changed)
        self.listen(session.crosshair_changed, self._crosshair_changed)
        self.listen(session.display_changed, self._draw)
        self.listen(session.slices_changed, self._draw)
        self.listen(session.frames_changed, self._frames_changed)

    # what is shown --------------------------------------------------------------

    @abstractmethod
    def volume(self) -> tuple[Ints | Floats, Floats] | None:
        """The volume under the crosshair with its affine, or None."""

    @abstractmethod
    def space_word(self) -> str:
        """Name of the template, or "scanner" where the picture is in no template."""

    @abstractmethod
    def content(self, data: Ints | Floats, affine: Floats) -> SliceContent:
        """All that the canvases draw; sets `overlay` to what lies on the picture."""

    @abstractmethod
    def hidden_text(self) -> str:
        """What stands right below the picture, such as the count below the threshold."""

    @abstractmethod
    def picture_key(self) -> str:
        """Name of the picture, under which its window and level are kept."""

    def reason(self) -> str:
        """Why there is no picture."""
        return self.empty_reason()

    def show_scale(self, data: Ints | Floats) -> None:
        """Give the bar its scale, or none."""
        if self.overlay is None:
            self.bar.set_scale(None)
        else:
            scale = self.overlay.scale
            self.bar.set_scale(scale, clipped=scale.clipped(self.overlay.values))

    def value_text(self, value: float) -> str:
        """The picture's value under the crosshair, with what it is."""
        return f"image {wording.number(value)}"

    def layer_texts(self, voxel: tuple[int, int, int]) -> list[str]:
        """The value of each layer under the crosshair, with its unit."""
        del voxel
        return []

    def volume_text(self) -> str:
        """Which volume of the run is shown; "" where there is only one picture."""
        return ""

    def refresh(self) -> None:
        """Draw the case or the scan that is open."""
        self._levels.clear()
        self._draw()

    def footnote(self) -> str:
        """The convention, in words, or that left and right are unknown."""
        known = self.session.orientation_known
        return self.session.convention_word if known else UNKNOWN_SENTENCE.capitalize()

    def sentence(self) -> str:
        """Where the crosshair stands and what is there, for a screen reader."""
        if self.stage.content is None:
            return self.stage.reason
        told = (self.region.full_text(), self.read_out.full_text(), self.hidden.text())
        parts = [self.footnote(), *told]
        return "; ".join(part for part in parts if part)

    def as_table(self) -> Table | None:
        """Every parcel with the value that it is painted by; None where no parcels are painted."""
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        if self.overlay is None or signals is None or self.stage.content is None:
            return None
        shown = ("yes" if one else "no" for one in self.overlay.shown)
        values = (float(value) for value in self.overlay.values)
        rows = zip(signals.parcel_names, signals.networks, values, shown, strict=True)
        unit = titled(self.overlay.scale.unit, self.overlay.baseline)
        return Table(("Region", "Network", unit, "Painted"), list(rows))

    @contextmanager
    def _for_picture(self) -> Iterator[None]:
        """All letters, whatever is switched off on screen; neither focus nor an open entry."""
        content = self.stage.content
        self.stage.set_letters(True)
        self.place.hide_controls(True)
        try:
            with super()._for_picture():
                yield
        finally:
            self.place.hide_controls(False)
            if content is not None:
                self.stage.set_letters(content.secondary_letters)

    def baseline(self) -> str:
        """Of the map that is painted."""
        return self.overlay.baseline if self.overlay is not None else ""

    def in_template(self) -> bool:
        """Whether the picture lies in the template, where the parcels are."""
        return True

    def storage_codes(self) -> str:
        """Order of the file's axes, in which voxels are told; "" on the template's own grid."""
        return "" if self.in_template() else storage_codes(self.session)

    def point_mm(self) -> Point:
        """The crosshair in the space of the picture."""
        return self.session.crosshair_mm

    def select(self, mm: Point) -> None:
        """Go to a point that was picked in the picture."""
        self.session.select_point(mm)

    def crosshair(self) -> Crosshair:
        """How the crosshair is drawn."""
        chosen = self.session.state.slices
        colour = CROSSHAIR_COLOURS[chosen.crosshair_colour]
        return Crosshair(chosen.crosshair_gap_px, chosen.crosshair_width_px, colour)

    def _draw(self) -> None:
        found = self.volume()
        self._show_stamps()
        self.place.setVisible(found is not None)
        if found is None:
            self.overlay = None
            self.stage.show_content(None, self.session.display, self.reason())
            self.bar.set_scale(None)
            for label in (self.region, self.read_out):
                label.set_full_text("")
            self.hidden.set_full_text("")
            return
        data, affine = found
        stored, shape = stored_grid(affine, data.shape[:3], self.storage_codes())
        self.place.show_grid(stored, shape, self.space_word())
        shown = self.content(data, affine)
        self.stage.show_content(shown, self.session.display, "")
        self.hidden.set_full_text(self.hidden_text())
        self.region.setVisible(shown.labels is not None)
        self.hidden.setVisible(shown.labels is not None)
        self.show_scale(data)
        self._crosshair_changed()

    # selection -------------------------------------------------------------------

    def _parcel_changed(self) -> None:
        self._draw()

    def _frames_changed(self) -> None:
        if follows_frames(self.session):
            self._draw()

    def _crosshair_changed(self) -> None:
        found = self.volume()
        if found is None:
            return
        data, affine = found
        mm = self.point_mm()
        exact = np.linalg.solve(affine, np.append(mm, 1.0))[:3]
        limit = np.asarray(data.shape[:3]) - 1
        i, j, k = (float(v) for v in np.clip(np.rint(exact), 0, limit))
        self.stage.show_voxel((i, j, k))
        self.read_out.set_full_text(self._place_text(mm, (int(i), int(j), int(k)), data))
        self.region.set_full_text(self._region_text(mm))
        spoken = [self._position(mm), self.region.full_text()]
        self.stage.setAccessibleDescription("; ".join(part for part in spoken if part))

    def _place_text(self, mm: Point, voxel: tuple[int, int, int], data: Ints | Floats) -> str:
        i, j, k = stored_voxel(voxel, data.shape[:3], self.storage_codes())
        parts = [
            f"{self._position(mm)} ({self.space_word()})",
            f"voxel {i},{j},{k} (first = 0)",
            self.volume_text(),
            self.value_text(float(data[voxel])),
            *self.layer_texts(voxel),
        ]
        return "  ·  ".join(part for part in parts if part)

    def _position(self, mm: Point) -> str:
        return position(mm, known=self.session.orientation_known)

    def _region_text(self, mm: Point) -> str:
        opened = self.session.case
        if not self.in_template() or opened is None or opened.case.signals is None:
            return ""
        signals = opened.case.signals
        network = self.session.state.selection.network
        chosen = f"{network} selected; at the crosshair: " if network else ""
        parcel = opened.parcel_at(mm)
        if parcel is None or parcel >= len(signals.parcel_names):
            return f"{chosen}outside the atlas" if chosen else "Outside the atlas"
        side = side_word(signals.hemispheres[parcel])
        name = signals.parcel_names[parcel]
        name = name[:-2] if name.endswith(("_L", "_R")) else name
        parts = [f"{chosen}{name.replace('_', ' ')}, {side}", signals.networks[parcel]]
        more = self.parcel_text(parcel)
        return "  ·  ".join([*parts, more] if more else parts)

    def parcel_text(self, parcel: int) -> str:
        """The overlay's value of a parcel, with its unit."""
        if self.overlay is None:
            return ""
        value = float(self.overlay.values[parcel])
        if self.overlay.kind == "seed" and value == 0.0:  # the matrix keeps no diagonal
            return "the seed itself"
        return f"{wording.signed(value, 4)} {self.overlay.scale.unit}"

    def _copy(self) -> None:
        words = [self.region.full_text(), self.read_out.full_text()]
        QGuiApplication.clipboard().setText("\n".join(word for word in words if word))

    def _picked(self, voxel: tuple[float, float, float]) -> None:
        found = self.volume()
        if found is None:
            return
        x, y, z = (float(v) for v in (found[1] @ np.append(np.rint(voxel), 1.0))[:3])
        self.select((x, y, z))

    # window and level ---------------------------------------------------------------

    def levels_for(self, data: Ints | Floats) -> tuple[float, float]:
        """Black and white of a picture: as windowed, else 0 and a little above its 98th percentile.

        The dark end stays at zero, so that the background is black.
        """
        chosen = self.session.state.slices.window(self.picture_key())
        if chosen is not None:
            return chosen.low, chosen.high
        known = self._levels.get(id(data))
        if known is None:
            sample = np.asanyarray(data)[::2, ::2, ::2]
            inside = sample[np.isfinite(sample) & (sample > 0)]
            low, high = np.percentile(inside, (2, 98)) if inside.size else (0.0, 1.0)
            if len(self._levels) > 8:
                self._levels.clear()
            known = (data, (min(0.0, float(low)), float(high) * 1.08))
            self._levels[id(data)] = known  # holds the volume, so that its identity stays its own
        return known[1]

    def _window(self, across: float, up: float) -> None:
        found = self.volume()
        if found is None:
            return
        low, high = self.levels_for(found[0])
        width = max((high - low) * (1.0 + across), 1e-6)
        middle = (high + low) / 2.0 - up * (high - low)
        self._set_levels((middle - width / 2.0, middle + width / 2.0))

    def _window_region(
        self, first: tuple[float, float, float], second: tuple[float, float, float]
    ) -> None:
        """Window and level from the 2nd to the 98th percentile of a rectangle of the slice."""
        found = self.volume()
        if found is None:
            return
        ends = np.rint([first, second]).astype(int)
        low, high = ends.min(axis=0), ends.max(axis=0) + 1
        part = np.asarray(found[0][tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
        part = part[np.isfinite(part)]
        if part.size:
            dark, bright = (float(v) for v in np.percentile(part, (2, 98)))
            self._set_levels((dark, max(bright, dark + 1e-6)))
            self.session.end_merge()

    def _set_levels(self, levels: tuple[float, float] | None) -> None:
        key, slices = self.picture_key(), self.session.state.slices
        self.session.change(
            "Window and level",
            "slices",
            merge="" if levels is None else f"window {key}",
            windows=slices.with_window(key, levels),
        )

    def levels_text(self, data: Ints | Floats) -> str:
        """Window and level in numbers, for a corner of the picture."""
        low, high = (wording.number(v) for v in self.levels_for(data))
        return f"window {low} to {high}"

    def window_keys_changed(self, on: bool) -> None:
        """W was pressed, or its mode ended: what the arrows do now is said."""
        self.place.say("Arrows set window and level; Enter ends." if on else "")

    def _reset_window(self) -> None:
        self._set_levels(None)


def position(mm: Point, *, known: bool = True) -> str:
    """World mm with letters, such as "R 17.6 A 35.3 S 12.1 mm"; bare axes if not known."""
    if not known:
        axes = zip("xyz", mm, strict=True)
        return ", ".join(f"{axis} {wording.signed(value, 1)}" for axis, value in axes) + " mm"
    letters = (("R", "L"), ("A", "P"), ("S", "I"))
    parts = [
        f"{pair[0] if value >= 0 else pair[1]} {abs(value):.1f}"
        for value, pair in zip(mm, letters, strict=True)
    ]
    return " ".join(parts) + " mm"
