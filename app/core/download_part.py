"""The part of a download that is on disk: which file it belongs to, its hash, its end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.core.download_faults import write_fault
from app.core.errors import DownloadError
from app.core.published import PublishedFile

_NOTE_LIMIT_BYTES = 4096
_PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")


class Part:
    """``<name>.partial`` in a folder, with the running SHA-256 of what it holds."""

    def __init__(self, folder: Path, file: PublishedFile) -> None:
        self.folder = folder
        self.file = file
        self.path = folder / f"{file.name}.partial"
        self.note_path = folder / f"{file.name}.partial.json"
        self.size = 0
        self.digest = hashlib.sha256()
        self._validator = ""  # the server's own mark of this version of the file
        self._descriptor = -1

    def recover(self, tell: Callable[[int], None]) -> int:
        """Take over what an earlier call left, if it is a part of this very file.

        Parameters
        ----------
        tell
            Told the bytes that were read again for the hash; may raise to stop.

        Returns
        -------
        int
            Bytes taken over.
        """
        note = self._read_note()
        usable = (
            note.get("url") == self.file.url
            and note.get("sha256") == self.file.sha256
            and isinstance(note.get("validator"), str)
            and not self.path.is_symlink()
            and self.path.is_file()
        )
        if usable:
            self._validator = str(note["validator"])
            # Without a mark of the version or a hash at the end two versions could be mixed.
            usable = bool(self._validator or self.file.sha256)
        if not usable or self.path.stat().st_size > self.file.largest_bytes:
            self.discard()
            return 0
        with self.path.open("rb") as handle:
            while piece := handle.read(_PIECE_BYTES):
                self.digest.update(piece)
                self.size += len(piece)
                tell(self.size)
        return self.size

    def request_headers(self) -> dict[str, str]:
        """Ask for the rest, and only of the same version."""
        headers = {"Accept-Encoding": "identity"}
        if self.size:
            headers["Range"] = f"bytes={self.size}-"
            if self._validator:
                headers["If-Range"] = self._validator
        return headers

    def check_range(self, text: str) -> int | None:
        """The whole size by a ``Content-Range`` that continues this part.

        Raises
        ------
        DownloadError
            ``download.server`` when it is another piece than the one that was asked for.
        """
        match = _RANGE.fullmatch(text.strip())
        if match is None or int(match[1]) != self.size or int(match[2]) < int(match[1]):
            self.discard()
            raise DownloadError(
                f"The server answered with another piece of {self.file.name} than was asked for.",
                "What had come was deleted. Start it again.",
                code="download.server",
            )
        return None if match[3] == "*" else int(match[3])

    def open(self, headers: Mapping[str, Any]) -> None:
        """Begin or continue writing; notes which version of the file this is."""
        if self.size == 0:
            etag = str(headers.get("ETag") or "")
            strong = etag if etag.startswith('"') and etag.endswith('"') else ""
            self._validator = strong or str(headers.get("Last-Modified") or "")
            self._write_note()
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._descriptor = os.open(self.path, flags, 0o600)
        os.ftruncate(self._descriptor, self.size)
        os.lseek(self._descriptor, self.size, os.SEEK_SET)

    def write(self, piece: bytes) -> None:
        """Append all of `piece`."""
        rest = memoryview(piece)
        while rest:
            count = os.write(self._descriptor, rest)
            self.digest.update(rest[:count])
            self.size += count
            rest = rest[count:]

    def close(self) -> None:
        """Stop writing; what was written is kept."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def restart(self) -> None:
        """Forget what there is: the next bytes are the file's first."""
        self.size = 0
        self.digest = hashlib.sha256()
        self._validator = ""

    def discard(self) -> None:
        """Delete the part: it is of no use."""
        self.close()
        self.restart()
        try:
            self.path.unlink(missing_ok=True)
            self.note_path.unlink(missing_ok=True)
        except OSError as fault:
            raise write_fault(fault) from fault

    def finish(self) -> Path:
        """Sync the whole file and give it its name in one step."""
        descriptor = os.open(self.path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        target = self.folder / self.file.name
        os.replace(self.path, target)
        self.note_path.unlink(missing_ok=True)
        if sys.platform != "win32":
            place = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(place)
            finally:
                os.close(place)
        return target

    def _read_note(self) -> dict[str, Any]:
        try:
            with self.note_path.open("rb") as handle:
                note = json.loads(handle.read(_NOTE_LIMIT_BYTES))
        except (OSError, ValueError, RecursionError):
            return {}
        return note if isinstance(note, dict) else {}

    def _write_note(self) -> None:
        note = {"url": self.file.url, "sha256": self.file.sha256, "validator": self._validator}
        self.note_path.unlink(missing_ok=True)
        self.note_path.write_text(json.dumps(note), encoding="utf-8")
