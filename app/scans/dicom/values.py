"""Values of a DICOM data set as plain numbers and texts; what does not fit its type is None."""

from __future__ import annotations

import math
import re
from typing import Any

from app.scans.dicom.csa import MAXIMUM_BYTES


def whole_of(header: Any, name: str, lowest: int, highest: int) -> int | None:
    """A "US" integer within limits; any other type of value is a damaged header."""
    if name not in header:
        return None
    element = header[name]
    value = element.value
    if element.VR != "US" or isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if lowest <= value <= highest else None


def first_of(item: Any, name: str) -> Any:
    """First item of a sequence, or None."""
    if item is None or name not in item:
        return None
    sequence = item[name].value
    return sequence[0] if sequence else None


def many_of(header: Any, name: Any) -> list[Any]:
    """All values of an element; [] where it is absent or empty."""
    if name not in header:
        return []
    value = header[name].value
    if isinstance(value, str | bytes | int | float) or value is None:
        return [] if value in (None, "", b"") else [value]
    try:
        return list(value)[:4096]
    except TypeError:
        return [value]


def bytes_of(header: Any, tag: int) -> bytes:
    """Raw bytes of a private element; b"" for anything else or more than 4 MiB."""
    if tag not in header:
        return b""
    value = header[tag].value
    return value if isinstance(value, bytes) and len(value) <= MAXIMUM_BYTES else b""


def float_of(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def floats_of(item: Any, name: str, count: int) -> tuple[float, ...] | None:
    """Exactly `count` finite numbers, or None."""
    values = [float_of(value) for value in many_of(item, name)]
    good = tuple(value for value in values if value is not None)
    return good if len(values) == len(good) == count else None


def number_of(item: Any, name: Any) -> float | None:
    """A single finite number, or None."""
    values = many_of(item, name)
    return float_of(values[0]) if len(values) == 1 else None


def text_of(item: Any, name: Any) -> str:
    """Short printable text; several values joined by a blank."""
    words = " ".join(str(value) for value in many_of(item, name))
    return re.sub(r"[^\w .,:+*/()#-]", " ", words).strip()[:64]


def uid_of(item: Any, name: str) -> str:
    """A UID, or "" when it is none."""
    value = str(item.get(name, "") or "")
    return value if re.fullmatch(r"[0-9.]{1,64}", value) else ""


def clock_of(item: Any, names: tuple[str, ...], date: int = 6) -> float | None:
    """Seconds since midnight of the first of `names` that is a DICOM time."""
    for name in names:
        text = str(many_of(item, name)[0]) if many_of(item, name) else ""
        match = re.fullmatch(r"(?:\d{8})?(\d{2})(\d{2})(\d{2}(?:\.\d{1,6})?)(?:[+-]\d{4})?", text)
        if match and len(text) >= date:
            return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    return None
