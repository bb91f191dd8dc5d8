"""The fsaverage5 surface with whole parcels in the overlay's colours; click to select."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPixmap, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.gui.session import Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.overlay import current_overlay, name_method
from app.gui.widgets.surface_canvas import SurfaceCanvas
from app.gui.widgets.view import View

if TYPE_CHECKING:
    from app.gui.widgets.surface_scene import SurfaceScene

_SHAPES = {"pial": "Pial", "inflated": "Inflated"}
_SIDES = {"both": "Both sides", "left": "Left side", "right": "Right side"}
_VIEWS = {name: name for name in ("Left", "Right", "Front", "Back", "Top", "Bottom")}

_UNKNOWN = {"left": "One side", "right": "Other side", "Left": "One side", "Right": "Other side"}


class SurfaceView(View):
    """The only view that needs VTK, which is loaded when it is first shown."""

    name = "surface"
    title = "Surface"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._sides = "both"
        self._loaded: object = None  # the view files that the scene was made from
        self._shape = "pial"
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.load_now)
        self.canvas = SurfaceCanvas()
        self.bar = ColourBar()
        self.shape_box = choice(
            "Surface", _SHAPES, session.display.surface, lambda k: session.set_display(surface=k)
        )
        self.side_box = choice("Hemispheres", _SIDES, "both", self._set_sides)
        self.view_box = choice("Standard view, keys 1 to 6", _VIEWS, "Left", self.look_from)
        for box in (self.view_box, self.side_box, self.shape_box):
            self.tools.addWidget(box)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.canvas, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        self.canvas.picked.connect(session.select_parcel)
        self.canvas.view_asked.connect(self.look_from)
        self.listen(session.parcel_changed, self._parcel_changed)
        self.listen(session.display_changed, self._draw)
        self.refresh()

    def _name_sides(self) -> None:
        """No left and right in the choices where the scan's are unknown."""
        known = self.session.orientation_known
        self.canvas.orientation_known = known
        for box, texts in ((self.side_box, _SIDES), (self.view_box, _VIEWS)):
            for key, text in texts.items():
                box.setItemText(box.findData(key), text if known else _UNKNOWN.get(key, text))

    def refresh(self) -> None:
        """Show the case that is open, once the view is on screen."""
        self._name_sides()
        if self.isVisible():
            self._later.start()
        self._draw()

    def showEvent(self, event: QShowEvent) -> None:
        """Load VTK and the meshes soon after the first showing.

        Never inside this call: an exception in an override that Qt called, while Qt goes on to
        call others, makes PySide 6.11 lose references.
        """
        super().showEvent(event)
        self._later.start()

    def load_now(self) -> None:
        """Load and draw at once."""
        self._later.stop()
        self._load()
        self._draw()

    def close_scene(self) -> None:
        """Give the graphics memory back; nothing is drawn or loaded any more until asked."""
        self._later.stop()
        self.canvas.stop()
        if self.canvas.scene is not None:
            self.canvas.scene.close()
        self.canvas.scene = None
        self._loaded = None

    def look_from(self, name: str) -> None:
        """Go to a standard view."""
        set_choice(self.view_box, name)
        if self.canvas.scene is not None:
            self.canvas.scene.look_from(name)
            self.canvas.redraw()

    def picture(self) -> QPixmap:
        """The view with a freshly drawn surface."""
        self.load_now()
        self.canvas.draw_now()
        return super().picture()

    def _load(self) -> None:
        opened = self.session.case
        surfaces = opened.view.surfaces if opened is not None else {}
        if self._loaded is surfaces:
            return
        self.close_scene()
        if not surfaces:
            self.canvas.reason = self.empty_reason()
            self.canvas.update()
            return
        self.canvas.scene = _make_scene(surfaces)
        self._loaded = surfaces
        self._shape = "pial"
        self.canvas.scene.set_sides(self._sides)
        self.look_from(str(self.view_box.currentData()))
        self.canvas.scene.set_outline(self.session.parcel)

    def _draw(self) -> None:
        scene, display = self.canvas.scene, self.session.display
        overlay = current_overlay(self.session)
        name_method(self.title_label, self.title, overlay)
        if overlay is None:
            self.bar.set_scale(None)
        else:
            self.bar.set_scale(overlay.scale, clipped=overlay.scale.clipped(overlay.values))
        set_choice(self.shape_box, display.surface)
        if scene is None:
            waiting = self.session.case is not None and bool(self.session.case.view.surfaces)
            self.canvas.reason = "Loading the surface…" if waiting else self.empty_reason()
            self.canvas.update()
            return
        if display.surface != self._shape:
            self._shape = display.surface
            scene.set_shape(self._shape)
            scene.look_from(str(self.view_box.currentData()))
            scene.set_outline(self.session.parcel)
        if overlay is None:
            count = self._parcel_count()
            scene.set_colours(np.zeros((count, 3), np.uint8), np.zeros(count, dtype=bool))
        else:
            scene.set_colours(overlay.rgb(), overlay.shown)
        self.canvas.redraw()

    def _parcel_changed(self) -> None:
        if self.canvas.scene is not None:
            self.canvas.scene.set_outline(self.session.parcel)
        if self.session.display.overlay == "seed":
            self._draw()
        self.canvas.redraw()

    def _parcel_count(self) -> int:
        opened = self.session.case
        signals = opened.case.signals if opened is not None else None
        return len(signals.parcel_names) if signals is not None else 0

    def _set_sides(self, sides: str) -> None:
        self._sides = sides
        if self.canvas.scene is not None:
            self.canvas.scene.set_sides(sides)
            self.canvas.redraw()


def _make_scene(surfaces: object) -> SurfaceScene:
    """Import VTK and build the scene; about a second, at first use only."""
    from app.gui.widgets.surface_scene import SurfaceScene

    return SurfaceScene(surfaces)  # type: ignore[arg-type]
