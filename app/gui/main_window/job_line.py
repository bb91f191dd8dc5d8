"""The progress line: which job it shows, and cancelling that job."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.core.progress import ProgressEvent
from app.gui.dialogs.questions import ask_cancel
from app.gui.jobs import Jobs
from app.gui.widgets.progress_panel import ProgressPanel

ASK_AFTER_S = 60.0  # of work that cancelling would lose


class JobLine(QObject):
    """Shows the newest job that runs in a progress panel."""

    def __init__(self, jobs: Jobs, panel: ProgressPanel, parent: QWidget) -> None:
        super().__init__(parent)
        self._jobs, self._panel, self._parent = jobs, panel, parent
        jobs.started.connect(self._started)
        jobs.progressed.connect(self._progressed)
        jobs.finished.connect(self._finished)

    def cancel(self) -> None:
        """Cancel the job that is shown; asks where more than a minute of work would be lost."""
        panel = self._panel
        job_id, seconds = panel.job_id, panel.seconds_elapsed
        if job_id is None:
            return
        if seconds <= ASK_AFTER_S:
            panel.cancel.click()
            return

        def stop() -> None:
            if panel.job_id == job_id:
                panel.cancel.click()

        ask_cancel(self._parent, panel.title.text(), seconds, stop)

    def cancel_job(self, job_id: str) -> None:
        """The same for one job, whether it is the one that is shown or not."""
        if job_id == self._panel.job_id:
            self.cancel()
        else:
            self._jobs.cancel(job_id)

    def _started(self, job_id: str) -> None:
        running = self._jobs.find(job_id)
        if running is not None:
            self._panel.begin(job_id, running.title)

    def _progressed(self, job_id: str, event: ProgressEvent) -> None:
        self._panel.show_event(job_id, event)

    def _finished(self, job_id: str) -> None:
        self._panel.end(job_id)
        waiting = self._jobs.running()
        if waiting and self._panel.job_id is None:
            self._panel.begin(waiting[-1].job.job_id, waiting[-1].title)
