"""Three orthogonal slices: the template or the participant, with parcels painted whole."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.gui.session import OVERLAYS, Point, Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice, muted, set_choice, share_slider
from app.gui.widgets.overlay import Overlay, current_overlay
from app.gui.widgets.slice_canvas import SliceContent
from app.gui.widgets.slice_stage import SliceStage
from app.gui.widgets.view import ElidedLabel, View

_BRAIN_GREY = 20  # of 255; darker is background
_UNDERLAYS = {"template": "Template T1", "boldref": "Participant's BOLD"}


class SlicesView(View):
    """Slices with crosshair and read-out.

    Parameters
    ----------
    source
        "native": the scan on its own grid; "boldref": the participant in the template, without
        an overlay; "overlay": everything, with controls.
    """

    name = "slices"
    title = "Slices"

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, source: str = "overlay"
    ) -> None:
        self.source = source
        super().__init__(session, parent)
        titles = {"native": "Scan", "boldref": "Registration"}
        self.title_label.setText(titles.get(source, self.title))
        self.overlay: Overlay | None = None
        self._levels: tuple[float, float] | None = None
        self._levels_of: object = None
        self._box: tuple[Point, Point] | None = None
        self._box_of: object = None
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
        if source == "overlay":
            self._add_controls()
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
        session.parcel_changed.connect(self._parcel_changed)
        session.crosshair_changed.connect(self._crosshair_changed)
        session.display_changed.connect(self._draw)
        self.refresh()

    def _add_controls(self) -> None:
        session, display = self.session, self.session.display
        self.underlay_box = choice(
            "Picture under the overlay",
            _UNDERLAYS,
            display.underlay,
            lambda key: session.set_display(underlay=key),
        )
        self.overlay_box = choice(
            "Overlay", OVERLAYS, display.overlay, lambda key: session.set_display(overlay=key)
        )
        self.threshold = share_slider(
            "Threshold: share of parcels that stays hidden",
            display.hidden_share,
            lambda share: session.set_display(hidden_share=share),
        )
        self.opacity = share_slider(
            "Opacity of the overlay",
            display.opacity,
            lambda share: session.set_display(opacity=share),
        )
        self.opacity.setMaximumWidth(80)
        for widget in (
            self.underlay_box,
            self.overlay_box,
            muted("Threshold"),
            self.threshold,
            muted("Opacity"),
            self.opacity,
        ):
            self.tools.addWidget(widget)

    # what is shown --------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the case or the scan that is open."""
        self._draw()

    def footnote(self) -> str:
        """The convention, in words."""
        return self.session.display.convention_word

    def volume(self) -> tuple[Ints | Floats, Floats] | None:
        """The volume under the crosshair with its affine, or None."""
        opened, preview = self.session.case, self.session.preview
        if self.source == "native":
            if preview is not None:
                return None if preview.volume is None else (preview.volume, preview.scan.affine)
            if opened is not None and opened.view.native_boldref is not None:
                affine = opened.view.native_affine
                return None if affine is None else (opened.view.native_boldref, affine)
            return None
        if opened is None or opened.view.affine is None:
            return None
        wants_bold = self.source == "boldref" or self.session.display.underlay == "boldref"
        data = opened.view.boldref if wants_bold else opened.view.template
        return None if data is None else (data, opened.view.affine)

    def space_word(self) -> str:
        """Name of the template, or "scanner" where the picture is in no template."""
        opened, preview = self.session.case, self.session.preview
        if self.source != "native":
            return opened.view.template_name if opened is not None else ""
        scan = preview.scan if preview is not None else opened.case.scan if opened else None
        return scan.space if scan is not None else ""

    def _draw(self) -> None:
        display = self.session.display
        found = self.volume()
        self._show_stamps()
        if found is None:
            self.overlay = None
            self.stage.show_content(None, display, self._nothing_reason())
            self.bar.set_scale(None)
            self.region.set_full_text("")
            self.read_out.set_full_text("")
            self.hidden.setText("")
            return
        data, affine = found
        with_overlay = self.source == "overlay"
        self.overlay = current_overlay(self.session) if with_overlay else None
        opened = self.session.case
        labels = opened.view.labels if opened is not None and self.source != "native" else None
        content = SliceContent(
            volume=data,
            affine=affine,
            levels=self._levels_for(data),
            labels=labels,
            overlay=self.overlay,
            opacity=display.opacity,
            selected=self.session.parcel if self.source != "native" else None,
            convention_word=display.convention_word,
            secondary_letters=display.secondary_letters,
            box=self._box_for(data),
            atlas_outline=self.source == "boldref",
            orientation_known=self._orientation_known(),
        )
        self.stage.show_content(content, display, "")
        self.hidden.setText(self._hidden_text())
        self.region.setVisible(labels is not None)
        self.hidden.setVisible(labels is not None)
        if self.overlay is not None:
            scale = self.overlay.scale
            self.bar.set_scale(scale, clipped=scale.clipped(self.overlay.values))
        else:
            self.bar.set_scale(None)
        if with_overlay:
            set_choice(self.overlay_box, display.overlay)
            set_choice(self.underlay_box, display.underlay)
            self._match_sliders()
        self._crosshair_changed()

    def _nothing_reason(self) -> str:
        """Why there is no picture."""
        opened, preview = self.session.case, self.session.preview
        scan = preview.scan if preview is not None else opened.case.scan if opened else None
        if scan is not None and not scan.is_image:
            return "Parcel series were opened: there is no image."
        waiting = self.source == "native" and preview is not None
        return "Decoding the scan…" if waiting else self.empty_reason()

    def _hidden_text(self) -> str:
        if self.overlay is not None:
            return self.overlay.hidden_text
        if self.source != "overlay" or self.session.display.overlay == "none":
            return ""
        withheld = self.session.case is not None and self.session.case.withheld
        return "no overlay: withheld" if withheld else "no overlay: not computed"

    def _match_sliders(self) -> None:
        display = self.session.display
        for slider, share in (
            (self.threshold, display.hidden_share),
            (self.opacity, display.opacity),
        ):
            blocked = slider.blockSignals(True)
            slider.setValue(round(share * 100))
            slider.blockSignals(blocked)

    def _orientation_known(self) -> bool:
        opened, preview = self.session.case, self.session.preview
        if self.source != "native":
            return True
        scan = preview.scan if preview is not None else opened.case.scan if opened else None
        return scan is None or scan.sform_code > 0 or scan.qform_code > 0

    def _levels_for(self, data: Ints | Floats) -> tuple[float, float]:
        if self._levels is None or self._levels_of is not data:
            sample = np.asanyarray(data)[::2, ::2, ::2]
            inside = sample[np.isfinite(sample) & (sample > 0)]
            low, high = np.percentile(inside, (2, 98)) if inside.size else (0.0, 1.0)
            # The dark end stays at zero, so that the background is black.
            self._levels = (min(0.0, float(low)), float(high) * 1.08)
            self._levels_of = data
        return self._levels

    def _box_for(self, data: Ints | Floats) -> tuple[Point, Point] | None:
        """The part of a template that holds the brain; a scan is shown whole."""
        opened = self.session.case
        if self.source == "native" or opened is None or opened.view.template is None:
            return None
        if self._box_of is not opened:
            inside = np.asarray(opened.view.template) > _BRAIN_GREY
            ends = []
            for axis in range(3):
                other = tuple(a for a in range(3) if a != axis)
                found = np.flatnonzero(inside.any(axis=other))
                ends.append((found[0], found[-1]) if found.size else (0, data.shape[axis] - 1))
            (x0, x1), (y0, y1), (z0, z1) = ((float(a), float(b)) for a, b in ends)
            self._box = ((x0, y0, z0), (x1, y1, z1))
            self._box_of = opened
        return self._box

    # selection -------------------------------------------------------------------

    def point_mm(self) -> Point:
        """The crosshair in the space of the picture."""
        return self.session.native_mm if self.source == "native" else self.session.crosshair_mm

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
        self.stage.setAccessibleDescription(f"{self.region.full_text()}; {position(mm)}")

    def _place_text(self, mm: Point, voxel: tuple[int, int, int], data: Ints | Floats) -> str:
        parts = [
            f"{position(mm)} ({self.space_word()})",
            f"voxel {voxel[0]},{voxel[1]},{voxel[2]} (first = 0)",
            f"image {wording.number(float(data[voxel]))}",
        ]
        return "  ·  ".join(parts)

    def _region_text(self, mm: Point) -> str:
        opened = self.session.case
        if self.source == "native" or opened is None or opened.case.signals is None:
            return ""
        signals = opened.case.signals
        parcel = opened.parcel_at(mm)
        if parcel is None or parcel >= len(signals.parcel_names):
            return "Outside the atlas"
        side = {"L": "left", "R": "right"}.get(signals.hemispheres[parcel], "midline")
        name = signals.parcel_names[parcel]
        name = name[:-2] if name.endswith(("_L", "_R")) else name
        parts = [f"{name.replace('_', ' ')}, {side}", signals.networks[parcel]]
        if self.overlay is not None:
            value = float(self.overlay.values[parcel])
            parts.append(f"{wording.signed(value, 4)} {self.overlay.scale.unit}")
        return "  ·  ".join(parts)

    def _copy(self) -> None:
        words = [self.region.full_text(), self.read_out.full_text()]
        QGuiApplication.clipboard().setText("\n".join(word for word in words if word))

    def _picked(self, voxel: tuple[float, float, float]) -> None:
        found = self.volume()
        if found is None:
            return
        x, y, z = (float(v) for v in (found[1] @ np.append(np.rint(voxel), 1.0))[:3])
        if self.source == "native":
            self.session.select_native_point((x, y, z))
        else:
            self.session.select_point((x, y, z))

    def _window(self, across: float, up: float) -> None:
        if self._levels is None:
            return
        low, high = self._levels
        width = max((high - low) * (1.0 + across), 1e-6)
        middle = (high + low) / 2.0 - up * (high - low)
        self._levels = (middle - width / 2.0, middle + width / 2.0)
        self._draw()

    def _reset_window(self) -> None:
        self._levels = None
        self._draw()


def position(mm: Point) -> str:
    """World mm with letters, such as "R 17.6 A 35.3 S 12.1 mm"."""
    letters = (("R", "L"), ("A", "P"), ("S", "I"))
    parts = [
        f"{pair[0] if value >= 0 else pair[1]} {abs(value):.1f}"
        for value, pair in zip(mm, letters, strict=True)
    ]
    return " ".join(parts) + " mm"
