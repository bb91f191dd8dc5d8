"""Writes NIfTI files byte by byte, so that tests do not trust any library's writer."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHAPE = (7, 8, 9, 24)
CODES = {
    "u1": (2, 8), "i2": (4, 16), "i4": (8, 32), "f4": (16, 32), "f8": (64, 64), "i1": (256, 8),
    "u2": (512, 16), "u4": (768, 32), "i8": (1024, 64), "u8": (1280, 64),
}  # fmt: skip
AFFINE = np.array([[3.0, 0, 0, -10], [0, 3.5, 0, -12], [0, 0, 4.0, -14], [0, 0, 0, 1]])


def voxels(dtype: str = "i2", shape: tuple[int, ...] = SHAPE, seed: int = 1) -> NDArray[Any]:
    """Values that differ everywhere and fit every type."""
    values = np.random.default_rng(seed).integers(1, 120, shape)
    return np.asarray(values, dtype=dtype)


def header1(
    shape: tuple[int, ...] = SHAPE, dtype: str = "i2", endian: str = "<", **fields: Any
) -> bytes:
    """A NIfTI-1 header; `fields` override (dim, pixdim, datatype, bitpix, vox_offset, slope,
    intercept, units, qform_code, sform_code, quatern, qoffset, srow, magic, intent, sizeof)."""
    code, bits = CODES.get(dtype, (4, 16))
    raw = bytearray(348)

    def put(form: str, offset: int, *values: Any) -> None:
        struct.pack_into(endian + form, raw, offset, *values)

    dim = fields.get("dim", (len(shape), *shape, *([1] * (7 - len(shape)))))
    put("i", 0, fields.get("sizeof", 348))
    put("8h", 40, *dim)
    put("h", 68, fields.get("intent", 0))
    put("h", 70, fields.get("datatype", code))
    put("h", 72, fields.get("bitpix", bits))
    put("8f", 76, *fields.get("pixdim", (1, 3.0, 3.5, 4.0, 2.0, 0, 0, 0)))
    put("f", 108, fields.get("vox_offset", 352))
    put("f", 112, fields.get("slope", 0))
    put("f", 116, fields.get("intercept", 0))
    put("B", 123, fields.get("units", 2 | 8))
    put("h", 252, fields.get("qform_code", 0))
    put("h", 254, fields.get("sform_code", 1))
    put("3f", 256, *fields.get("quatern", (0, 0, 0)))
    put("3f", 268, *fields.get("qoffset", (-10, -12, -14)))
    put("12f", 280, *np.ravel(fields.get("srow", AFFINE[:3])))
    raw[344:348] = fields.get("magic", b"n+1\0")
    return bytes(raw)


def header2(
    shape: tuple[int, ...] = SHAPE, dtype: str = "i2", endian: str = "<", **fields: Any
) -> bytes:
    """A NIfTI-2 header with the same overrides."""
    code, bits = CODES[dtype]
    raw = bytearray(540)

    def put(form: str, offset: int, *values: Any) -> None:
        struct.pack_into(endian + form, raw, offset, *values)

    dim = fields.get("dim", (len(shape), *shape, *([1] * (7 - len(shape)))))
    put("i", 0, 540)
    raw[4:12] = fields.get("magic", b"n+2\0") + b"\r\n\x1a\n"
    put("h", 12, fields.get("datatype", code))
    put("h", 14, fields.get("bitpix", bits))
    put("8q", 16, *dim)
    put("8d", 104, *fields.get("pixdim", (1, 3.0, 3.5, 4.0, 2.0, 0, 0, 0)))
    put("q", 168, fields.get("vox_offset", 544))
    put("d", 176, fields.get("slope", 0))
    put("d", 184, fields.get("intercept", 0))
    put("i", 344, fields.get("qform_code", 0))
    put("i", 348, fields.get("sform_code", 1))
    put("3d", 352, *fields.get("quatern", (0, 0, 0)))
    put("3d", 376, *fields.get("qoffset", (-10, -12, -14)))
    put("12d", 400, *np.ravel(fields.get("srow", AFFINE[:3])))
    put("i", 500, fields.get("units", 2 | 8))
    put("i", 504, fields.get("intent", 0))
    return bytes(raw)


def body(data: NDArray[Any], endian: str = "<") -> bytes:
    """Voxels as NIfTI stores them: x fastest."""
    return data.astype(data.dtype.newbyteorder(endian)).tobytes(order="F")


def write(path: Path, data: NDArray[Any] | None = None, endian: str = "<", **fields: Any) -> Path:
    """Write a single-file NIfTI-1, gzipped when the name ends in .gz."""
    data = voxels() if data is None else data
    shape = fields.pop("shape", data.shape)
    dtype = data.dtype.newbyteorder("=").str[1:]
    gap = b"\0" * max(int(fields.get("vox_offset", 352)) - 348, 4)
    content = header1(shape, dtype, endian, **fields) + gap + body(data, endian)
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path
