"""Reads and judges the header of a safetensors file before any library opens it.

Stricter than the format: small header, plain names, no key twice, and tensors that fill the
file from end to end without gap or overlap. So what passes here has one meaning only.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from app.core.errors import ModelError

MAX_HEADER_BYTES = 2 * 1024 * 1024  # far below the format's own 100 MB
MAX_ENTRIES = 4096  # the largest published encoder has 654
MAX_NAME_LETTERS = 256
MAX_METADATA_LETTERS = 64 * 1024
MAX_AXES = 8
ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1,
    "BOOL": 1,
}  # fmt: skip
FLOATING = ("F64", "F32", "F16", "BF16")  # what weights of an encoder may be


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor as the header announces it."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> tuple[Entry, ...]:
    """The tensors of a file in the order of their bytes.

    Raises
    ------
    ModelError
        ``model.damaged`` with what is wrong, in one sentence.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(8)
        if len(start) < 8 or start.startswith(b"version "):
            damaged("it is too short or a pointer to the real file (Git LFS)")
        (length,) = struct.unpack("<Q", start)
        if length > MAX_HEADER_BYTES or length > size - 8:
            damaged(f"its header claims {length} bytes")
        text = handle.read(length)
    if len(text) != length or not text.startswith(b"{"):
        damaged("its header is not a table")
    header = _parse(text)
    metadata = header.pop("__metadata__", {})
    _check_metadata(metadata)
    if not 0 < len(header) <= MAX_ENTRIES:
        damaged(f"its header lists {len(header)} tensors (1 to {MAX_ENTRIES} are possible)")
    entries = sorted(
        (_entry(name, value) for name, value in header.items()),
        key=lambda entry: (entry.begin, entry.end),
    )
    place = 0
    for entry in entries:
        if entry.begin != place:
            damaged("its tensors overlap or leave gaps")
        place = entry.end
    if place != size - 8 - length:
        damaged("its tensors do not fill the file: it is cut off or has something behind them")
    return tuple(entries)


def _parse(text: bytes) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise damage("its header is not JSON, or names something twice") from error
    if not isinstance(header, dict):
        damaged("its header is not a table")
    return header


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key occurs twice")
    return table


def _check_metadata(metadata: Any) -> None:
    plain = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not plain or sum(len(k) + len(v) for k, v in metadata.items()) > MAX_METADATA_LETTERS:
        damaged("the remarks in its header are not short texts")


def _entry(name: str, value: Any) -> Entry:
    if not 0 < len(name) <= MAX_NAME_LETTERS or not (name.isascii() and name.isprintable()):
        damaged("a tensor has an impossible name")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        damaged(f"the entry {shown(name)} has not exactly dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        damaged(f"the entry {shown(name)} has an unknown type")
    if not _counts(shape) or len(shape) > MAX_AXES:
        damaged(f"the entry {shown(name)} has an impossible shape")
    if not _counts(offsets) or len(offsets) != 2:
        damaged(f"the entry {shown(name)} has impossible offsets")
    begin, end = offsets
    if end - begin != math.prod(shape) * ITEM_BYTES[dtype]:
        damaged(f"the entry {shown(name)} has another length than its shape says")
    return Entry(name, dtype, tuple(shape), begin, end)


def _counts(values: Any) -> bool:
    """Whether something is a list of whole numbers from 0 that a file can have."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value < 1 << 48 for value in values
    )


def shown(name: str) -> str:
    """A name from a foreign file, short and printable, for a message."""
    return ascii(name[:80])


def unusable_type(name: str, dtype: str) -> ModelError:
    """The error of a tensor of an encoder whose type no weight has."""
    return ModelError(
        f"The weights hold an unusable type: {shown(name)} is {dtype}.",
        "Only floating-point numbers are weights: check that this is the right file.",
        code="model.dtype",
    )


def damage(what: str) -> ModelError:
    """The error of a file that is not what it should be."""
    return ModelError(
        f"The weights file is damaged: {what}.",
        "Get the file again from its source.",
        code="model.damaged",
    )


def damaged(what: str) -> NoReturn:
    """Raise `damage`."""
    raise damage(what)
