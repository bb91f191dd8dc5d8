"""The progress line: which job it shows, and cancelling that job."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.core.progress import ProgressEvent
from app.gui.case_reader import CaseReader
from app.gui.dialogs.questions import ask_cancel
from app.gui.jobs import Jobs
from app.gui.widgets.progress_panel import ProgressPanel

ASK_AFTER_S = 60.0  # of work that cancelling would lose
READING = "reading"  # in the place of a job's id, while a case or session is read from the disk


class JobLine(QObject):
    """Shows the job that runs in a progress panel; those that wait behind it never take the line.

    The worker does one job after another: the oldest is taken for the one that runs until another
    tells of its progress. A case or session that is being read stands before all of them: it is
    there in seconds, and what runs is left behind then.
    """

    def __init__(
        self, jobs: Jobs, reader: CaseReader, panel: ProgressPanel, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._jobs, self._reader, self._panel, self._parent = jobs, reader, panel, parent
        jobs.started.connect(self._next)
        jobs.progressed.connect(self._progressed)
        jobs.finished.connect(self._finished)
        reader.slow.connect(lambda words: panel.begin(READING, words, "Reading the files"))
        reader.came.connect(lambda: self._finished(READING))
        panel.cancel_asked.connect(self._cancel_asked)

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

    def _next(self) -> None:
        """Show the job that runs, where what is shown has ended or is not wanted any more."""
        running = self._jobs.running()
        wanted = [one.job.job_id for one in running]
        if running and self._panel.job_id not in (READING, *wanted):
            self._panel.begin(wanted[0], running[0].title)

    def _progressed(self, job_id: str, event: ProgressEvent) -> None:
        running = self._jobs.find(job_id)
        if running is not None and self._panel.job_id not in (READING, job_id):
            self._panel.begin(job_id, running.title)
        self._panel.show_event(job_id, event)

    def _finished(self, job_id: str) -> None:
        self._panel.end(job_id)
        self._next()

    def _cancel_asked(self, job_id: str) -> None:
        if job_id == READING:
            self._reader.stop_opening()
