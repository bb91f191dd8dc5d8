"""Siemens' private "CSA" headers, read with every length checked before it is used.

Layout as described in nibabel's documentation ("Siemens format DICOM with CSA header").
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection

MAXIMUM_BYTES = 4 << 20
_MAXIMUM_TAGS = 1024
_MAXIMUM_ITEMS = 4096
_REPETITIONS = re.compile(rb"lRepetitions\s*=\s*(\d{1,6})")


def csa_values(raw: bytes, wanted: Collection[str]) -> dict[str, list[str]]:
    """Texts of the wanted tags of a CSA header of either kind; {} when it is no such header.

    A header that is cut off or contradicts itself gives what stood before the fault.
    """
    newer = raw[:4] == b"SV10"
    place = 8 if newer else 0
    found: dict[str, list[str]] = {}
    if not 8 < len(raw) <= MAXIMUM_BYTES:
        return found
    try:
        count, check = struct.unpack_from("<2i", raw, place)
        place += 8
        if check not in (77, 205) or not 0 < count <= _MAXIMUM_TAGS:
            return found
        first_items = 0
        for tag in range(count):
            name_bytes, _, _, _, items, check = struct.unpack_from("<64si4s3i", raw, place)
            place += 84
            if check not in (77, 205) or not 0 <= items <= _MAXIMUM_ITEMS:
                return found
            first_items = items if tag == 0 else first_items
            name = name_bytes.partition(b"\0")[0].decode("latin-1")
            texts = []
            for _ in range(items):
                whole, length, _, _ = struct.unpack_from("<4i", raw, place)
                place += 16
                size = length if newer else whole - first_items
                if size < 0 or place + size > len(raw):
                    return found
                texts.append(raw[place : place + size].partition(b"\0")[0].decode("latin-1"))
                place += size + (-size % 4)
            if name in wanted:
                found[name] = [text.strip() for text in texts if text.strip()]
    except struct.error:
        return found
    return found


def planned_volumes(series_header: bytes) -> int | None:
    """Volumes that the protocol planned (``lRepetitions`` counts from 0); None when unsaid."""
    match = _REPETITIONS.search(series_header[:MAXIMUM_BYTES])
    return int(match[1]) + 1 if match else None
