"""Where this program keeps its own files; ``NEURORESPONDER_HOME`` overrides the system's places."""

from __future__ import annotations

import os
import re
from pathlib import Path

from app.core.errors import AppError

APP_NAME = "NeuroResponder"
HOME_VARIABLE = "NEURORESPONDER_HOME"
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10)))
)  # names of Windows that never mean a file, with or without an ending
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def config_folder() -> Path:
    """Folder of the settings and the list of recent files; not created here."""
    return _folder("config")


def data_folder() -> Path:
    """Folder of the study index and of cases made in the window; not created here."""
    return _folder("data")


def log_folder() -> Path:
    """Folder of the log files; not created here."""
    return _folder("log")


def encoders_folder() -> Path:
    """Folder of the published encoders that the user has installed; not created here."""
    return data_folder() / "encoders"


def atlases_folder() -> Path:
    """Folder of the atlases that the user has installed; not created here."""
    return data_folder() / "atlases"


def installed_encoder_folder(encoder_id: str) -> Path:
    """Where an installed encoder lies, whether it is there or not: config, weights, record.

    Raises
    ------
    AppError
        ``folders.name`` when the id could lead out of that place.
    """
    return encoders_folder() / plain_name(encoder_id)


def installed_atlas_folder(name: str) -> Path:
    """Where an installed atlas lies, whether it is there or not.

    Raises
    ------
    AppError
        ``folders.name`` when the name could lead out of that place.
    """
    return atlases_folder() / plain_name(name)


def plain_name(text: str) -> str:
    """`text`, if it is a name that cannot lead to another folder.

    Raises
    ------
    AppError
        ``folders.name`` for anything but ASCII letters, digits, dot, dash and underscore, and
        for names of devices.
    """
    device = text.split(".")[0].lower() in _DEVICES
    if not _PLAIN_NAME.fullmatch(text) or text.endswith(".") or device:
        raise AppError(
            "This is not the name of a model or an atlas.",
            "Names hold letters, digits, '-', '_' and '.' only; "
            "`main.py models list` shows what there is.",
            code="folders.name",
        )
    return text


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
