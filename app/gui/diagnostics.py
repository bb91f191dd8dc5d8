"""What a developer needs to understand a fault: versions, graphics, last actions. No person.

Nothing is sent anywhere: the user copies the report and reads it before giving it to anybody.
It holds no name, id, path, number of a result or text that somebody typed.
"""

from __future__ import annotations

import platform
import re
from collections import deque
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import qVersion
from PySide6.QtGui import QGuiApplication

from app import __version__
from app.core.errors import AppError
from app.core.logs import crash_file, log_event

KEPT_ACTIONS = 30
_PACKAGES = ("PySide6-Essentials", "vtk", "numpy", "pyqtgraph", "nibabel", "torch")
_FRAME = re.compile(r'File "[^"]*?([^"/\\]+)", line (\d+)')
_LARGEST_CRASH_BYTES = 200_000

_actions: deque[str] = deque(maxlen=KEPT_ACTIONS)
_facts: dict[str, Callable[[], str]] = {}
_last_crash = ""


def note_action(name: str) -> None:
    """Remember what was done, by the stable name of a command, job or part of the view."""
    _actions.append(name)


def last_actions() -> tuple[str, ...]:
    """What was done last, oldest first."""
    return tuple(_actions)


def provide(name: str, tell: Callable[[], str]) -> None:
    """Let the report ask for a fact, such as the graphics card's strings."""
    _facts[name] = tell


def withdraw(*names: str) -> None:
    """Ask no longer for facts whose window has gone."""
    for name in names:
        _facts.pop(name, None)


def take_crash_of_last_run() -> str:
    """Where an earlier run ended hard, as code locations; what was written of it is removed."""
    global _last_crash
    path = crash_file()
    try:
        text = path.read_bytes()[-_LARGEST_CRASH_BYTES:].decode("utf-8", "replace")
        path.write_bytes(b"")
    except OSError:
        return ""
    frames = [f"{name}:{line}" for name, line in _FRAME.findall(text)]
    _last_crash = " < ".join(frames[:8])
    if _last_crash:
        log_event("gui.crash_of_last_run", where=_last_crash)
    return _last_crash


def report(error: AppError | None, details: str = "") -> str:
    """The diagnostic report as text."""
    lines = [
        f"NeuroResponder {__version__}",
        f"Python {platform.python_version()}, {platform.platform(terse=True)}, "
        f"{platform.machine()}",
        f"Qt {qVersion()}, platform plug-in {QGuiApplication.platformName()}",
        "packages " + ", ".join(_versions()),
        "screens " + ", ".join(_screens()),
    ]
    lines += [f"{name} {tell() or 'not known'}" for name, tell in _facts.items()]
    if _last_crash:
        lines.append(f"an earlier run ended at {_last_crash}")
    if error is not None:
        lines += [f"code {error.code}", error.message]
    lines += [details, "last actions " + (", ".join(_actions) or "none")]
    return "\n".join(line for line in lines if line).strip()


def _versions() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return found


def _screens() -> list[str]:
    return [
        f"{screen.geometry().width()}x{screen.geometry().height()} at {screen.devicePixelRatio():g}"
        for screen in QGuiApplication.screens()
    ]
