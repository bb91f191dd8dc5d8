"""Judges the zip container of a published `.bin` before anything in it is read.

torch writes such files as a zip of stored (never compressed) members in one folder: `data.pkl`,
`data/0`, `data/1`, ... Exactly that is accepted: known names, one after the other without gap or
overlap from the first byte to the directory, true sizes, right checksums. A stored member cannot
be a bomb, and members that cannot overlap cannot multiply.

The older formats of torch (before 1.6: a bare pickle or a tar) are refused: no published encoder
has them, and they can only be judged by unpickling.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from app.core.errors import ModelError

MAX_MEMBERS = 4096
MAX_DIRECTORY_BYTES = 2 * 1024 * 1024
MAX_PICKLE_BYTES = 4 * 1024 * 1024
_MEMBER = re.compile(
    r"(?P<folder>[A-Za-z0-9_-]{1,100})/"
    r"(?P<rest>data\.pkl|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id|data/(?:0|[1-9]\d{0,5}))"
)
_END = struct.Struct("<4s4H2LH")  # end of central directory
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header
_UTF8_AND_DESCRIPTOR = 0x0808
_LONGEST_DESCRIPTOR = 24
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """What a checked container holds."""

    pickle: bytes  # data.pkl
    storage_bytes: dict[str, int]  # length of ``data/<key>`` by key


def check_archive(path: Path, tell: Callable[[float], None] = lambda _share: None) -> Archive:
    """Check a container from end to end, checksums included.

    Parameters
    ----------
    path
        The file.
    tell
        Told the share of the bytes that were read, 0..1.

    Raises
    ------
    ModelError
        ``model.archive`` with what is wrong, in one sentence.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        _check_first_bytes(handle.read(64))
        directory_at = _directory_place(handle, size)
        try:
            with zipfile.ZipFile(handle) as opened:
                members = opened.infolist()
        except (
            zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError, OSError,
        ) as error:  # fmt: skip
            raise fault("its directory cannot be read") from error
        names = _check_members(members)
        data_at = _check_places(handle, members, directory_at)
        return _read(handle, members, names, data_at, size, tell)


def _check_first_bytes(start: bytes) -> None:
    if start.startswith(b"version https://git-lfs"):
        refuse("it is a pointer (Git LFS), not the file itself")
    if start.lstrip()[:9].lower() in (b"<!doctype", b"<html>"):
        refuse("it is a web page, not the file itself")
    if not start.startswith(b"PK\x03\x04"):
        refuse(
            "it is no zip file of torch (files of torch before 1.6 and bare pickles are not opened)"
        )


def _directory_place(handle: BinaryIO, size: int) -> int:
    """Where the directory begins; it must end the file, without a comment."""
    if size < _END.size:
        refuse("it is cut off")
    handle.seek(size - _END.size)
    mark, disk, start_disk, here, count, length, begin, comment = _END.unpack(
        handle.read(_END.size)
    )
    if mark != b"PK\x05\x06" or comment or disk or start_disk or here != count:
        refuse("it is cut off, or something follows its directory")
    if not 0 < count <= MAX_MEMBERS or length > MAX_DIRECTORY_BYTES:
        refuse("its directory has an impossible length")
    # torch may put the 64-bit records (76 bytes) between the directory and its end.
    if begin + length not in (size - _END.size, size - _END.size - 76):
        refuse("its directory does not lie where it says")
    return int(begin)


def _check_members(members: list[zipfile.ZipInfo]) -> list[str]:
    """Names below the one folder, in the directory's order."""
    names, folders = [], set()
    for member in members:
        match = _MEMBER.fullmatch(member.filename)
        if match is None or member.orig_filename != member.filename:
            refuse("it holds a member with an unexpected name")
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            refuse("it holds a compressed member")
        if member.flag_bits & ~_UTF8_AND_DESCRIPTOR:
            refuse("it holds an encrypted or unusual member")
        kind = member.external_attr >> 16 & 0o170000
        if kind not in (0, 0o100000) or member.external_attr & 0x10:
            refuse("it holds a link, a folder or a device")
        names.append(match["rest"])
        folders.add(match["folder"])
    if len(folders) != 1 or len(set(names)) != len(names):
        refuse("it holds several folders or a name twice")
    if "data.pkl" not in names:
        refuse("it holds no data.pkl: it is no checkpoint of torch")
    return names


def _check_places(
    handle: BinaryIO, members: list[zipfile.ZipInfo], directory_at: int
) -> dict[str, int]:
    """Where each member's bytes begin; they follow each other from 0 to the directory."""
    place, slack, found = 0, 0, {}
    for member in sorted(members, key=lambda m: m.header_offset):
        if not place <= member.header_offset <= place + slack:
            refuse("its members overlap or leave gaps")
        handle.seek(member.header_offset)
        head = handle.read(_LOCAL.size)
        if len(head) < _LOCAL.size:
            refuse("it is cut off")
        mark, _version, flags, method, _time, _date, crc, stored, true, name, extra = _LOCAL.unpack(
            head
        )
        written = handle.read(name)
        plain = mark == b"PK\x03\x04" and method == 0 and flags == member.flag_bits
        if not plain or written != member.filename.encode():
            refuse("a member and its entry in the directory differ")
        # Sizes here are 0 where a descriptor follows, and all ones where they stand elsewhere.
        for value, wanted in (
            (stored, member.compress_size), (true, member.file_size), (crc, member.CRC),
        ):  # fmt: skip
            if value not in (wanted, 0, 0xFFFFFFFF):
                refuse("a member and its entry in the directory differ")
        found[member.filename] = member.header_offset + _LOCAL.size + name + extra
        place = found[member.filename] + member.file_size
        slack = _LONGEST_DESCRIPTOR if flags & 0x8 else 0
        if place > directory_at:
            refuse("a member is longer than the file")
    if not place <= directory_at <= place + slack:
        refuse("something lies between its members and its directory")
    return found


def _read(
    handle: BinaryIO,
    members: list[zipfile.ZipInfo],
    names: list[str],
    data_at: dict[str, int],
    size: int,
    tell: Callable[[float], None],
) -> Archive:
    """Read every member once for its checksum; keep the small ones that matter."""
    pickle, storages, done = b"", {}, 0
    for member, name in zip(members, names, strict=True):
        handle.seek(data_at[member.filename])
        if name.startswith("data/"):
            storages[name.removeprefix("data/")] = member.file_size
        elif member.file_size > MAX_PICKLE_BYTES:
            refuse(f"its member {name} is too large")
        left, crc, kept = member.file_size, 0, []
        while left:
            piece = handle.read(min(left, _PIECE_BYTES))
            if not piece:
                refuse("it is cut off")
            crc = zlib.crc32(piece, crc)
            left -= len(piece)
            done += len(piece)
            tell(min(done / size, 1.0))
            if not name.startswith("data/"):
                kept.append(piece)
        if crc != member.CRC:
            refuse("a member's checksum is wrong: the file was damaged on its way")
        if name == "data.pkl":
            pickle = b"".join(kept)
        elif name == "byteorder" and b"".join(kept) != b"little":
            refuse("its numbers are not stored in the usual byte order (little-endian)")
    return Archive(pickle, storages)


def fault(what: str) -> ModelError:
    """The error of a container that is not accepted."""
    return ModelError(
        f"The checkpoint file is not accepted: {what}.",
        "Get it again from its source; nothing was opened.",
        code="model.archive",
    )


def refuse(what: str) -> NoReturn:
    """Raise `fault`."""
    raise fault(what)
