"""A small log of codes, counts and code locations: never a name, a path or a value of a file."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import traceback
from datetime import UTC, datetime
from pathlib import Path

from app.core.folders import log_folder

MAX_BYTES = 500_000
KEPT_FILES = 3
_NAME = "neuroresponder"
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_.:<> +-]{0,400}")


def log_event(code: str, **facts: str | int | float | bool | None) -> None:
    """Write one line: time, process, `code` and plain facts.

    Text that could hold a path or a name (anything but letters, digits and ``_.:<>+-``) is
    replaced, so that a careless caller cannot leak. A log that cannot be written is no fault.
    """
    safe = {key: _safe(value) for key, value in facts.items()}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    _logger().info(json.dumps({"time": now, "pid": os.getpid(), "code": code, **safe}))


def log_fault(code: str, fault: BaseException) -> None:
    """Write where an unexpected exception came from; its text is left out: it may quote a file."""
    log_event(code, kind=type(fault).__name__, where=code_locations(fault))


def code_locations(fault: BaseException) -> str:
    """The innermost frames of an exception, ``file.py:line`` each."""
    frames = traceback.extract_tb(fault.__traceback__)[-6:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def log_file() -> Path:
    """Path of the current log file."""
    return log_folder() / "neuroresponder.log"


def crash_file() -> Path:
    """Path of the file that receives code locations of hard crashes; its folder is made."""
    folder = log_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "crash.log"


def _safe(value: str | int | float | bool | None) -> str | int | float | bool | None:
    if isinstance(value, str) and not _SAFE_TEXT.fullmatch(value):
        return "(left out)"
    return value


def _logger() -> logging.Logger:
    logger = logging.getLogger(_NAME)
    target = str(log_file())
    for old in list(logger.handlers):
        if getattr(old, "baseFilename", "") == os.path.abspath(target):
            return logger
        logger.removeHandler(old)
        old.close()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler: logging.Handler
    try:
        log_folder().mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            target, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, delay=True, encoding="utf-8"
        )
    except OSError:
        handler = logging.NullHandler()
    logger.addHandler(handler)
    return logger
