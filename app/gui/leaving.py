"""Leaving what is open while long work on it runs: the window asks first."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.gui.jobs import Jobs

LENGTHY = ("analyse", "explain", "report", "sign_report", "batch_reports", "reopen")


class Leaving(QObject):
    """Lets something else be opened, which drops what runs, only where nothing is lost by it."""

    asked = Signal(str, object)  # the work that would be lost; what to call when that is wanted

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs

    def __call__(self, leave: Callable[[], None]) -> None:
        """Call `leave` at once, or ask."""
        lengthy = [one for one in self._jobs.running() if one.job.name in LENGTHY]
        if lengthy:
            self.asked.emit(lengthy[-1].title, leave)
        else:
            leave()
