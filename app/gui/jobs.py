"""What is running: the window's only threads. Each waits for the worker process or for the disk.

A job's thread never touches a widget: it turns what the worker says into one internal signal,
and this object, which lives in the window's thread, tells the rest. Connect first, then start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.core.errors import AppError, CancelledError, StorageError, WorkerError
from app.core.logs import log_fault
from app.core.progress import ProgressEvent
from app.gui.diagnostics import note_action
from app.worker.protocol import Job, JobAnnouncement, JobProgress

_JOIN_S = 5.0
TITLES = {  # what the user reads while a job of that name runs
    "look": "Looking through the folder",
    "inspect": "Opening the scan",
    "preview": "Opening the scan",
    "demonstrate": "Simulating the demonstration participant",
    "analyse": "Analysis",
    "report": "Writing the PDF",
    "explain": "Explanation",
    "preview_pages": "Preview of the report",
    "sign_report": "Signing the report",
    "batch_reports": "Reports of many cases",
    "reopen": "Opening from a report",
    "bundle_card": "Reading the model card",
    "bundle_export": "Exporting the model",
    "bundle_import": "Checking and installing the model",
    "devices": "Asking for devices",
}


class WorkerLike(Protocol):
    """The part of `app.worker.process.Worker` that the window uses."""

    def run(
        self, job: Job, on_event: Callable[[JobProgress | JobAnnouncement], None] = ...
    ) -> dict[str, Any]:
        """Do a job and return its answer; blocks."""

    def cancel(self, job_id: str | None = None) -> None:
        """Ask a job to stop."""

    def close(self) -> None:
        """End the child."""


@dataclass(frozen=True, slots=True)
class Running:
    """A job that has not ended yet."""

    job: Job
    thread: threading.Thread
    title: str


class Jobs(QObject):
    """Starts jobs, tells how they go, drops answers that nobody waits for any more.

    Parameters
    ----------
    make_worker
        Makes the worker at the first job; until then no child process exists.
    """

    started = Signal(str)  # job id
    progressed = Signal(str, object)  # job id, ProgressEvent
    announced = Signal(str, str, object)  # job id, name, facts
    succeeded = Signal(str, object)  # job id, result (dict)
    failed = Signal(str, object)  # job id, AppError
    cancelled = Signal(str)
    finished = Signal(str)  # always, after one of the three above
    _arrived = Signal(str, object)

    def __init__(
        self, make_worker: Callable[[], WorkerLike], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._make_worker = make_worker
        self._worker: WorkerLike | None = None
        self._running: dict[str, Running] = {}
        self._stale: set[str] = set()
        self._lock = threading.Lock()
        self.dropped = 0  # answers that came too late
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def sibling(self) -> Jobs:
        """Jobs with a worker of their own, for work that must not keep an analysis waiting."""
        return Jobs(self._make_worker, self)

    def start(self, job: Job, title: str = "") -> str:
        """Start a job in the background and return its id.

        A job of the same name that still runs becomes stale: it is cancelled and its answer
        is dropped.
        """
        for other in [r.job for r in self._running.values() if r.job.name == job.name]:
            self.abandon(other.job_id)
        thread = threading.Thread(target=self._run, args=(job,), name=f"job {job.name}")
        self._running[job.job_id] = Running(job, thread, title or TITLES.get(job.name, job.name))
        note_action(f"job {job.name}")
        self.started.emit(job.job_id)
        thread.start()
        return job.job_id

    def find(self, job_id: str) -> Running | None:
        """A job that has not ended, or None."""
        return self._running.get(job_id)

    def running(self) -> tuple[Running, ...]:
        """Jobs whose answer is still wanted, oldest first."""
        return tuple(r for key, r in self._running.items() if key not in self._stale)

    def ahead_of(self, name: str) -> str:
        """Title of the work that a job of this name would wait for now; "" where it would not."""
        return next((r.title for r in self.running() if r.job.name != name), "")

    def cancel(self, job_id: str) -> None:
        """Ask a job to stop; `cancelled` follows when it has."""
        if self._worker is not None and job_id in self._running:
            self._worker.cancel(job_id)

    def abandon(self, job_id: str) -> None:
        """Cancel a job and drop whatever it still says."""
        if job_id in self._running:
            self._stale.add(job_id)
            self.cancel(job_id)

    def close(self) -> None:
        """Cancel all jobs, wait for their threads, end the worker."""
        running = tuple(self._running.values())
        self._stale.update(r.job.job_id for r in running)
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        for entry in running:
            entry.thread.join(_JOIN_S)

    def _run(self, job: Job) -> None:
        """In the job's thread."""
        try:
            with self._lock:
                if self._worker is None:
                    self._worker = self._make_worker()
                worker = self._worker
            answer: object = worker.run(job, lambda event: self._arrived.emit(job.job_id, event))
        except AppError as error:
            answer = error
        except Exception as fault:  # noqa: BLE001  the job net: the window must hear of it
            log_fault("gui.job_fault", fault)
            answer = WorkerError(
                f"The work stopped with an unexpected fault ({type(fault).__name__}).",
                "Try again; if it happens again, send the diagnostic report.",
                code="gui.job_fault",
            )
        self._arrived.emit(job.job_id, answer)

    @Slot(str, object)
    def _deliver(self, job_id: str, said: object) -> None:
        """In the window's thread."""
        if job_id not in self._running:
            self.dropped += 1
            return
        stale = job_id in self._stale
        self.dropped += stale
        if isinstance(said, JobProgress):
            if not stale and isinstance(said.event, ProgressEvent):
                self.progressed.emit(job_id, said.event)
            return
        if isinstance(said, JobAnnouncement):
            if not stale:
                self.announced.emit(job_id, said.name, said.facts)
            return
        self._running.pop(job_id).thread.join()
        self._stale.discard(job_id)
        if stale or isinstance(said, CancelledError):
            self.cancelled.emit(job_id)
        elif isinstance(said, AppError):
            self.failed.emit(job_id, said)
        else:
            self.succeeded.emit(job_id, said)
        self.finished.emit(job_id)


class Reader(QObject):
    """Reads from the disk in a thread, so that the window never waits for it.

    Only the newest question of a kind is answered; an answer that comes after a newer question
    or after `forget` is dropped. With `inline` set the reading happens at once, in the caller's
    thread, for tests of what follows from it.
    """

    _arrived = Signal(str, int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.inline = False
        self.dropped = 0  # answers that came too late
        self._asked = 0
        self._waiting: dict[str, tuple[int, Callable[[Any], None]]] = {}
        self._threads: dict[int, threading.Thread] = {}
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def read(self, kind: str, work: Callable[[], Any], tell: Callable[[Any], None]) -> None:
        """Do `work` in the background; `tell` gets its result, or its `AppError`, afterwards.

        A question of the same kind that is still open becomes stale.
        """
        self._asked += 1
        number = self._asked
        self._waiting[kind] = (number, tell)
        if self.inline:
            self._deliver(kind, number, _answer(work))
            return
        thread = threading.Thread(
            target=lambda: self._arrived.emit(kind, number, _answer(work)), name=f"read {kind}"
        )
        self._threads[number] = thread
        thread.start()

    def busy(self, *kinds: str) -> bool:
        """Whether an answer is still wanted, of one of some kinds or of any."""
        return any(kind in self._waiting for kind in kinds) if kinds else bool(self._waiting)

    def forget(self, kind: str = "") -> None:
        """Drop the answers that are still to come, of one kind or of all."""
        for key in [kind] if kind else list(self._waiting):
            self._waiting.pop(key, None)

    def close(self) -> None:
        """Drop all answers and wait for the threads."""
        self.forget()
        for thread in self._threads.values():
            thread.join(_JOIN_S)
        self._threads.clear()

    @Slot(str, int, object)
    def _deliver(self, kind: str, number: int, answer: object) -> None:
        """In the window's thread."""
        thread = self._threads.pop(number, None)
        if thread is not None:
            thread.join()
        asked, tell = self._waiting.get(kind, (0, None))
        if asked != number or tell is None:
            self.dropped += 1
            return
        del self._waiting[kind]
        tell(answer)


def _answer(work: Callable[[], Any]) -> Any:
    """What the work gives, or the error that says why not."""
    try:
        return work()
    except AppError as error:
        return error
    except Exception as fault:  # noqa: BLE001  the thread's net: the window must hear of it
        log_fault("gui.read_fault", fault)
        return StorageError(
            f"The reading stopped with an unexpected fault ({type(fault).__name__}).",
            "Try again; if it happens again, send the diagnostic report.",
            code="gui.read_fault",
        )
