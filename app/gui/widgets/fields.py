"""Small controls that views share: a labelled choice, a slider, a typed number, a marked field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QLabel, QSlider, QWidget

from app.core.errors import AppError

_USUAL_CHARS = 13  # of a choice, where there is room
_LEAST_CHARS = 9  # of a choice, where a row has no room for more
_NUMBER = re.compile(r"[0-9]{1,4}(?:[.,][0-9]{0,12})?|[.,][0-9]{1,12}")


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
    box.setMinimumContentsLength(min(longest - 3, _USUAL_CHARS))
    metrics = box.fontMetrics()
    widest = max(metrics.horizontalAdvance(text[:_LEAST_CHARS]) for text in options.values())
    least = metrics.averageCharWidth() * min(longest, _LEAST_CHARS) + 30
    box.setMinimumWidth(max(least, widest + 36))
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


class _UndoPasses(QObject):
    """Keeps a number box from taking undo and redo for the digits that were typed."""

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Leave the keys to the window, whose undo brings back the whole change."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        keys = QKeySequence.StandardKey
        if not (event.matches(keys.Undo) or event.matches(keys.Redo)):
            return False
        event.ignore()
        return True


def pass_undo(*boxes: QAbstractSpinBox) -> None:
    """Ctrl+Z in these boxes undoes the change of the view, not the typing."""
    for box in boxes:
        box.installEventFilter(_UndoPasses(box))


def leave_drops(page: QWidget) -> None:
    """Files dropped on anything in a page go to the window, which opens them.

    Left to themselves, text fields take the path for words, and plots take it and do nothing.
    """
    for widget in page.findChildren(QWidget):
        widget.setAcceptDrops(False)


def typed_number(text: str, name: str, low: float, high: float) -> float | None:
    """A number with a decimal point or comma, whatever the system's language; None for no entry.

    Raises
    ------
    AppError
        ``field.number``: the entry is no number from `low` to `high`.
    """
    entry = text.strip()
    if not entry:
        return None
    value = float(entry.replace(",", ".")) if _NUMBER.fullmatch(entry) else None
    if value is None or not low <= value <= high:
        raise AppError(
            f"{name}: give a number from {low:g} to {high:g}, or leave the field empty.",
            code="field.number",
        )
    return value


def mark(widget: QWidget, problem: str) -> None:
    """Mark a widget whose entry cannot be used, and say why to a pointer and a screen reader."""
    widget.setProperty("refused", bool(problem))
    widget.setToolTip(problem)
    widget.setAccessibleDescription(problem)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
