"""A slider and a number box that always say the same."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from app.gui.widgets.fields import pass_undo

_STEPS = 200


class TiedNumber(QWidget):
    """One number by slider or typed; `changed` comes once a change, never for `show_value`."""

    changed = Signal(float)
    released = Signal()  # a drag of the slider is over

    def __init__(self, name: str, *, suffix: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setMinimumWidth(60)
        self.box = QDoubleSpinBox()
        self.box.setSuffix(suffix)
        self.box.setKeyboardTracking(False)
        self.box.setFixedWidth(84)
        pass_undo(self.box)
        for widget in (self.slider, self.box):
            widget.setAccessibleName(name)
            widget.setToolTip(name)
        row.addWidget(self.slider, 1)
        row.addWidget(self.box)
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(self.released)
        self.box.valueChanged.connect(self._typed)
        self.box.editingFinished.connect(self.released)

    def set_range(self, low: float, high: float, decimals: int) -> None:
        """Between which numbers, with how many decimals."""
        blocked = self.box.blockSignals(True)
        self.box.setDecimals(decimals)
        self.box.setRange(low, high)
        self.box.setSingleStep(10.0**-decimals if decimals else 1.0)
        self.box.blockSignals(blocked)

    def show_value(self, value: float) -> None:
        """Show a number without telling anybody."""
        # What is being typed is left alone.
        if not (self.box.hasFocus() and abs(self.box.value() - value) < 1e-12):
            blocked = self.box.blockSignals(True)
            self.box.setValue(value)
            self.box.blockSignals(blocked)
        self._match()

    def value(self) -> float:
        """The number that is shown."""
        return self.box.value()

    def _match(self) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        share = (self.box.value() - low) / (high - low) if high > low else 0.0
        if not self.slider.isSliderDown():
            blocked = self.slider.blockSignals(True)
            self.slider.setValue(round(share * _STEPS))
            self.slider.blockSignals(blocked)

    def _slid(self, place: int) -> None:
        low, high = self.box.minimum(), self.box.maximum()
        blocked = self.box.blockSignals(True)
        self.box.setValue(low + (high - low) * place / _STEPS)
        self.box.blockSignals(blocked)
        self.changed.emit(self.box.value())

    def _typed(self, value: float) -> None:
        self._match()
        self.changed.emit(value)
