"""What was cancelled, and the way to go on: a line that stays until something else is done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.gui.actions import Actions
from app.gui.jobs import Jobs
from app.gui.session import Session

FINISH, RUN = "Finish analysis", "Run analysis"
CANCELLED = "The analysis was cancelled. Nothing half-written remains."
INTERRUPTED = "The analysis was interrupted when the program ended. Nothing half-written remains."


class ResumeBar(QWidget):
    """Says that the user cancelled an analysis and offers to do it after all.

    While the scan's form can still be seen, what it says now counts; where a part of the case is
    shown, what was asked before. Stages that were done are recalled from the cache.
    """

    changed = Signal()  # what is offered

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName("Cancelled")
        self.actions_ = actions
        self._session: Session = actions.session
        self._jobs: Jobs = actions.jobs
        self._analysis = ""  # id of the newest analysis
        self._unwanted = ""  # id of the job that the user asked to stop
        self._scan_sha256 = ""  # of the scan whose analysis was cancelled
        self._awaited = ""  # the same, while that scan is still being opened again
        self.words = QLabel(CANCELLED)
        self.again = QPushButton(RUN)
        close = QPushButton("Close")
        close.clicked.connect(self._forget)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 10, 6)
        row.addWidget(self.words, 1)
        row.addWidget(self.again)
        row.addWidget(close)
        self.hide()
        self._jobs.started.connect(self._started)
        self._jobs.cancelled.connect(self._cancelled)
        self._session.case_changed.connect(self._follow)
        actions.reader.opened.connect(self._forget)

    @property
    def offered(self) -> bool:
        """Whether a cancelled analysis of the open scan can be finished now."""
        return bool(self._scan_sha256) and self._scan_sha256 == self._session.scan_sha256

    @property
    def wish(self) -> str:
        """What the button and the menu's entry say."""
        return FINISH if self.offered and self._session.case is not None else RUN

    def told_to_stop(self, job_id: str) -> None:
        """The user, not the opening of something else, asks this job to stop."""
        self._unwanted = job_id

    def resume(self) -> None:
        """Ask again for what was cancelled."""
        request = self.actions_.requests.get(self._scan_sha256)
        if self.offered and request is not None:
            self.actions_.analyse(request, self._scan_sha256)

    def offer_interrupted(self, scan_sha256: str) -> None:
        """An earlier program ended while it analysed this scan: offer to finish it."""
        self.words.setText(INTERRUPTED)
        self._scan_sha256 = self._awaited = scan_sha256
        self._follow()

    @property
    def interrupted(self) -> bool:
        """Whether what is offered was interrupted by the end of a program."""
        return self.offered and self.words.text() == INTERRUPTED

    def _started(self, job_id: str) -> None:
        running = self._jobs.find(job_id)
        if running is not None and running.job.name == "analyse":
            self._analysis = job_id
        names = ("look", "analyse") if self._awaited else ("look", "inspect", "analyse")
        if running is not None and running.job.name in names:
            self._forget()

    def _cancelled(self, job_id: str) -> None:
        if job_id != self._unwanted:
            return
        self._unwanted = ""
        if job_id == self._analysis:
            self._scan_sha256 = self._session.scan_sha256
            self.words.setText(CANCELLED)
        self.actions_.said.emit("Cancelled")
        self._follow()

    def _follow(self) -> None:
        """Show the offer for as long as the scan that it is about is open."""
        now = self._session.scan_sha256
        if self._awaited and now in ("", self._awaited):
            self._awaited = "" if now else self._awaited
        elif self._scan_sha256 != now:
            self._scan_sha256 = self._awaited = ""
        self.again.setText(self.wish)
        self.setVisible(self.offered)
        self.changed.emit()

    def _forget(self) -> None:
        self._scan_sha256 = self._unwanted = self._awaited = ""
        self._follow()
