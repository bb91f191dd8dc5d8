"""What a user prefers: a frozen record, kept as TOML, changed by `dataclasses.replace` and saved.

An unreadable or foreign value never stops the program: the default is used and named.
"""

from __future__ import annotations

import os
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from app.core.errors import StorageError
from app.core.folders import config_folder

SETTINGS_FILE = "settings.toml"
RECENT_FILE = "recent.toml"
RECENT_COUNT = 10
_CHOICES = {
    "theme": ("system", "light", "dark"),
    "device": ("auto", "cuda", "mps", "cpu"),
    "sagittal_nose": ("left", "right"),
    "right_drag": ("window", "zoom"),
}
_RANGES = {"text_size_percent": (100, 300)}


@dataclass(frozen=True, slots=True)
class Settings:
    """Preferences of this user on this machine."""

    theme: str = "system"  # "system", "light", "dark"
    radiological: bool = True  # left of the picture is the participant's right
    sagittal_nose: str = "left"  # where the nose points in sagittal slices
    research_mode: bool = False  # compute numbers where a gate withholds them, all stamped
    device: str = "auto"  # "auto", "cuda", "mps", "cpu"
    threads: int = 0  # 0 = all cores; never changes an answer
    worker_memory_limit_mb: int = 0  # 0 = three quarters of the machine's memory
    remember_recent: bool = True
    text_size_percent: int = 100  # 100 to 300
    single_keys: bool = True  # single letters act while a view has the focus
    keys: Mapping[str, str] = field(default_factory=dict)  # name of a binding -> the user's keys
    clinic_mode: bool = False  # the guided path, without the workspaces of research
    convention_asked: bool = False  # the user was asked how slices are to be laid
    right_drag: str = "window"  # in slices: "window" (window and level) or "zoom"


def load_settings(folder: Path | None = None) -> tuple[Settings, tuple[str, ...]]:
    """Settings of this user, and the names of those that could not be used.

    Parameters
    ----------
    folder
        Where to look; the user's configuration folder by default.
    """
    data, readable = _read_toml((folder or config_folder()) / SETTINGS_FILE)
    settings = Settings()
    refused = [] if readable else [SETTINGS_FILE]
    for one in fields(Settings):
        if one.name not in data:
            continue
        value = data[one.name]
        if _is_valid(one.name, value):
            settings = replace(settings, **{one.name: value})
        else:
            refused.append(one.name)
    return settings, tuple(refused)


def save_settings(settings: Settings, folder: Path | None = None) -> None:
    """Write the settings; the old file stays whole until the new one is.

    Raises
    ------
    ValueError
        A value is not one of those allowed.
    StorageError
        The file cannot be written.
    """
    export_settings(settings, (folder or config_folder()) / SETTINGS_FILE)


def export_settings(settings: Settings, path: Path) -> None:
    """Write the settings to a file of its own, which a settings folder understands.

    Raises
    ------
    ValueError
        A value is not one of those allowed.
    StorageError
        The file cannot be written.
    """
    for name, value in asdict(settings).items():
        if not _is_valid(name, value):
            raise ValueError(f"{name} cannot be {value!r}")
    _write_toml(path, asdict(settings))


def recent_files(folder: Path | None = None) -> tuple[Path, ...]:
    """Scans and cases opened last, newest first."""
    data, _readable = _read_toml((folder or config_folder()) / RECENT_FILE)
    paths = data.get("paths", [])
    if not isinstance(paths, list):
        return ()
    return tuple(Path(path) for path in paths if isinstance(path, str))[:RECENT_COUNT]


def remember_file(path: Path, folder: Path | None = None) -> tuple[Path, ...]:
    """Put a file first in the list of recent ones and save the list, readable by its owner only."""
    place = path.absolute()
    others = [other for other in recent_files(folder) if other != place]
    paths = (place, *others)[:RECENT_COUNT]
    target = (folder or config_folder()) / RECENT_FILE
    _write_toml(target, {"paths": [str(path) for path in paths]})
    return paths


def forget_files(folder: Path | None = None) -> None:
    """Empty the list of recent files."""
    ((folder or config_folder()) / RECENT_FILE).unlink(missing_ok=True)


def _is_valid(name: str, value: Any) -> bool:
    default = getattr(Settings(), name)
    if type(value) is not type(default):
        return False
    if isinstance(value, dict):
        return all(isinstance(text, str) for pair in value.items() for text in pair)
    if name in _CHOICES:
        return value in _CHOICES[name]
    if name in _RANGES:
        return bool(_RANGES[name][0] <= value <= _RANGES[name][1])
    return not isinstance(value, int) or value >= 0


def _read_toml(path: Path) -> tuple[dict[str, Any], bool]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), True
    except FileNotFoundError:
        return {}, True
    except (OSError, ValueError):
        return {}, False


def _write_toml(path: Path, data: dict[str, Any]) -> None:
    import tomli_w

    temporary = path.with_name(f".tmp-{path.name}-{uuid.uuid4().hex[:12]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(tomli_w.dumps(data).encode())
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        raise StorageError(
            "The settings could not be saved.",
            "Check that the settings folder can be written and has space.",
            code="settings.not_saved",
        ) from fault
