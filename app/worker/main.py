"""The child process: reads jobs from a pipe, does one at a time, answers on a private pipe.

Started as ``python -m app.worker.main MODULE:TABLE PARENT_PID``; its command line holds no
participant data. What libraries print goes nowhere: it may quote file names, and it must not
mix with the messages.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from app.core.errors import AppError, CancelledError
from app.core.logs import code_locations, crash_file, log_event, log_fault
from app.core.progress import Progress, ProgressEvent
from app.study.files import storage_error, write_all
from app.worker import limits
from app.worker.faults import memory_error, unexpected_error
from app.worker.protocol import (
    Binding,
    Job,
    JobAnnouncement,
    JobCancelled,
    JobError,
    JobProgress,
    JobResult,
    JobStarted,
    Message,
    Ready,
    message_line,
    parse_request,
)

JobFunction = Callable[[Mapping[str, Any], Progress], dict[str, Any]]


class Channel:
    """The private pipe to the parent; whole lines, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write one message; a parent that is gone ends the child."""
        line = message_line(message)
        with self._lock:
            try:
                write_all(self._descriptor, line)
            except OSError:
                os._exit(1)


class Requests:
    """Reads the parent's requests in a thread, so that a cancel is heard during work."""

    def __init__(self, stream: BinaryIO) -> None:
        self.jobs: queue.Queue[Job] = queue.Queue()
        self._cancelled: set[str] = set()
        self._stream = stream
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def is_cancelled(self, job_id: str) -> bool:
        """True once the parent asked for it."""
        return job_id in self._cancelled

    def _read(self) -> None:
        try:
            for line in self._stream:
                request = parse_request(line)
                if isinstance(request, str):
                    self._cancelled.add(request)
                else:
                    self.jobs.put(request)
        finally:
            # The parent closed the pipe or died: nobody waits for an answer any more.
            os._exit(0)


def main(table_name: str, parent_pid: int) -> None:
    """Serve jobs until the parent closes the pipe."""
    requests, channel = _private_pipes()
    limits.restrict_child(parent_pid)
    # Kept open for the life of the process: it shows code locations only, never values.
    crash_log = crash_file().open("a")
    faulthandler.enable(crash_log)
    module, _, attribute = table_name.partition(":")
    table: Mapping[str, JobFunction] = getattr(importlib.import_module(module), attribute)
    channel.send(Ready(os.getpid()))
    while True:
        job = requests.jobs.get()
        channel.send(JobStarted(Binding.of(job)))
        channel.send(do_job(job, table, channel, requests))


def do_job(
    job: Job, table: Mapping[str, JobFunction], channel: Channel, requests: Requests
) -> Message:
    """Do one job; whatever happens becomes exactly one message."""
    binding = Binding.of(job)
    stage = ""

    def report(event: ProgressEvent) -> None:
        nonlocal stage
        stage = event.stage
        channel.send(JobProgress(binding, event))

    def announce(name: str, facts: Mapping[str, str]) -> None:
        channel.send(JobAnnouncement(binding, name, dict(facts)))

    progress = Progress(report, lambda: requests.is_cancelled(job.job_id), announce=announce)
    limit = 0 if job.arguments.get("device") == "cuda" else job.memory_limit_bytes
    try:
        with limits.address_space(limit):
            result = table[job.name](job.arguments, progress)
        message = JobResult(binding, result)
        message_line(message)  # an answer that cannot be sent is this job's fault
        return message
    except CancelledError:
        return JobCancelled(binding, stage)
    except AppError as error:
        return _error(binding, error)
    except MemoryError:
        return _error(binding, memory_error(limit))
    except OSError as fault:
        log_event("worker.os_error", job=job.name, errno=fault.errno, where=code_locations(fault))
        return _error(binding, storage_error(fault))
    except Exception as fault:  # noqa: BLE001 - the net: the parent gets one typed error
        log_fault("worker.unexpected", fault)
        return _error(binding, unexpected_error(type(fault).__name__))


def _error(binding: Binding, error: AppError) -> JobError:
    return JobError(binding, type(error).__name__, error.code, error.message, error.hint)


def _private_pipes() -> tuple[Requests, Channel]:
    """Take standard input and output for the protocol and give libraries an empty device."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.dup(1)
    empty = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(empty, descriptor)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the life of the process
    sys.stderr = sys.stdout
    with contextlib.suppress(AttributeError, ValueError):
        import signal

        # Ctrl-C goes to the parent, which decides.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Requests(requests), Channel(answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
