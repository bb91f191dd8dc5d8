"""A single small volume (mask, reference image) through the same checks as a run's header."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import frozen
from app.core.images import Image3D
from app.scans.faults import Fault, raise_all
from app.scans.geometry import judge_geometry, to_canonical
from app.scans.header import DTYPES, parse_header, scaling
from app.scans.spool import DEFLATE_LIMIT, ByteSource, read_header, source_skip

MAXIMUM_VOLUME_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class StoredVolume:
    """One decoded volume, RAS+, with what its header says about its space."""

    data: NDArray[Any]  # (x, y, z), scaled
    affine: NDArray[np.float64]  # (4, 4), voxel -> mm
    sform_code: int
    qform_code: int
    sha256: str  # of the whole file; "" where not all of it was read


def read_volume(path: Path, space: str) -> Image3D:
    """Open a 3-D NIfTI file (.nii or .nii.gz), RAS+, scaled.

    Raises
    ------
    ScanError
        What is wrong with it; nothing was allocated by what its header claims alone.
    """
    found = decode_volume(path, "A companion image")
    if not np.isfinite(found.data).all():
        raise Fault("scan.not_finite", "A companion image holds what is no number.").error()
    return Image3D(frozen(np.ascontiguousarray(found.data)), frozen(found.affine), space)


def decode_volume(path: Path, what: str, *, hashed: bool = False) -> StoredVolume:
    """Decode a 3-D NIfTI file; values that are no numbers stay as they are.

    Parameters
    ----------
    what
        What errors call the file, such as "The map".
    hashed
        Read to the end of the file for its hash.

    Raises
    ------
    ScanError
        What is wrong with it.
    """
    with closing(ByteSource(path)) as source:
        raw = read_header(source)
        header = parse_header(raw)
        x, y, z, volumes = header.shape
        faults = []
        flat = min(x, y, z) < 1 or volumes != 1 or not 1 <= header.dim[0] <= 7
        if flat or any(side > 1 for side in header.dim[5 : header.dim[0] + 1]):
            faults.append(Fault("scan.dimensions", f"{what} is not one 3-D volume."))
        if header.datatype not in DTYPES or not header.single_file:
            faults.append(Fault("scan.datatype", f"{what} has an unfit number format."))
        elif not faults and header.data_bytes > min(
            MAXIMUM_VOLUME_BYTES, source.stored_bytes * (DEFLATE_LIMIT if source.is_gzip else 1)
        ):
            faults.append(Fault("scan.truncated", f"{what} claims more than it holds."))
        affine, more, _ = judge_geometry(header)
        raise_all([*faults, *more])
        if not 0 <= header.vox_offset <= MAXIMUM_VOLUME_BYTES:
            raise Fault("scan.header_damaged", f"{what} is damaged.").error()
        source_skip(source, max(header.data_offset - len(raw), 0))
        stored = source.read_exactly(header.data_bytes)
        if len(stored) != header.data_bytes or source.ended in ("corrupt", "cut"):
            raise Fault("scan.truncated", f"{what} is cut off.").error()
        if hashed:
            source_skip(source, MAXIMUM_VOLUME_BYTES)
        sha256 = source.sha256 if hashed else ""
    values = np.frombuffer(stored, header.dtype).reshape((x, y, z), order="F")
    slope, intercept = scaling(header)
    if slope == 1.0 and intercept == 0.0:
        scaled = values.astype(header.dtype.newbyteorder("="))
    else:
        scaled = values.astype(np.float64) * slope + intercept
    data, canonical = to_canonical(scaled, affine)
    return StoredVolume(data, canonical, header.sform_code, header.qform_code, sha256)
