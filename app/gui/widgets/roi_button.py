"""Regions of interest whose mean is held: a sphere at the crosshair, or a mask from a file."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QInputDialog, QMenu, QToolButton, QWidget

from app.gui.session import Session

RADII_MM = (4.0, 6.0, 8.0, 10.0)
LEAST_MM, MOST_MM = 1.0, 50.0


class RoiButton(QToolButton):
    """A menu of radii; what is chosen is asked for at once and stays the radius of the key."""

    sphere_asked = Signal()
    mask_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setText("ROI \N{BLACK DOWN-POINTING SMALL TRIANGLE}")
        self.setToolTip("Hold the mean of a region of interest: a sphere at the crosshair, a mask")
        self.setAccessibleName("Region of interest whose mean is held")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        for radius in RADII_MM:
            action = menu.addAction(f"Sphere of {radius:g} mm at the crosshair")
            action.triggered.connect(partial(self._hold, radius))
        other = menu.addAction("Sphere of another radius\N{HORIZONTAL ELLIPSIS}")
        other.triggered.connect(lambda _checked=False: self.ask())
        menu.addSeparator()
        mask = menu.addAction("Inside the uppermost mask or label")
        mask.triggered.connect(lambda _checked=False: self.mask_asked.emit())
        self.setMenu(menu)

    def hold(self, radius_mm: float) -> None:
        """Choose a radius and ask for its sphere."""
        self.session.change("Radius of the sphere", "plots", sphere_mm=radius_mm)
        self.sphere_asked.emit()

    def ask(self) -> QInputDialog:
        """Let a radius be typed."""
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Sphere at the crosshair")
        dialog.setLabelText("Radius, mm")
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        dialog.setDoubleRange(LEAST_MM, MOST_MM)
        dialog.setDoubleDecimals(1)
        dialog.setDoubleValue(self.session.state.plots.sphere_mm)
        dialog.doubleValueSelected.connect(self.hold)
        dialog.open()
        return dialog

    def _hold(self, radius_mm: float, _checked: bool = False) -> None:
        self.hold(radius_mm)
