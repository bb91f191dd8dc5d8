"""Where this program keeps its own files; ``NEURORESPONDER_HOME`` overrides the system's places."""

from __future__ import annotations

import os
from pathlib import Path

APP_NAME = "NeuroResponder"
HOME_VARIABLE = "NEURORESPONDER_HOME"


def config_folder() -> Path:
    """Folder of the settings and the list of recent files; not created here."""
    return _folder("config")


def data_folder() -> Path:
    """Folder of the study index and of cases made in the window; not created here."""
    return _folder("data")


def log_folder() -> Path:
    """Folder of the log files; not created here."""
    return _folder("log")


def private_prefix() -> str:
    """Start of the names of this process's temporary folders.

    It says whose they are, so that those of a process that was killed can be found and removed.
    """
    return f"neuroresponder-{os.getpid()}-"


def _folder(kind: str) -> Path:
    home = os.environ.get(HOME_VARIABLE, "")
    if home:
        return Path(home) / kind
    import platformdirs

    if kind == "config":
        return platformdirs.user_config_path(APP_NAME, appauthor=False)
    if kind == "data":
        return platformdirs.user_data_path(APP_NAME, appauthor=False)
    return platformdirs.user_log_path(APP_NAME, appauthor=False)
