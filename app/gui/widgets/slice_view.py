"""What every view of three slices has: the stage, the bar, the read-out, window and level."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.core.sides import UNKNOWN_SENTENCE, side_word
from app.gui.session import Point, Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import muted
from app.gui.widgets.overlay import Overlay
from app.gui.widgets.slice_content import SliceContent
from app.gui.widgets.slice_stage import SliceStage
from app.gui.widgets.view import ElidedLabel, View

NO_IMAGE = "Parcel series were opened: there is no image."


class SliceView(View):
    """Slices with crosshair and read-out; subclasses say which volume and what lies on it."""

    title = "Slices"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.overlay: Overlay | None = None
        self._levels: dict[int, tuple[object, tuple[float, float]]] = {}  # by identity
        self.stage = SliceStage()
        self.stage.voxel_picked.connect(self._picked)
        self.stage.windowed.connect(self._window)
        self.stage.reset.connect(self._reset_window)
        self.bar = ColourBar()
        self.region = ElidedLabel()
        self.region.setObjectName("title")
        self.hidden = muted("")
        self.read_out = ElidedLabel()
        self.read_out.setObjectName("muted")
        self.copy = QToolButton()
        self.copy.setText("Copy")
        self.copy.setToolTip("Copy position, value and region")
        self.copy.setAccessibleName("Copy position, value and region")
        self.copy.setAutoRaise(True)
        self.copy.clicked.connect(self._copy)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.stage, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        below = QHBoxLayout()
        below.setSpacing(8)
        below.addWidget(self.region, 1)
        below.addWidget(self.hidden)
        self.body.addLayout(below)
        lower = QHBoxLayout()
        lower.setSpacing(8)
        lower.addWidget(self.read_out, 1)
        lower.addWidget(self.copy)
        self.body.addLayout(lower)
        self.listen(session.parcel_changed, self._parcel_changed)
        self.listen(session.crosshair_changed, self._crosshair_changed)
        self.listen(session.display_changed, self._draw)

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

    def refresh(self) -> None:
        """Draw the case or the scan that is open."""
        self._levels.clear()
        self._draw()

    def footnote(self) -> str:
        """The convention, in words, or that left and right are unknown."""
        known = self.session.orientation_known
        return self.session.convention_word if known else UNKNOWN_SENTENCE.capitalize()

    def in_template(self) -> bool:
        """Whether the picture lies in the template, where the parcels are."""
        return True

    def point_mm(self) -> Point:
        """The crosshair in the space of the picture."""
        return self.session.crosshair_mm

    def select(self, mm: Point) -> None:
        """Go to a point that was picked in the picture."""
        self.session.select_point(mm)

    def _draw(self) -> None:
        found = self.volume()
        self._show_stamps()
        if found is None:
            self.overlay = None
            self.stage.show_content(None, self.session.display, self.reason())
            self.bar.set_scale(None)
            for label in (self.region, self.read_out):
                label.set_full_text("")
            self.hidden.setText("")
            return
        data, affine = found
        shown = self.content(data, affine)
        self.stage.show_content(shown, self.session.display, "")
        self.hidden.setText(self.hidden_text())
        self.region.setVisible(shown.labels is not None)
        self.hidden.setVisible(shown.labels is not None)
        self.show_scale(data)
        self._crosshair_changed()

    def levels_for(self, data: Ints | Floats) -> tuple[float, float]:
        """Black and white of a volume: 0 and a little above its 98th percentile, or as windowed."""
        known = self._levels.get(id(data))
        if known is None:
            sample = np.asanyarray(data)[::2, ::2, ::2]
            inside = sample[np.isfinite(sample) & (sample > 0)]
            low, high = np.percentile(inside, (2, 98)) if inside.size else (0.0, 1.0)
            # The dark end stays at zero, so that the background is black.
            known = (data, (min(0.0, float(low)), float(high) * 1.08))
            self._levels[id(data)] = known  # holds the volume, so that its identity stays its own
        return known[1]

    # selection -------------------------------------------------------------------

    def _parcel_changed(self) -> None:
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
        self.stage.setAccessibleDescription(f"{self.region.full_text()}; {self._position(mm)}")

    def _place_text(self, mm: Point, voxel: tuple[int, int, int], data: Ints | Floats) -> str:
        parts = [
            f"{self._position(mm)} ({self.space_word()})",
            self.value_text(float(data[voxel])),
            f"voxel {voxel[0]},{voxel[1]},{voxel[2]} (first = 0)",
        ]
        return "  ·  ".join(parts)

    def _position(self, mm: Point) -> str:
        return position(mm, known=self.session.orientation_known)

    def _region_text(self, mm: Point) -> str:
        opened = self.session.case
        if not self.in_template() or opened is None or opened.case.signals is None:
            return ""
        signals = opened.case.signals
        parcel = opened.parcel_at(mm)
        if parcel is None or parcel >= len(signals.parcel_names):
            return "Outside the atlas"
        side = side_word(signals.hemispheres[parcel])
        name = signals.parcel_names[parcel]
        name = name[:-2] if name.endswith(("_L", "_R")) else name
        parts = [f"{name.replace('_', ' ')}, {side}", signals.networks[parcel]]
        more = self.parcel_text(parcel)
        return "  ·  ".join([*parts, more] if more else parts)

    def parcel_text(self, parcel: int) -> str:
        """The overlay's value of a parcel, with its unit."""
        if self.overlay is None:
            return ""
        value = float(self.overlay.values[parcel])
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

    def _window(self, across: float, up: float) -> None:
        found = self.volume()
        if found is None:
            return
        low, high = self.levels_for(found[0])
        width = max((high - low) * (1.0 + across), 1e-6)
        middle = (high + low) / 2.0 - up * (high - low)
        self._levels[id(found[0])] = (found[0], (middle - width / 2.0, middle + width / 2.0))
        self._draw()

    def _reset_window(self) -> None:
        self._levels.clear()
        self._draw()


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
