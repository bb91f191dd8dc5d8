"""The few questions that the window asks; each is shown without stopping the event loop."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QLabel,
    QMessageBox,
    QWidget,
)

from app.core import wording
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import scaled


def ask_stop(
    parent: QWidget, work: str, stop: Callable[[], None], unsaved: str = ""
) -> QMessageBox:
    """Ask whether to end running work, or to lose what is not saved; `stop` is called on yes."""
    return _ask_lost(parent, work, unsaved, "Closing", ("Stop and close", "Close"), stop)


def ask_leave(parent: QWidget, work: str, unsaved: str, leave: Callable[[], None]) -> QMessageBox:
    """The same where something else is opened; `leave` is called on yes."""
    doing = "Leaving this scan or case"
    return _ask_lost(parent, work, unsaved, doing, ("Stop and leave", "Leave"), leave)


def _ask_lost(
    parent: QWidget,
    work: str,
    unsaved: str,
    doing: str,
    yes: tuple[str, str],
    do: Callable[[], None],
) -> QMessageBox:
    if not work:
        words = (unsaved, f"{doing} loses it.")
        return _ask(parent, "Not saved", words, (yes[1], "Stay"), do)
    consequence = f"{doing} stops it. Nothing half-written stays behind. {unsaved}".strip()
    words = (f"{work} is still running.", consequence)
    return _ask(parent, "Work is running", words, (yes[0], "Keep running"), do)


def ask_sign(parent: QWidget, sign: Callable[[], None]) -> QMessageBox:
    """Ask before a version of the summary is closed for ever; `sign` is called on yes."""
    return _ask(
        parent,
        "Sign the participant summary",
        (
            "Sign this version of the participant summary?",
            "It is kept as it is, with comment and name. A later version supersedes it; both "
            f"stay. This cannot be undone.\n\n{wording.RUO_LINE}",
        ),
        ("Sign", "Do not sign"),
        sign,
    )


def ask_repetition_time(parent: QWidget, why: str, stated: Callable[[float], None]) -> QDialog:
    """Ask for the seconds between volumes; `stated` is called with them."""
    dialog = FramedDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle("State the repetition time")
    column = dialog.inside
    words = QLabel(f"{why}\n\nCheck the protocol of the scan. What you state is written into the "
                   "case as stated by the user.")  # fmt: skip
    words.setTextFormat(Qt.TextFormat.PlainText)
    words.setWordWrap(True)
    words.setMinimumWidth(scaled(420))
    seconds = QDoubleSpinBox()
    seconds.setAccessibleName("Repetition time in seconds")
    seconds.setDecimals(4)
    seconds.setRange(0.0, 6.0)  # 0 stands for "not stated"
    seconds.setSpecialValueText("seconds")
    seconds.setSuffix(" s")
    buttons = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
    )
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


def ask_relocate(
    parent: QWidget, what: str, shown: bool, locate: Callable[[], None]
) -> QMessageBox:
    """Ask where a scan or case of a session is now; `locate` lets the user choose."""
    return _ask(
        parent,
        "Not where it was",
        (
            f"The {what} of this session is not where it was.",
            "The rest of the session is shown." if shown else "Nothing was opened.",
        ),
        ("Locate\N{HORIZONTAL ELLIPSIS}", "Go on without it" if shown else "Leave it"),
        locate,
    )


def ask_cancel(parent: QWidget, work: str, seconds: float, stop: Callable[[], None]) -> QMessageBox:
    """Ask before more than a minute of work is lost; `stop` is called on yes."""
    minutes = max(round(seconds / 60.0), 1)
    return _ask(
        parent,
        "Cancel the work",
        (
            f"{work} has run for {minutes} min.",
            "Stages that are done are kept and recalled when it is run again.",
        ),
        ("Cancel the work", "Keep running"),
        stop,
    )


def ask_remove(parent: QWidget, what: str, remove: Callable[[], None]) -> QMessageBox:
    """Ask whether to delete something installed; `remove` is called on yes."""
    return _ask(
        parent,
        "Remove",
        (f"Remove {what}?", "Its files are deleted. It can be installed again."),
        ("Remove", "Keep"),
        remove,
    )


def _ask(
    parent: QWidget,
    title: str,
    words: tuple[str, str],
    answers: tuple[str, str],
    do: Callable[[], None],
) -> QMessageBox:
    """What is asked and what follows; the first answer does it, the second and Escape do not."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(words[0])
    box.setInformativeText(words[1])
    yes = box.addButton(answers[0], QMessageBox.ButtonRole.DestructiveRole)
    no = box.addButton(answers[1], QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(no)
    box.setEscapeButton(no)
    yes.clicked.connect(lambda _checked=False: do())
    box.open()
    return box
