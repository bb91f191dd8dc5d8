"""The few questions that the window asks; each is shown without stopping the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget


def ask_stop(parent: QWidget, work: str, stop: Callable[[], None]) -> QMessageBox:
    """Ask whether to end running work and close; `stop` is called on yes."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Work is running")
    box.setText(f"{work} is still running.")
    box.setInformativeText("Closing stops it. Nothing half-written stays behind.")
    leave = box.addButton("Stop and close", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton("Keep running", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    leave.clicked.connect(lambda _checked=False: stop())
    box.open()
    return box


def ask_remove(parent: QWidget, what: str, remove: Callable[[], None]) -> QMessageBox:
    """Ask whether to delete something installed; `remove` is called on yes."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Remove")
    box.setText(f"Remove {what}?")
    box.setInformativeText("Its files are deleted. It can be installed again.")
    yes = box.addButton("Remove", QMessageBox.ButtonRole.DestructiveRole)
    keep = box.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(keep)
    box.setEscapeButton(keep)
    yes.clicked.connect(lambda _checked=False: remove())
    box.open()
    return box
