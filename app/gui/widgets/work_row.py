"""A button that starts long work: how long it will take, then how far it is, and a cancel."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QProgressBar, QPushButton, QWidget

from app.core.progress import ProgressEvent
from app.gui.jobs import Jobs
from app.gui.widgets.progress_panel import left_words
from app.gui.widgets.theme import scaled
from app.gui.widgets.view import ElidedLabel
from app.worker.protocol import Job

_WORDS_PX = 240  # that the words have beside the button, at the usual text size


class WorkRow(QWidget):
    """One line in a view; while its job runs the button cannot be pressed again.

    Parameters
    ----------
    words
        On the button.
    """

    asked = Signal()
    cancel_asked = Signal(str)  # job id

    def __init__(self, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.job_id: str | None = None
        self._jobs: Jobs | None = None
        self._own: Callable[[Job], bool] = lambda _job: False
        self._may = True
        self.button = QPushButton(words)
        self.button.clicked.connect(self.asked)
        self.told = ElidedLabel(lines=3, firm=True)
        self.told.setObjectName("muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setMinimumWidth(60)
        self.cancel = QPushButton("Cancel")
        self.cancel.clicked.connect(self._cancel)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.button)
        row.addWidget(self.bar, 1)
        row.addWidget(self.cancel)
        row.addStretch(0)
        self._parts = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._parts.setContentsMargins(0, 0, 0, 0)
        self._parts.setSpacing(6)
        self._parts.addLayout(row, 2)
        self._parts.addWidget(self.told, 3)
        self._estimate = ""
        self._follow()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The words go below the button where too little room is left beside it."""
        super().resizeEvent(event)
        room = self.width() - self.button.sizeHint().width() - self._parts.spacing()
        below = room < scaled(_WORDS_PX)
        way = QBoxLayout.Direction.TopToBottom if below else QBoxLayout.Direction.LeftToRight
        if self._parts.direction() != way:
            self._parts.setDirection(way)

    def set_offer(self, *, enabled: bool, estimate: str) -> None:
        """Whether the work can be started, and what is known of how long it takes."""
        self._may, self._estimate = enabled, estimate
        self._follow()

    def watch(self, jobs: Jobs, own: Callable[[Job], bool]) -> None:
        """Follow the jobs that are this row's own."""
        self._jobs, self._own = jobs, own
        # methods, not closures: jobs outlive a page that is built anew, and let go of these
        jobs.started.connect(self._started)
        jobs.progressed.connect(self._progressed)
        jobs.finished.connect(self._finished)
        for running in jobs.running():  # the page may be built while it runs
            self._started(running.job.job_id)

    def _started(self, job_id: str) -> None:
        running = self._jobs.find(job_id) if self._jobs is not None else None
        if running is not None and self._own(running.job):
            self.job_id = job_id
            self.bar.setRange(0, 0)
            self.cancel.setEnabled(True)
            self.told.set_full_text("Starting")
            self._follow()

    def _progressed(self, job_id: str, event: ProgressEvent) -> None:
        if job_id == self.job_id:
            self.bar.setRange(0, 1000)
            self.bar.setValue(round(event.fraction * 1000))
            left = left_words(event.seconds_left)
            parts = (f"{event.fraction * 100:.0f} %", left, event.message)
            self.told.set_full_text(", ".join(part for part in parts if part))

    def _finished(self, job_id: str) -> None:
        if job_id == self.job_id:
            self.job_id = None
            self._follow()

    def _cancel(self) -> None:
        if self.job_id is not None:
            self.cancel_asked.emit(self.job_id)

    def _follow(self) -> None:
        running = self.job_id is not None
        self.button.setEnabled(self._may and not running)
        self.bar.setVisible(running)
        self.cancel.setVisible(running)
        if not running:
            self.told.set_full_text(self._estimate)
