"""Derived arrays that are kept between runs: keyed by a hash, checked, never half-written.

A cache is only ever a shortcut. Whatever is missing, damaged or cannot be written is built
again from its source, so no answer depends on what lies in the cache folder.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import frozen

Arrays = dict[str, NDArray[Any]]
_MANIFEST = "manifest.json"


def cache_folder(*parts: str) -> Path:
    """Folder for derived files below the user's cache; not created here.

    The environment variable ``NEURORESPONDER_CACHE`` names it (its content is checked, so many
    homes may share one); otherwise ``NEURORESPONDER_HOME`` wins over the system's folder.
    """
    shared = os.environ.get("NEURORESPONDER_CACHE", "")
    if shared:
        return Path(shared).joinpath(*parts)
    home = os.environ.get("NEURORESPONDER_HOME", "")
    if home:
        return Path(home).joinpath("cache", *parts)
    import platformdirs

    return Path(platformdirs.user_cache_dir("NeuroResponder", appauthor=False)).joinpath(*parts)


def cached_arrays(name: str, key: str, build: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
    """Return named arrays from the cache, or build them and keep them there.

    Parameters
    ----------
    name
        What the arrays are, e.g. ``"atlas-HCPEx"``; first part of the folder's name.
    key
        Everything that the content depends on (source hashes, version of the method).
    build
        Makes the arrays; called when the cache holds none that are intact.

    Returns
    -------
    dict
        Read-only arrays, the same to the bit whether built or read.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:24]
    folder = cache_folder("derived", f"{name}-{digest}")
    kept = _read(folder)
    if kept is not None:
        return kept
    built = build()
    # In the order in which they are read back, so that files made of them are the same bytes.
    arrays = {label: np.ascontiguousarray(built[label]) for label in sorted(built)}
    _write(folder, arrays)
    return {label: frozen(array) for label, array in arrays.items()}


def _read(folder: Path) -> Arrays | None:
    """Arrays of a cache folder, or None when anything about it is not intact."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        arrays: Arrays = {}
        for label, sha256 in manifest.items():
            content = (folder / f"{label}.npy").read_bytes()
            if hashlib.sha256(content).hexdigest() != sha256:
                return None
            arrays[label] = frozen(np.load(io.BytesIO(content), allow_pickle=False))
    except (OSError, ValueError, AttributeError):
        return None
    return arrays or None


def _write(folder: Path, arrays: Arrays) -> None:
    """Write to a temporary sibling and rename; a cache that cannot be written is no fault."""
    temporary = ""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=".making-", dir=folder.parent)
        manifest = {}
        for label, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array, allow_pickle=False)
            content = buffer.getvalue()
            (Path(temporary) / f"{label}.npy").write_bytes(content)
            manifest[label] = hashlib.sha256(content).hexdigest()
        text = json.dumps(manifest, sort_keys=True)
        (Path(temporary) / _MANIFEST).write_text(text, encoding="utf-8")
        if folder.exists() and _read(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)  # damaged: make room
        os.rename(temporary, folder)
    except OSError:
        # Another process was first, or there is no space: the arrays in memory are right.
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)
