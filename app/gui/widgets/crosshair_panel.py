"""How the crosshair looks: gap, thickness, colour."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QSpinBox, QWidget

from app.gui.session import Session
from app.gui.view_state.slices import CROSSHAIR_COLOURS
from app.gui.widgets.fields import choice
from app.gui.widgets.framed_dialog import FramedDialog


class CrosshairPanel(FramedDialog):
    """Three settings that act at once; each can be undone."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Crosshair")
        slices = session.state.slices
        self.gap = _pixels("Gap around the voxel", 0, 40, slices.crosshair_gap_px)
        self.width_box = _pixels("Thickness", 1, 6, slices.crosshair_width_px)
        self.gap.valueChanged.connect(
            lambda px: session.change(
                "Crosshair's gap", "slices", merge="crosshair gap", crosshair_gap_px=px
            )
        )
        self.width_box.valueChanged.connect(
            lambda px: session.change(
                "Crosshair's thickness", "slices", merge="crosshair width", crosshair_width_px=px
            )
        )
        self.colour = choice(
            "Colour",
            {name: name.capitalize() for name in CROSSHAIR_COLOURS},
            slices.crosshair_colour,
            lambda name: session.change("Crosshair's colour", "slices", crosshair_colour=name),
        )
        form = QFormLayout()
        self.inside.addLayout(form)
        for text, widget in (
            ("Gap", self.gap),
            ("Thickness", self.width_box),
            ("Colour", self.colour),
        ):
            form.addRow(text, widget)


def _pixels(name: str, low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setSuffix(" px")
    box.setValue(value)
    box.setAccessibleName(name)
    return box
