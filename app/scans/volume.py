"""A single small volume (mask, reference image) through the same checks as a run's header."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from app.core.arrays import frozen
from app.core.images import Image3D
from app.scans.faults import Fault, raise_all
from app.scans.geometry import judge_geometry, to_canonical
from app.scans.header import DTYPES, parse_header, scaling
from app.scans.spool import DEFLATE_LIMIT, ByteSource, read_header, source_skip

MAXIMUM_VOLUME_BYTES = 512 << 20


def read_volume(path: Path, space: str) -> Image3D:
    """Open a 3-D NIfTI file (.nii or .nii.gz), RAS+, scaled.

    Raises
    ------
    ScanError
        What is wrong with it; nothing was allocated by what its header claims alone.
    """
    with closing(ByteSource(path)) as source:
        raw = read_header(source)
        header = parse_header(raw)
        x, y, z, volumes = header.shape
        faults = []
        if min(x, y, z) < 1 or volumes != 1 or not 1 <= header.dim[0] <= 7:
            faults.append(Fault("scan.dimensions", "A companion image of the run is not 3-D."))
        if any(side > 1 for side in header.dim[5 : header.dim[0] + 1]):
            faults.append(Fault("scan.dimensions", "A companion image of the run is not 3-D."))
        if header.datatype not in DTYPES or not header.single_file:
            faults.append(Fault("scan.datatype", "A companion image has an unfit number format."))
        elif not faults and header.data_bytes > min(
            MAXIMUM_VOLUME_BYTES, source.stored_bytes * (DEFLATE_LIMIT if source.is_gzip else 1)
        ):
            faults.append(Fault("scan.truncated", "A companion image claims more than it holds."))
        affine, more, _ = judge_geometry(header)
        raise_all([*faults, *more])
        if not 0 <= header.vox_offset <= MAXIMUM_VOLUME_BYTES:
            raise Fault("scan.header_damaged", "A companion image is damaged.").error()
        source_skip(source, max(header.data_offset - len(raw), 0))
        stored = source.read_exactly(header.data_bytes)
    if len(stored) != header.data_bytes or source.ended in ("corrupt", "cut"):
        raise Fault("scan.truncated", "A companion image of the run is cut off.").error()
    values = np.frombuffer(stored, header.dtype).reshape((x, y, z), order="F")
    slope, intercept = scaling(header)
    if slope == 1.0 and intercept == 0.0:
        scaled = values.astype(header.dtype.newbyteorder("="))
    else:
        scaled = values.astype(np.float64) * slope + intercept
    if not np.isfinite(scaled).all():
        raise Fault("scan.not_finite", "A companion image holds what is no number.").error()
    data, canonical = to_canonical(scaled, affine)
    return Image3D(frozen(np.ascontiguousarray(data)), frozen(canonical), space)
