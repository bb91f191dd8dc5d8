"""The few questions that the window asks; each is shown without stopping the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QLabel,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)


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


def ask_repetition_time(parent: QWidget, why: str, stated: Callable[[float], None]) -> QDialog:
    """Ask for the seconds between volumes; `stated` is called with them."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("State the repetition time")
    column = QVBoxLayout(dialog)
    words = QLabel(f"{why}\n\nCheck the protocol of the scan. What you state is written into the "
                   "case as stated by the user.")  # fmt: skip
    words.setTextFormat(Qt.TextFormat.PlainText)
    words.setWordWrap(True)
    words.setMinimumWidth(420)
    seconds = QDoubleSpinBox()
    seconds.setAccessibleName("Repetition time in seconds")
    seconds.setDecimals(4)
    seconds.setRange(0.0, 6.0)  # 0 stands for "not stated"
    seconds.setSpecialValueText("seconds")
    seconds.setSuffix(" s")
    buttons = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
    )
    for button in buttons.buttons():
        button.setIcon(QIcon())
    opening = buttons.button(QDialogButtonBox.StandardButton.Open)
    opening.setEnabled(False)
    seconds.valueChanged.connect(lambda value: opening.setEnabled(value >= 0.2))

    def accept() -> None:
        dialog.accept()
        stated(seconds.value())

    buttons.accepted.connect(accept)
    buttons.rejected.connect(dialog.reject)
    for widget in (words, seconds, buttons):
        column.addWidget(widget)
    dialog.open()
    return dialog


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
