"""Results of preprocessing stages kept between runs of the same scan, in the user's cache.

A shortcut only: what is missing, damaged, or cannot be written is computed again, to the same
bits. The folder is private to the user, holds no name and no path (entries are named after
hashes), is kept below a size, and can be cleared. Entries are written beside their place, synced
and renamed, so that two programs on one entry do no harm.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from app.core.caches import cache_folder
from app.core.folders import private_prefix
from app.study.codec import decode, encode

T = TypeVar("T")
LARGEST_BYTES = 2 << 30
_RECORD, _ARRAYS, _MANIFEST = "record.json", "arrays.npz", "manifest.json"
_ENTRY = re.compile(r"[a-z_]+-[0-9a-f]{64}")
_STALE_S = 24 * 3600.0


class FolderStore:
    """Keeps stages as folders ``<stage>-<key>`` below one folder.

    Parameters
    ----------
    folder
        This user's cache by default.
    largest_bytes
        The entries used longest ago are removed beyond this.
    """

    def __init__(self, folder: Path | None = None, largest_bytes: int = LARGEST_BYTES) -> None:
        self.folder = folder or stage_folder()
        self.largest_bytes = largest_bytes

    def recall(self, stage: str, key: str, kind: type[T]) -> T | None:
        """The result kept under this key, or None when there is none that is intact."""
        entry = self.folder / f"{stage}-{key}"
        try:
            manifest = json.loads((entry / _MANIFEST).read_bytes())
            record, packed = (entry / _RECORD).read_bytes(), (entry / _ARRAYS).read_bytes()
            if [manifest[_RECORD], manifest[_ARRAYS]] != [_sha256(record), _sha256(packed)]:
                return None
            with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            result = decode(kind, json.loads(record), arrays)
            os.utime(entry)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return result

    def keep(self, stage: str, key: str, result: object) -> None:
        """Write the entry; a store that cannot be written is no fault."""
        arrays: dict[str, Any] = {}
        record = json.dumps(encode(result, arrays), sort_keys=True).encode()
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        packed = buffer.getvalue()
        manifest = json.dumps({_RECORD: _sha256(record), _ARRAYS: _sha256(packed)}).encode()
        temporary = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chmod(self.folder, 0o700)
            temporary = tempfile.mkdtemp(prefix=f".{private_prefix()}", dir=self.folder)
            for name, data in ((_RECORD, record), (_ARRAYS, packed), (_MANIFEST, manifest)):
                _write(Path(temporary) / name, data)
            target = self.folder / f"{stage}-{key}"
            if target.exists() and self.recall(stage, key, type(result)) is None:
                shutil.rmtree(target, ignore_errors=True)  # damaged: make room
            os.rename(temporary, target)
        except OSError:
            # Another process was first, or there is no space: the result in memory is right.
            if temporary:
                shutil.rmtree(temporary, ignore_errors=True)
        self._shrink()

    def entries(self) -> list[tuple[float, int, Path]]:
        """(last use, bytes, folder) of every entry, the one used longest ago first."""
        found = []
        with suppress(OSError):
            for entry in self.folder.iterdir():
                if _ENTRY.fullmatch(entry.name) and entry.is_dir():
                    size = sum(file.stat().st_size for file in entry.iterdir())
                    found.append((entry.stat().st_mtime, size, entry))
        return sorted(found)

    def clear(self) -> int:
        """Remove every entry and every leftover; return how many bytes that freed."""
        freed = 0
        for _, size, entry in self.entries():
            shutil.rmtree(entry, ignore_errors=True)
            freed += size
        self._remove_leftovers(older_than_s=0.0)
        return freed

    def _shrink(self) -> None:
        entries = self.entries()
        total = sum(size for _, size, _ in entries)
        for _, size, entry in entries:
            if total <= self.largest_bytes:
                break
            shutil.rmtree(entry, ignore_errors=True)
            total -= size
        self._remove_leftovers(_STALE_S)

    def _remove_leftovers(self, older_than_s: float) -> None:
        """Temporary folders of processes that were killed."""
        with suppress(OSError):
            for entry in self.folder.glob(".neuroresponder-*"):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime >= older_than_s:
                        shutil.rmtree(entry, ignore_errors=True)


def stage_folder() -> Path:
    """Where stages of this user's scans are kept; not created here."""
    return cache_folder("stages")


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
