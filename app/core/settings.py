"""What a user prefers: a frozen record, kept as TOML, changed by `dataclasses.replace` and saved.

An unreadable or foreign value never stops the program: the default is used and named.
"""

from __future__ import annotations

import os
import tomllib
import uuid
from dataclasses import asdict, dataclass, fields, replace
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
}


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
    for field in fields(Settings):
        if field.name not in data:
            continue
        value = data[field.name]
        if _is_valid(field.name, value):
            settings = replace(settings, **{field.name: value})
        else:
            refused.append(field.name)
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
    for name, value in asdict(settings).items():
        if not _is_valid(name, value):
            raise ValueError(f"{name} cannot be {value!r}")
    _write_toml((folder or config_folder()) / SETTINGS_FILE, asdict(settings))


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
    if name in _CHOICES:
        return value in _CHOICES[name]
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
