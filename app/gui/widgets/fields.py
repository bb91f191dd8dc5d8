"""Small controls that views share: a labelled choice and a slider tied to its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QSlider, QWidget


def choice(
    name: str, options: Mapping[str, str], chosen: str, tell: Callable[[str], None]
) -> QComboBox:
    """A combo box whose items carry keys; `tell` receives the key that the user picks."""
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(name)
    for key, text in options.items():
        box.addItem(text, key)
    box.setCurrentIndex(max(box.findData(chosen), 0))
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    longest = max(len(text) for text in options.values())
    box.setMinimumContentsLength(min(longest - 3, 16))
    box.setMinimumWidth(box.fontMetrics().averageCharWidth() * min(longest, 15) + 30)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    box.activated.connect(lambda index: tell(str(box.itemData(index))))
    return box


def set_choice(box: QComboBox, key: str) -> None:
    """Show a key without telling anybody."""
    index = box.findData(key)
    if index >= 0 and index != box.currentIndex():
        blocked = box.blockSignals(True)
        box.setCurrentIndex(index)
        box.blockSignals(blocked)


def share_slider(name: str, value: float, tell: Callable[[float], None]) -> QSlider:
    """A slider over 0..1 in whole percent."""
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 100)
    slider.setValue(round(value * 100))
    slider.setAccessibleName(name)
    slider.setToolTip(name)
    slider.setMinimumWidth(64)
    slider.setMaximumWidth(120)
    slider.valueChanged.connect(lambda percent: tell(percent / 100.0))
    return slider


def muted(text: str, parent: QWidget | None = None) -> QLabel:
    """A small grey label."""
    label = QLabel(text, parent)
    label.setObjectName("muted")
    return label
