"""Errors that a person can act on: what happened, and what to do about it."""

from __future__ import annotations


class AppError(Exception):
    """A fault with one clear message and one piece of advice.

    Parameters
    ----------
    message
        What happened, in one sentence, without a participant's name or a path.
    hint
        What the user can do about it.
    code
        Stable machine-readable identifier, such as ``scan.truncated``; the first part
        names the room that raised it.
    """

    def __init__(self, message: str, hint: str = "", *, code: str = "app.error") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ScanError(AppError):
    """The file cannot be used as a scan."""


class PreprocessingError(AppError):
    """A step of the recipe could not do its work."""


class ModelError(AppError):
    """A model bundle is missing, damaged, or does not fit the scan's atlas or recipe."""


class DownloadError(AppError):
    """A file could not be fetched, or what came is not the file that was asked for."""


class StorageError(AppError):
    """Something could not be written or read back intact."""


class WorkerError(AppError):
    """The worker process ended without an answer (crash, memory limit, time limit)."""


class CancelledError(AppError):
    """The user asked the work to stop."""

    def __init__(self, stage: str = "") -> None:
        where = f" during {stage}" if stage else ""
        super().__init__(
            f"Cancelled{where}.",
            "Nothing half-written remains. Start again at any time.",
            code="cancelled",
        )
