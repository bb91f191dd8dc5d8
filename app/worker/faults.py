"""The errors in which a job ends when the child, and not the work, was at fault."""

from __future__ import annotations

import signal

from app.core.errors import WorkerError

_RETRY_HINT = "The program goes on. Try again; if it happens again, the file may be damaged."


def memory_error(limit_bytes: int) -> WorkerError:
    """The error of a job that needed more memory than it may use."""
    size = f" of {limit_bytes / 2**30:.1f} GB" if limit_bytes else ""
    return WorkerError(
        f"The work needs more memory than the limit{size}.",
        "Close other programs, raise the memory limit in the settings, or use a shorter scan.",
        code="worker.memory_limit",
    )


def time_error(limit_s: float) -> WorkerError:
    """The error of a job, or of a start, that took too long."""
    return WorkerError(
        f"The work took longer than its limit of {limit_s:.0f} s and was stopped.",
        "Close other programs and try again.",
        code="worker.time_limit",
    )


def closed_error() -> WorkerError:
    """The error of a job that comes after the end."""
    return WorkerError("The program is closing.", "Start it again.", code="worker.closed")


def start_error() -> WorkerError:
    """The error of a child that the system would not start."""
    return WorkerError(
        "The worker process could not be started.",
        "Close other programs and try again.",
        code="worker.not_started",
    )


def unexpected_error(kind: str) -> WorkerError:
    """The error of a fault that nobody foresaw; `kind` is the exception's class."""
    return WorkerError(
        f"The work failed unexpectedly ({kind}).",
        "Try again; if it happens again, send the log file to the developers.",
        code="worker.unexpected",
    )


def death_error(exit_code: int | None, *, nonsense: bool) -> WorkerError:
    """Why a child ended that nobody asked to end.

    Parameters
    ----------
    exit_code
        As `subprocess` gives it: negative is the number of a signal.
    nonsense
        It was ended because it sent what is no message.
    """
    if nonsense:
        return WorkerError(
            "The worker process answered with something unreadable.",
            _RETRY_HINT,
            code="worker.nonsense",
        )
    if exit_code is None or exit_code >= 0:
        return WorkerError(
            f"The worker process ended without an answer (exit code {exit_code}).",
            _RETRY_HINT,
            code="worker.exited",
        )
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if name == "SIGKILL":
        return WorkerError(
            "The worker process was killed, most likely because memory ran out.",
            "Close other programs and try again.",
            code="worker.killed",
        )
    return WorkerError(f"The worker process crashed ({name}).", _RETRY_HINT, code="worker.crashed")
