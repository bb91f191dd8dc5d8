"""One pass over the file on disk: hash it, inflate it, keep the voxels in a private raw file.

The count of bytes that really come decides, never a size that the file states about itself.
Memory stays at a few MiB whatever the file claims.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from app.core.errors import ScanError, StorageError
from app.scans.faults import Fault
from app.scans.header import NIFTI1_BYTES, NIFTI2_BYTES, RawHeader

PIECE_BYTES = 1 << 20
SURPLUS_BYTES = 1 << 20  # padding that may follow the voxels, if it is all zero
DEFLATE_LIMIT = 1040  # deflate cannot inflate by more than 1032 : 1
_GZIP_MAGIC = b"\x1f\x8b"
_FREE_SPACE = "Free some space on the disk of the cache folder, then open the scan again."


class ByteSource:
    """A file's bytes, inflated where it is gzip, while its stored bytes are hashed.

    `ended` tells how the stream ended: "" while it runs, "complete", "cut" (gzip without its
    end), "corrupt" (a checksum or code is wrong) or "junk" (bytes after the last gzip member).
    A `digest` that is handed in goes on with this file (the two halves of a pair).
    """

    def __init__(self, path: Path, digest: Any = None) -> None:
        self.stored_bytes = regular_size(path)
        self.ended = ""
        self._handle: BinaryIO = _open(path)
        self.digest = hashlib.sha256() if digest is None else digest
        self._pending = b""
        self._inflater: Any = None
        first = self._handle.read(2)
        self._handle.seek(0)
        self.is_gzip = first == _GZIP_MAGIC
        if self.is_gzip:
            self._inflater = _new_inflater()

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    @property
    def sha256(self) -> str:
        """Hash of the stored bytes read so far; of the whole file once `ended`."""
        return self.digest.hexdigest()

    def read(self, limit: int = PIECE_BYTES) -> bytes:
        """Next bytes, at most `limit`; empty at the end (see `ended`)."""
        while not self.ended:
            piece = self._inflate(limit) if self.is_gzip else self._stored(limit)
            if piece:
                return piece
            if not self.is_gzip:
                self.ended = "complete"
        return b""

    def read_exactly(self, count: int) -> bytes:
        """Next `count` bytes, fewer only at the end."""
        pieces = []
        while count > 0 and (piece := self.read(min(count, PIECE_BYTES))):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _stored(self, limit: int) -> bytes:
        try:
            piece = self._handle.read(limit)
        except OSError as error:
            raise _unreadable(error) from None
        self.digest.update(piece)
        return piece

    def _inflate(self, limit: int) -> bytes:
        from isal import isal_zlib

        failure: Any = isal_zlib.error  # its stub declares a value, not a class
        if not self._pending and not self._inflater.eof:
            self._pending = self._stored(PIECE_BYTES)
        try:
            piece: bytes = self._inflater.decompress(self._pending, limit)
        except failure:
            self.ended = "corrupt"
            return b""
        if self._inflater.eof:
            self._pending = self._inflater.unused_data
            self._next_member()
            return piece
        exhausted = not self._pending
        self._pending = self._inflater.unconsumed_tail
        if not piece and exhausted:
            self.ended = "cut"
        return piece

    def _next_member(self) -> None:
        """After one gzip member: another one, zero padding, the end, or junk."""
        self._pending = self._pending.lstrip(b"\0")
        while len(self._pending) < 2 and (more := self._stored(PIECE_BYTES)):
            self._pending = (self._pending + more).lstrip(b"\0")
        if not self._pending:
            self.ended = "complete"
        elif self._pending[:2] == _GZIP_MAGIC:
            self._inflater = _new_inflater()
        else:
            self.ended = "junk"


def _new_inflater() -> Any:
    from isal import isal_zlib

    return isal_zlib.decompressobj(wbits=31)


def regular_size(path: Path) -> int:
    """Size of a regular file.

    Raises
    ------
    ScanError
        ``scan.missing``, ``scan.unreadable`` or ``scan.not_an_image`` (folder, pipe, device).
    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(error) from None
    if not stat.S_ISREG(status.st_mode):
        raise Fault(
            "scan.not_an_image", "This is not a file.", "Choose one .nii or .nii.gz file."
        ).error()
    return status.st_size


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> ScanError:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
        return ScanError("There is no such file.", "Choose the scan again.", code="scan.missing")
    return ScanError(
        "The file cannot be read.",
        "Check its permissions and that its disk is connected.",
        code="scan.unreadable",
    )


def spool_voxels(
    source: ByteSource,
    skip: int,
    header: RawHeader,
    folder: Path,
    step: Callable[[float, str], None],
) -> Path:
    """Copy the voxels, native byte order, into a new owner-only file in `folder`.

    Parameters
    ----------
    source
        Opened source, positioned somewhere before the voxels.
    skip
        Bytes still to be passed over before the first voxel.
    step
        Told the fraction done about every MiB; may raise to cancel.

    Raises
    ------
    ScanError
        ``scan.truncated``, ``scan.damaged``, ``scan.bomb``, ``scan.trailing_junk``.
    StorageError
        ``scan.cache_full`` or ``scan.cache_not_writable``.
    """
    with private_file(folder, header.data_bytes) as (handle, path):
        source_skip(source, skip)
        done = 0
        step(0.0, "Reading voxels")
        while done < header.data_bytes:
            # A MiB holds whole values of every type, so each piece can be turned by itself.
            piece = source.read_exactly(min(PIECE_BYTES, header.data_bytes - done))
            if not piece:
                break
            _write_all(handle, _native(piece, header))
            done += len(piece)
            step(done / header.data_bytes, "Reading voxels")
        else:
            _judge_surplus(source, step)
        _judge_end(source, done, header)
        return path


def read_header(source: ByteSource) -> bytes:
    """The bytes of a NIfTI header from the start of a file, as many as its own size field asks."""
    raw = source.read_exactly(NIFTI1_BYTES)
    if len(raw) == NIFTI1_BYTES and NIFTI2_BYTES in (
        int.from_bytes(raw[:4], "little"),
        int.from_bytes(raw[:4], "big"),
    ):
        raw += source.read_exactly(NIFTI2_BYTES - NIFTI1_BYTES)
    return raw


def source_skip(source: ByteSource, count: int) -> None:
    """Pass over `count` bytes (header extensions)."""
    while count > 0 and (piece := source.read(min(count, PIECE_BYTES))):
        count -= len(piece)


def _native(piece: bytes, header: RawHeader) -> bytes:
    if header.dtype.isnative or len(piece) % header.dtype.itemsize:
        return piece
    return np.frombuffer(piece, header.dtype).byteswap().tobytes()


def _judge_surplus(source: ByteSource, step: Callable[[float, str], None]) -> None:
    """Zero padding of up to 1 MiB may follow the voxels; anything else may not."""
    surplus, clean = 0, True
    while clean and surplus <= SURPLUS_BYTES and (piece := source.read()):
        surplus += len(piece)
        clean = not piece.strip(b"\0")
        step(1.0, "Reading voxels")
    if surplus > SURPLUS_BYTES:
        raise Fault(
            "scan.bomb" if source.is_gzip else "scan.trailing_junk",
            "The file holds far more than its header claims.",
        ).error()
    if not clean:
        raise Fault("scan.trailing_junk", "There is data after the last volume.").error()


def _judge_end(source: ByteSource, done: int, header: RawHeader) -> None:
    if source.ended == "corrupt":
        raise Fault("scan.damaged", "The compressed data are damaged (checksum).").error()
    if done < header.data_bytes:
        raise truncated(header, done).error()
    if source.ended == "cut":
        raise Fault("scan.truncated", "The compressed file ends before its checksum.").error()
    if source.ended == "junk":
        raise Fault("scan.trailing_junk", "There is junk after the compressed data.").error()


def truncated(header: RawHeader, held_bytes: int) -> Fault:
    """Fault that names the missing volumes."""
    held = max(held_bytes, 0) // header.volume_bytes
    claimed = header.shape[3]
    return Fault(
        "scan.truncated",
        f"The file is cut off, {claimed - held} volumes are missing: claims {claimed} volumes, "
        f"holds {held}.",
    )


def _write_all(handle: BinaryIO, data: bytes) -> None:
    """Write every byte; an unbuffered write may take fewer without an error."""
    view = memoryview(data)
    while len(view) > 0:
        written = handle.write(view)
        if not written:
            raise OSError(errno.ENOSPC, "short write")
        view = view[written:]


@contextlib.contextmanager
def private_file(folder: Path, wanted_bytes: int) -> Iterator[tuple[BinaryIO, Path]]:
    """A new owner-only file that is removed again when the block fails."""
    path: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if shutil.disk_usage(folder).free < wanted_bytes:
            raise OSError(errno.ENOSPC, "disk full")
        number, name = tempfile.mkstemp(prefix="voxels-", suffix=".raw", dir=folder)  # mode 0600
        path = Path(name)
        with os.fdopen(number, "wb", buffering=0) as handle:
            yield handle, path
    except BaseException as error:
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(error, OSError):
            raise storage_error(error) from None
        raise


def storage_error(error: OSError) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return StorageError(
            "There is no space left for the unpacked scan.", _FREE_SPACE, code="scan.cache_full"
        )
    return StorageError(
        "The cache folder cannot be written.",
        "Choose another data folder or check its permissions.",
        code="scan.cache_not_writable",
    )
