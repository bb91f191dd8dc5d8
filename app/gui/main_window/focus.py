"""Where the keyboard goes."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QWidget


def focus_first(around: QWidget) -> bool:
    """Give the keyboard to the first thing in a view that takes it, its picture before controls."""
    reason = Qt.FocusReason.ShortcutFocusReason
    able = [
        widget
        for widget in around.findChildren(QWidget)
        if widget.isVisible()
        and widget.isEnabled()
        and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    ]
    able.sort(key=lambda widget: isinstance(widget, QComboBox) or widget.height() < 40)
    if not able:
        return False
    able[0].setFocus(reason)
    return True
