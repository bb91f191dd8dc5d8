"""Fetches one published file: streamed, resumable, checked while it comes, visible only whole.

Standard library only. ``urllib`` honours the proxy variables of the environment and the
system's certificates. Addresses are https; plain http is for this machine's own loopback
address (tests). This is the only module of the program that opens a connection, and only
`download` does.

A download grows in ``<name>.partial`` beside the place of the finished file, with
``<name>.partial.json`` saying which file it is a part of. Cancelled or cut off, both stay, and
the next call goes on from there if the server still has the same file.
"""

from __future__ import annotations

import http.client
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

from app.core.download_faults import connection_error, fault_of_status, write_fault
from app.core.download_part import Part
from app.core.download_request import open_address
from app.core.errors import DownloadError, StorageError
from app.core.progress import Progress
from app.core.published import PublishedFile

TIMEOUT_S = 30.0  # without a byte
ATTEMPTS = 4  # a cut connection is taken up again this often, less one, before a person is asked
PAUSE_S = 0.5  # before the second attempt; doubled each time
PIECE_BYTES = 256 * 1024
SPARE_BYTES = 64 * 1024 * 1024  # must stay free on the disk
_LFS = b"version https://git-lfs"
_PAGES = (b"<!doctype html", b"<html")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that came whole."""

    path: Path
    sha256: str
    size_bytes: int
    resumed_at: int  # bytes that an earlier call had left; 0 = fetched from the start


class _CutOff(Exception):
    """The connection ended before the file did."""


def download(
    file: PublishedFile,
    folder: Path,
    progress: Progress,
    *,
    timeout_s: float = TIMEOUT_S,
    pause_s: float = PAUSE_S,
) -> Downloaded:
    """Fetch `file` into ``folder / file.name``.

    Parameters
    ----------
    file
        What and from where; a known SHA-256 or size must fit.
    folder
        Existing folder of the partial and of the finished file.
    progress
        Told as bytes arrive; a cancel keeps the partial file for later.
    timeout_s
        Longest silence of the server.
    pause_s
        Wait before a cut connection is taken up again.

    Raises
    ------
    DownloadError
        ``download.address``, ``.redirect``, ``.no_connection``, ``.certificate``, ``.timeout``,
        ``.cut``, ``.not_found``, ``.forbidden``, ``.proxy``, ``.server``, ``.page``,
        ``.pointer``, ``.encoding``, ``.size`` or ``.hash``. Only the last four delete the
        partial file: what came was not the file.
    StorageError
        ``download.no_space``, ``.read_only``, ``.no_permission`` or ``.write_failed``.
    CancelledError
        A cancel was asked.
    """
    part = Part(folder, file)
    resumed_at = part.recover(
        lambda size: progress.step(size / file.largest_bytes, "reading what came before")
    )
    for attempt in range(1, ATTEMPTS + 1):
        before = part.size
        try:
            _fetch(file, part, progress, timeout_s)
            break
        except _CutOff:
            if attempt == ATTEMPTS:
                raise _cut(part.size, file) from None
        if part.size > before:
            continue  # it gave something: ask for the rest at once
        _wait(pause_s * 2 ** (attempt - 1), progress)
    digest = part.digest.hexdigest()
    if file.sha256 and digest != file.sha256:
        part.discard()
        raise DownloadError(
            f"The file {file.name} that came is not the published one (its SHA-256 differs).",
            "It was deleted. Try again; if it happens again, the source has changed or a proxy "
            "alters files: ask your IT department.",
            code="download.hash",
        )
    size = part.size
    try:
        path = part.finish()
    except OSError as fault:
        raise write_fault(fault) from fault
    return Downloaded(path, digest, size, resumed_at)


def _fetch(file: PublishedFile, part: Part, progress: Progress, timeout_s: float) -> None:
    """One connection: from where the part ends to the end of the file."""
    progress.step(part.size / file.largest_bytes, "connecting")
    try:
        answer = open_address(file.url, part.request_headers(), timeout_s)
    except HTTPError as fault:
        with fault:
            if fault.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
                _ended_already(fault, file, part)
                return
            raise fault_of_status(fault.code, file.name) from fault
    except URLError as fault:
        raise connection_error(fault.reason, part.size) from fault
    except (OSError, http.client.HTTPException) as fault:
        raise connection_error(fault, part.size) from fault
    with answer:
        total = _begin(answer, file, part)
        _check_space(part.folder, (total or file.size_bytes or 0) - part.size)
        try:
            part.open(answer.headers)
            _receive(answer, file, part, total, progress)
        except OSError as fault:
            raise write_fault(fault) from fault
        finally:
            part.close()


def _begin(answer: Any, file: PublishedFile, part: Part) -> int | None:
    """Check the head of an answer; returns the whole size, None where it is not said."""
    if answer.status not in (http.client.OK, http.client.PARTIAL_CONTENT):
        raise fault_of_status(answer.status, file.name)
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        part.discard()
        raise DownloadError(
            f"The server sends the file {file.name} in another encoding ({encoding[:20]}).",
            "A proxy may alter files: ask your IT department, or carry the file in and import it.",
            code="download.encoding",
        )
    if answer.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        part.discard()
        raise _page(file)
    total: int | None
    if answer.status == http.client.PARTIAL_CONTENT:
        total = part.check_range(answer.headers.get("Content-Range", ""))
    else:
        part.restart()  # the server has another file by now, or cannot give parts
        total = _length(answer.headers)
    if total is not None:
        _check_size(total, file, part)
    return total


def _receive(
    answer: Any, file: PublishedFile, part: Part, total: int | None, progress: Progress
) -> None:
    """Take the body in; the whole size is known to be right when this returns."""
    expected = total or file.size_bytes
    while True:
        try:
            piece = answer.read1(PIECE_BYTES)
        except (OSError, http.client.HTTPException) as fault:  # the network, not the disk
            raise _CutOff from fault
        if not piece:
            break
        if part.size == 0:
            _check_start(piece, file, part)
        if part.size + len(piece) > (total or file.largest_bytes):
            _check_size(part.size + len(piece), file, part, over=True)
        part.write(piece)
        progress.step(part.size / (expected or file.largest_bytes), _amount(part.size, expected))
    if total is not None and part.size < total:
        raise _CutOff
    _check_size(part.size, file, part)


def _ended_already(fault: HTTPError, file: PublishedFile, part: Part) -> None:
    """The server has nothing after the part: it is whole, or it is no part of this file."""
    total = fault.headers.get("Content-Range", "").rpartition("/")[2]
    if total.isascii() and total.isdigit() and int(total) == part.size:
        _check_size(part.size, file, part)
        return
    part.restart()
    raise _CutOff


def _check_start(piece: bytes, file: PublishedFile, part: Part) -> None:
    if piece.startswith(_LFS):
        part.discard()
        raise DownloadError(
            f"The server sent a pointer (Git LFS) instead of the file {file.name}.",
            "The source has no copy of the file at this address; carry it in and import it.",
            code="download.pointer",
        )
    if piece.lstrip()[:16].lower().startswith(_PAGES):
        part.discard()
        raise _page(file)


def _check_size(size: int, file: PublishedFile, part: Part, *, over: bool = False) -> None:
    wanted = file.size_bytes
    if not over and size <= file.largest_bytes and wanted in (None, size):
        return
    part.discard()
    limit = f"{wanted} bytes expected" if wanted is not None else f"at most {file.largest_bytes}"
    raise DownloadError(
        f"The file {file.name} on the server has the wrong size ({size} bytes, {limit}).",
        "It was deleted. The source has changed, or something between alters files.",
        code="download.size",
    )


def _check_space(folder: Path, missing: int) -> None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as fault:
        raise write_fault(fault) from fault
    if missing + SPARE_BYTES > free:
        raise StorageError(
            f"The download needs {missing / 1e6:.0f} MB more and {SPARE_BYTES / 1e6:.0f} MB to "
            f"spare; {free / 1e6:.0f} MB are free.",
            "Free some disk space, then start it again: what has come so far is kept.",
            code="download.no_space",
        )


def _length(headers: Any) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _wait(seconds: float, progress: Progress) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        progress.step(0.0, "waiting to connect again")
        time.sleep(min(0.1, seconds))


def _amount(size: int, expected: int | None) -> str:
    return f"{size / 1e6:.1f} MB" + (f" of {expected / 1e6:.1f} MB" if expected else "")


def _cut(size: int, file: PublishedFile) -> DownloadError:
    return DownloadError(
        f"The connection was cut after {size} bytes of {file.name}.",
        "What has come is kept: start it again to go on from there.",
        code="download.cut",
    )


def _page(file: PublishedFile) -> DownloadError:
    return DownloadError(
        f"A web page came instead of the file {file.name}.",
        "Your network may ask for a login first: open any page in a browser, then try again.",
        code="download.page",
    )
