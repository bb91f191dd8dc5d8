"""What an installation wrote down about an encoder's files, read again when they are opened."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.errors import ModelError
from app.core.published import HASH_WORDS, HashOrigin

RECORD_NAME = "installed.toml"
_LARGEST_RECORD_BYTES = 64 * 1024
_WEAKEST_FIRST: tuple[HashOrigin, ...] = ("unknown", "reported", "pinned")


def trust_of(folder: Path, hashes: Mapping[str, str]) -> str:
    """How far the files are known, in words, after comparing them with the record beside them.

    Parameters
    ----------
    folder
        Of the checkpoint; without a record nothing is known of its files.
    hashes
        SHA-256 of the files as they are now, by name.

    Raises
    ------
    ModelError
        ``model.hash`` when a file is not the one that was installed.
    """
    record = _read(folder)
    files, source = record.get("files"), record.get("source")
    for name, item in files.items() if isinstance(files, dict) else ():
        if name in hashes and isinstance(item, dict) and item.get("sha256") != hashes[name]:
            raise ModelError(
                f"The installed encoder's file {name[:60]!a} has changed since it was installed.",
                "Remove the encoder and install it again; a changed one is never used.",
                code="model.hash",
            )
    checks = [
        item.get("check")
        for item in (source.values() if isinstance(source, dict) else ())
        if isinstance(item, dict)
    ]
    if not set(checks) <= set(_WEAKEST_FIRST):
        return HASH_WORDS["unknown"]
    return HASH_WORDS[next((kind for kind in _WEAKEST_FIRST if kind in checks), "unknown")]


def _read(folder: Path) -> dict[str, Any]:
    try:
        with (folder / RECORD_NAME).open("rb") as handle:
            return tomllib.loads(handle.read(_LARGEST_RECORD_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def recorded_sha256(folder: Path, name: str) -> str:
    """SHA-256 that the installation recorded of a file; "" where it recorded none."""
    files = _read(folder).get("files")
    item = files.get(name) if isinstance(files, dict) else None
    found = item.get("sha256") if isinstance(item, dict) else None
    return found if isinstance(found, str) else ""
