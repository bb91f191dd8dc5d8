"""What the keys of the surface do with its camera: standard views, turns, zoom."""

from __future__ import annotations

from PySide6.QtWidgets import QComboBox

from app.gui.widgets.fields import set_choice
from app.gui.widgets.surface_canvas import SurfaceCanvas

_TURN_DEG = 10.0


class CameraKeys:
    """Mixed into a view that has a canvas and a choice of standard views."""

    canvas: SurfaceCanvas
    view_box: QComboBox

    def look_from(self, name: str) -> None:
        """Go to a standard view."""
        set_choice(self.view_box, name)
        if self.canvas.scene is not None:
            self.canvas.scene.look_from(name)
            self.canvas.redraw()

    def from_left(self) -> None:
        """The participant's left."""
        self.look_from("Left")

    def from_right(self) -> None:
        """The participant's right."""
        self.look_from("Right")

    def from_front(self) -> None:
        """The face."""
        self.look_from("Front")

    def from_back(self) -> None:
        """The back of the head."""
        self.look_from("Back")

    def from_top(self) -> None:
        """From above."""
        self.look_from("Top")

    def from_bottom(self) -> None:
        """From below."""
        self.look_from("Bottom")

    def turn_left(self) -> None:
        """A step to the left."""
        self._turn(-_TURN_DEG, 0.0)

    def turn_right(self) -> None:
        """A step to the right."""
        self._turn(_TURN_DEG, 0.0)

    def turn_up(self) -> None:
        """A step up."""
        self._turn(0.0, -_TURN_DEG)

    def turn_down(self) -> None:
        """A step down."""
        self._turn(0.0, _TURN_DEG)

    def nearer(self) -> None:
        """Zoom in."""
        self._zoom(1.15)

    def farther(self) -> None:
        """Zoom out."""
        self._zoom(1.0 / 1.15)

    def reset(self) -> None:
        """The standard view that is chosen, as it was."""
        self.look_from(str(self.view_box.currentData()))

    def _turn(self, across_deg: float, up_deg: float) -> None:
        if self.canvas.scene is not None:
            self.canvas.scene.rotate(across_deg, up_deg)
            self.canvas.redraw()

    def _zoom(self, factor: float) -> None:
        if self.canvas.scene is not None:
            self.canvas.scene.zoom(factor)
            self.canvas.redraw()
