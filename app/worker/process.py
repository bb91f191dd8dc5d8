"""The parent's side of the worker: one child process that can be limited, killed, restarted.

`Worker.run` blocks its caller until the child has answered, so it belongs in a background
thread; `Worker.cancel` may be called from any thread. Whatever happens to the child - a crash, a
kill by the system, a limit, nonsense on the pipe - the caller gets exactly one typed error and
the next `run` starts a fresh child.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.core.errors import CancelledError, WorkerError
from app.core.logs import log_event
from app.worker import limits
from app.worker.child import Child
from app.worker.faults import (
    closed_error,
    death_error,
    memory_error,
    start_error,
    time_error,
)
from app.worker.protocol import (
    Binding,
    Job,
    JobAnnouncement,
    JobCancelled,
    JobError,
    JobProgress,
    JobResult,
    JobStarted,
    Ready,
    cancel_line,
    error_of,
    job_line,
)
from app.worker.scratch import clean_scratch, remove_scratch_of

JOBS = "app.worker.jobs:JOBS"
CANCEL_GRACE_S = 0.6  # asked, then killed: together within a second
START_LIMIT_S = 60.0
_LOOK_EVERY_S = 0.05
OnEvent = Callable[[JobProgress | JobAnnouncement], None]


def _ignore(_event: JobProgress | JobAnnouncement) -> None:
    return None


class Worker:
    """Runs jobs in one child process, one at a time, and keeps it warm between them.

    Parameters
    ----------
    table
        ``module:NAME`` of the table of jobs that the child imports.
    memory_limit_bytes
        Resident memory at which a job is ended; 0 = three quarters of the machine's.
    """

    def __init__(self, table: str = JOBS, *, memory_limit_bytes: int = 0) -> None:
        self._table = table
        self._memory_limit_bytes = memory_limit_bytes or limits.default_memory_limit_bytes()
        self._child: Child | None = None
        self._turn = threading.Lock()
        self._state = threading.Lock()
        self._cancelled: set[str] = set()
        self._waiting: set[str] = set()
        self._closed = False
        self.dropped_messages = 0

    @property
    def child_pid(self) -> int | None:
        """Process id of the running child, or None."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    def start(self) -> None:
        """Start the child now, so that the first job does not wait for it."""
        with self._turn:
            self._ready_child(None)

    def run(self, job: Job, on_event: OnEvent = _ignore) -> dict[str, Any]:
        """Do a job in the child and return its answer; waits for its turn.

        Parameters
        ----------
        job
            What to do.
        on_event
            Told of progress and announcements, in the calling thread.

        Raises
        ------
        CancelledError
            `cancel` was called; the child is idle or dead.
        WorkerError
            Crash, kill, memory limit, time limit.
        AppError
            Whatever typed error the job raised.
        """
        with self._state:
            self._waiting.add(job.job_id)
        try:
            while not self._turn.acquire(timeout=_LOOK_EVERY_S):
                if job.job_id in self._cancelled:
                    raise CancelledError
            try:
                return self._run_now(job, on_event)
            finally:
                self._turn.release()
        finally:
            with self._state:
                self._waiting.discard(job.job_id)
                self._cancelled.discard(job.job_id)

    def cancel(self, job_id: str | None = None) -> None:
        """Ask a job to stop (every job without an id); it is killed if it does not answer."""
        with self._state:
            # An id that is not known yet is kept: its `run` may just be about to begin.
            self._cancelled |= set(self._waiting) if job_id is None else {job_id}

    def close(self) -> None:
        """Cancel everything and end the child; the worker cannot be used afterwards."""
        self._closed = True
        self.cancel()
        with self._turn:
            if self._child is not None:
                self._child.end(wait_s=0.5)
                remove_scratch_of(self._child.pid)
                clean_scratch()  # of the processes that a cohort's run had started
                self._child = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _run_now(self, job: Job, on_event: OnEvent) -> dict[str, Any]:
        limit = job.memory_limit_bytes or self._memory_limit_bytes
        for _attempt in range(2):  # a warm child may have ended before it took the job
            child = self._ready_child(job.job_id)
            answer = self._ask(child, job, limit, on_event)
            if answer is not None:
                break
        else:
            raise _death(child)
        if isinstance(answer, JobCancelled):
            raise CancelledError(answer.stage)
        if job.job_id in self._cancelled:
            raise CancelledError
        if isinstance(answer, JobError):
            raise error_of(answer)
        return answer.result

    def _ask(
        self, child: Child, job: Job, limit_bytes: int, on_event: OnEvent
    ) -> JobResult | JobError | JobCancelled | None:
        """Give the job to the child; None = the child ended before it had taken it."""
        child.send(job_line(replace(job, memory_limit_bytes=limit_bytes)))
        answer = None
        try:
            answer = self._await_answer(child, job, limit_bytes, on_event)
        finally:
            if answer is None:
                self._discard(child)
        return answer

    def _await_answer(
        self, child: Child, job: Job, limit_bytes: int, on_event: OnEvent
    ) -> JobResult | JobError | JobCancelled | None:
        started = False
        deadline = time.monotonic() + job.time_limit_s
        kill_at: float | None = None
        binding = Binding.of(job)
        while True:
            now = time.monotonic()
            if job.job_id in self._cancelled and kill_at is None:
                child.send(cancel_line(job.job_id))
                kill_at = now + max(job.cancel_grace_s, CANCEL_GRACE_S)
            if kill_at is not None and self._closed:  # at the program's end nobody waits longer
                kill_at = min(kill_at, now + CANCEL_GRACE_S)
            if kill_at is not None and now >= kill_at:
                raise CancelledError
            if now >= deadline:
                raise time_error(job.time_limit_s)
            if limits.resident_bytes(child.pid) > limit_bytes:
                raise memory_error(limit_bytes)
            try:
                message = child.messages.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                continue
            if message is None:
                if kill_at is not None:
                    raise CancelledError
                if not started and not child.nonsense:
                    log_event("worker.ended_between_jobs", exit_code=child.exit_code)
                    return None
                raise _death(child)
            if isinstance(message, Ready) or message.binding != binding:
                self.dropped_messages += 1
            elif isinstance(message, JobStarted):
                started = True
            elif isinstance(message, JobProgress | JobAnnouncement):
                if kill_at is None:
                    on_event(message)
            else:
                return message

    def _ready_child(self, job_id: str | None) -> Child:
        """The warm child, or a new one that has said it is ready."""
        if self._closed:
            raise closed_error()
        if self._child is not None and self._child.alive:
            return self._child
        if self._child is not None:
            self._discard(self._child)
        try:
            child = Child(self._table)
        except OSError as fault:
            raise start_error() from fault
        self._child = child
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            if job_id is not None and job_id in self._cancelled:
                self._discard(child)
                raise CancelledError
            try:
                message = child.messages.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                if time.monotonic() < deadline:
                    continue
                self._discard(child)
                raise time_error(START_LIMIT_S) from None
            if isinstance(message, Ready):
                return child
            self._discard(child)
            raise _death(child)

    def _discard(self, child: Child) -> None:
        child.end()
        # A child that was killed could not remove its private folders with the voxels.
        remove_scratch_of(child.pid)
        self._child = None


def _death(child: Child) -> WorkerError:
    log_event("worker.died", exit_code=child.exit_code, nonsense=child.nonsense)
    return death_error(child.exit_code, nonsense=child.nonsense)
