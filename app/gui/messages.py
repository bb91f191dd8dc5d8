"""Faults become one panel with a message and advice; nothing here is modal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import (
    QMessageLogContext,
    QObject,
    Qt,
    QtMsgType,
    Signal,
    qInstallMessageHandler,
)
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.core.errors import AppError
from app.core.logs import code_locations, log_event, log_fault
from app.gui.diagnostics import note_action, report

COPY = "Copy diagnostic report"
UNEXPECTED = AppError(
    "Something unexpected went wrong in the window.",
    "Your data are untouched. Go on, or copy the diagnostic report for the developers.",
    code="gui.unexpected",
)


class Messages(QObject):
    """Where every fault arrives, from whichever thread."""

    arrived = Signal(object, str)  # AppError, details

    def tell(self, error: AppError, details: str = "") -> None:
        """Show an error; may be called from any thread."""
        self.arrived.emit(error, details)


class ErrorPanel(QWidget):
    """The one error panel: what happened, what to do, a report to copy, a way to close it."""

    def __init__(self, messages: Messages, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName("Error")
        self._details = ""
        self._subject: Callable[[], str] = str
        self._about = ""  # what was open when the error was told
        self.error: AppError | None = None
        self.message = QLabel()
        self.message.setObjectName("title")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.copy = QPushButton(COPY)
        self.copy.setToolTip("Versions, graphics and last actions; no name, no path, no result")
        self.copy.clicked.connect(self._copy)
        close = QPushButton("Close")
        close.clicked.connect(self.hide)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.message)
        words.addWidget(self.hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 8, 10, 8)
        self.sign = QLabel("!")
        self.sign.setObjectName("sign")
        self.sign.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row.addWidget(self.sign)
        row.addSpacing(6)
        row.addLayout(words, 1)
        row.addWidget(self.copy)
        row.addWidget(close)
        self.hide()
        messages.arrived.connect(self.show_error)

    def show_error(self, error: AppError, details: str = "") -> None:
        """Show an error in place of the last one."""
        self.error = error
        self._details = details
        self._about = self._subject()
        note_action(f"error {error.code}")
        self.copy.setText(COPY)
        self.message.setText(error.message)
        self.hint.setText(error.hint)
        self.hint.setVisible(bool(error.hint))
        self.setAccessibleDescription(str(error))
        self.show()

    def follow(self, subject: Callable[[], str]) -> None:
        """Know what is open, by a key: an error belongs to what was open when it was told."""
        self._subject = subject

    def subject_changed(self) -> None:
        """Something else may be open now: what was told of the thing before is past."""
        if self._about != self._subject():
            self.hide()

    def report(self) -> str:
        """Versions, graphics, last actions and the fault, without paths of data or names."""
        return report(self.error, self._details)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy.setText("Copied")


def install_handlers(messages: Messages) -> Callable[[], None]:
    """Send Qt's warnings and uncaught exceptions to `messages`; returns the undoing."""
    old_hook, old_thread_hook = sys.excepthook, threading.excepthook

    def hook(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            old_hook(kind, value, trace)
            return
        details = f"{kind.__name__} at {code_locations(value.with_traceback(trace))}"
        log_fault("gui.uncaught", value)
        messages.tell(value if isinstance(value, AppError) else UNEXPECTED, details)

    def thread_hook(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            hook(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    def qt_handler(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
        # Qt's own warnings go to the log: a person can do nothing about them.
        log_event("gui.qt", kind=kind.name, text=text[:400])

    def unraisable_hook(arguments: sys.UnraisableHookArgs) -> None:
        # Where Python cannot raise, such as while an object goes: a note is all there can be.
        if arguments.exc_value is not None:
            log_fault("gui.unraisable", arguments.exc_value)

    old_unraisable = sys.unraisablehook
    sys.excepthook = hook
    threading.excepthook = thread_hook
    sys.unraisablehook = unraisable_hook
    old_qt = qInstallMessageHandler(qt_handler)

    def undo() -> None:
        sys.excepthook, threading.excepthook = old_hook, old_thread_hook
        sys.unraisablehook = old_unraisable
        qInstallMessageHandler(old_qt)

    return undo
