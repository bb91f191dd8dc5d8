"""NIfTI headers from raw bytes: what the file claims, judged before any library sees it.

Field offsets follow nifti1.h and nifti2.h (nifti.nimh.nih.gov). Nothing here allocates by
what the header says.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

import numpy as np

from app.scans.faults import Fault

NIFTI1_BYTES = 348
NIFTI2_BYTES = 540
MINIMUM_VOLUMES = 20
MINIMUM_SIDE = 4  # voxels along x, y and z; fewer is a slab, not a brain
MAXIMUM_OFFSET_BYTES = 64 << 20  # header extensions beyond this are no extensions
MAXIMUM_DATA_BYTES = 8 << 30

DTYPES: dict[int, str] = {
    2: "u1", 256: "i1", 4: "i2", 512: "u2", 8: "i4", 768: "u4", 1024: "i8", 1280: "u8",
    16: "f4", 64: "f8",
}  # fmt: skip
_REFUSED_DTYPES = {
    0: "unknown", 1: "single bits", 32: "complex numbers", 1792: "complex numbers",
    2048: "complex numbers", 128: "colours (RGB)", 2304: "colours (RGBA)",
    1536: "128-bit numbers",
}  # fmt: skip
_MAGIC2_TAIL = b"\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class RawHeader:
    """A NIfTI header's fields as stored, of version 1 or 2."""

    version: int  # 1 or 2
    endian: str  # "<" or ">"
    single_file: bool  # False: voxels lie in an .img file
    dim: tuple[int, ...]  # 8 values, dim[0] = number of axes
    pixdim: tuple[float, ...]  # 8 values
    datatype: int
    bitpix: int
    vox_offset: float
    slope: float
    intercept: float
    xyzt_units: int
    intent_code: int
    qform_code: int
    sform_code: int
    quatern: tuple[float, float, float]
    qoffset: tuple[float, float, float]
    srow: tuple[float, ...]  # 12 values, row by row

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Voxels along x, y, z and volumes as stored; 1 where an axis is absent."""
        sides = [self.dim[axis] if axis <= self.dim[0] else 1 for axis in range(1, 5)]
        return sides[0], sides[1], sides[2], sides[3]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Type of a stored value, with its byte order."""
        return np.dtype(self.endian + DTYPES[self.datatype])

    @property
    def volume_bytes(self) -> int:
        """Bytes of one volume."""
        return math.prod(self.shape[:3]) * self.dtype.itemsize

    @property
    def data_bytes(self) -> int:
        """Bytes of all volumes, as claimed."""
        return self.volume_bytes * self.shape[3]

    @property
    def data_offset(self) -> int:
        """Where the voxels begin; 0 in a single file means directly after the header."""
        if self.single_file and self.vox_offset == 0:
            return NIFTI1_BYTES + 4 if self.version == 1 else NIFTI2_BYTES + 4
        return int(self.vox_offset)


def parse_header(raw: bytes) -> RawHeader:
    """Read the fields of a NIfTI-1 or NIfTI-2 header of either byte order.

    Raises
    ------
    ScanError
        ``scan.empty``, ``scan.not_an_image``, ``scan.analyze`` or ``scan.truncated``.
    """
    if not raw:
        raise Fault("scan.empty", "The file is empty.").error()
    if len(raw) < 4:
        raise _not_an_image().error()
    for endian in "<>":
        size = struct.unpack_from(endian + "i", raw)[0]
        if size == NIFTI1_BYTES:
            return _parse1(raw, endian)
        if size == NIFTI2_BYTES:
            return _parse2(raw, endian)
    raise _not_an_image().error()


def _not_an_image() -> Fault:
    return Fault(
        "scan.not_an_image",
        "The file is not a NIfTI image.",
        "Open a 4-D resting-state run as .nii, .nii.gz or an .hdr/.img pair.",
    )


def _cut_header(length: int, wanted: int) -> Fault:
    return Fault("scan.truncated", f"The file ends inside its header ({length} of {wanted} bytes).")


def _parse1(raw: bytes, endian: str) -> RawHeader:
    magic = raw[344:348]
    if len(raw) < NIFTI1_BYTES:
        raise _cut_header(len(raw), NIFTI1_BYTES).error()
    if magic not in (b"n+1\0", b"ni1\0"):
        if magic.strip(b"\0 ") == b"":
            raise Fault(
                "scan.analyze",
                "The file is in the old ANALYZE format, which does not say left from right.",
                "Convert the original DICOM series to NIfTI instead.",
            ).error()
        raise _not_an_image().error()

    def get(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(endian + form, raw, offset)

    b, c, d, x, y, z = get("6f", 256)
    return RawHeader(
        version=1,
        endian=endian,
        single_file=magic == b"n+1\0",
        dim=tuple(int(value) for value in get("8h", 40)),
        pixdim=get("8f", 76),
        datatype=int(get("h", 70)[0]),
        bitpix=int(get("h", 72)[0]),
        vox_offset=get("f", 108)[0],
        slope=get("f", 112)[0],
        intercept=get("f", 116)[0],
        xyzt_units=raw[123],
        intent_code=int(get("h", 68)[0]),
        qform_code=int(get("h", 252)[0]),
        sform_code=int(get("h", 254)[0]),
        quatern=(b, c, d),
        qoffset=(x, y, z),
        srow=get("12f", 280),
    )


def _parse2(raw: bytes, endian: str) -> RawHeader:
    if len(raw) < NIFTI2_BYTES:
        raise _cut_header(len(raw), NIFTI2_BYTES).error()
    if raw[4:8] not in (b"n+2\0", b"ni2\0") or raw[8:12] != _MAGIC2_TAIL:
        raise _not_an_image().error()

    def get(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(endian + form, raw, offset)

    b, c, d, x, y, z = get("6d", 352)
    return RawHeader(
        version=2,
        endian=endian,
        single_file=raw[4:8] == b"n+2\0",
        dim=tuple(int(value) for value in get("8q", 16)),
        pixdim=get("8d", 104),
        datatype=int(get("h", 12)[0]),
        bitpix=int(get("h", 14)[0]),
        vox_offset=get("q", 168)[0],
        slope=get("d", 176)[0],
        intercept=get("d", 184)[0],
        xyzt_units=int(get("i", 500)[0]) & 0xFF,
        intent_code=int(get("i", 504)[0]),
        qform_code=int(get("i", 344)[0]),
        sform_code=int(get("i", 348)[0]),
        quatern=(b, c, d),
        qoffset=(x, y, z),
        srow=get("12d", 400),
    )


def structure_faults(header: RawHeader, maximum_bytes: int = MAXIMUM_DATA_BYTES) -> list[Fault]:
    """Everything about sizes and types that makes the file unusable, most basic first."""
    faults = _dimension_faults(header)
    if header.datatype not in DTYPES:
        kind = _REFUSED_DTYPES.get(header.datatype, f"type {header.datatype}")
        faults.append(
            Fault(
                "scan.datatype",
                f"The voxels are stored as {kind}, which cannot be a BOLD signal.",
                "Use the magnitude image of the functional run.",
            )
        )
    elif header.bitpix != 8 * header.dtype.itemsize:
        faults.append(
            Fault(
                "scan.header_damaged",
                f"The header contradicts itself: type {header.datatype} with {header.bitpix} "
                "bits a voxel.",
            )
        )
    offset = header.vox_offset
    lowest = (NIFTI1_BYTES if header.version == 1 else NIFTI2_BYTES) + 4
    sane = math.isfinite(offset) and offset == int(offset) and 0 <= offset <= MAXIMUM_OFFSET_BYTES
    if not sane or (header.single_file and 0 < offset < lowest):
        faults.append(
            Fault("scan.header_damaged", f"The voxels are said to begin at byte {offset:g}.")
        )
    if math.isinf(header.slope) or (_scaled(header) and not math.isfinite(header.intercept)):
        faults.append(
            Fault(
                "scan.scaling",
                f"The scaling is not a number: slope {header.slope:g}, "
                f"intercept {header.intercept:g}.",
            )
        )
    if not faults and header.data_bytes > maximum_bytes:
        faults.append(
            Fault(
                "scan.too_large",
                f"The header claims {header.data_bytes / 2**30:.1f} GiB of voxels; the limit is "
                f"{maximum_bytes / 2**30:.1f} GiB.",
                "Check the file; a resting-state run is smaller than that.",
            )
        )
    return faults


def _scaled(header: RawHeader) -> bool:
    return math.isfinite(header.slope) and header.slope != 0


def scaling(header: RawHeader) -> tuple[float, float]:
    """Slope and intercept in force: a slope of 0 or NaN means none (nifti1.h)."""
    return (header.slope, header.intercept) if _scaled(header) else (1.0, 0.0)


def _dimension_faults(header: RawHeader) -> list[Fault]:
    axes = header.dim[0]
    hint = "Open the 4-D functional run (x, y, z, time)."
    if 3000 <= header.intent_code <= 3099:
        return [Fault("scan.cifti", "The file holds CIFTI grayordinates, not a volume.", hint)]
    if not 1 <= axes <= 7:
        return [Fault("scan.header_damaged", f"The header claims {axes} dimensions.")]
    sizes = header.dim[1 : axes + 1]
    if any(size <= 0 for size in sizes):
        text = " x ".join(map(str, sizes))
        return [Fault("scan.dimensions", f"A dimension is zero or negative: {text}.")]
    while len(sizes) > 4 and sizes[-1] == 1:
        sizes = sizes[:-1]
    text = " x ".join(map(str, sizes))
    if len(sizes) != 4:
        return [
            Fault("scan.dimensions", f"The image is {len(sizes)}-D ({text}), not a 4-D run.", hint)
        ]
    faults = []
    if min(sizes[:3]) < MINIMUM_SIDE:
        faults.append(Fault("scan.dimensions", f"The volume is too thin: {text} voxels.", hint))
    if sizes[3] < MINIMUM_VOLUMES:
        faults.append(
            Fault(
                "scan.too_few_volumes",
                f"The run has {sizes[3]} volumes; at least {MINIMUM_VOLUMES} are needed.",
                hint,
            )
        )
    return faults
