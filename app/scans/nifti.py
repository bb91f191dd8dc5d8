"""The door: a NIfTI file becomes a `Scan` with memory-mapped voxels, or one clear error.

The header is judged from raw bytes before anything is allocated, the voxels are unpacked once
into a private file, and every fault that can be known is told together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core.arrays import frozen
from app.core.images import Image4D
from app.core.progress import Progress
from app.core.results import Finding, Scan
from app.scans import bids
from app.scans.checks import check_voxels, map_voxels
from app.scans.faults import Fault, raise_all
from app.scans.geometry import Affine, axis_codes, judge_geometry, to_canonical
from app.scans.header import (
    DTYPES,
    MAXIMUM_DATA_BYTES,
    MAXIMUM_OFFSET_BYTES,
    RawHeader,
    parse_header,
    scaling,
    structure_faults,
)
from app.scans.spool import (
    DEFLATE_LIMIT,
    ByteSource,
    read_header,
    source_skip,
    spool_voxels,
    storage_error,
    truncated,
)
from app.scans.timing import judge_repetition_time, slice_times

_COUNTERPARTS = {".hdr": ".img", ".img": ".hdr"}


@dataclass(frozen=True, slots=True)
class LoadedScan:
    """A scan that passed the door: its description, its voxels, what was noticed.

    `voxel_file` is the private uncompressed copy that `image` maps; whoever made the cache
    folder removes it when the image is no longer needed.
    """

    scan: Scan
    image: Image4D
    findings: tuple[Finding, ...]
    voxel_file: Path


@dataclass(frozen=True, slots=True)
class _Judged:
    """All that is known before a voxel is read."""

    header: RawHeader
    affine: Affine
    repetition_time_s: float
    repetition_time_source: str
    sidecar: Mapping[str, Any]
    space: str
    findings: tuple[Finding, ...]


_SILENT = Progress()


def read_nifti(
    path: Path | str,
    *,
    cache_dir: Path,
    stated_repetition_time_s: float | None = None,
    progress: Progress = _SILENT,
    maximum_bytes: int = MAXIMUM_DATA_BYTES,
) -> LoadedScan:
    """Open a 4-D run (.nii, .nii.gz, .hdr/.img; NIfTI-1 or 2; either byte order).

    Parameters
    ----------
    path
        The scan, or either half of a pair.
    cache_dir
        Private folder for the uncompressed voxels; made if needed.
    stated_repetition_time_s
        What the user stated; wins over sidecar and header.
    progress
        Told at every MiB and volume; a cancel takes hold there.
    maximum_bytes
        Largest uncompressed run that is accepted.

    Returns
    -------
    LoadedScan
        ``image.data`` is a read-only view (x, y, z, frame) in closest RAS+ order with its
        stored type; the true value is ``data * slope + intercept``.

    Raises
    ------
    ScanError
        The file cannot be used; ``code`` says why. Messages hold no name and no path.
    StorageError
        ``scan.cache_full`` or ``scan.cache_not_writable``.
    """
    with ExitStack() as opened:
        source, header, skip = _open(Path(path), opened)
        judged = _judge(header, Path(path), stated_repetition_time_s, maximum_bytes)
        _check_size(source, header, skip)
        raw = spool_voxels(source, skip, header, cache_dir, _part(progress, 0.0, 0.7))
        try:
            faults, noticed = check_voxels(raw, header, _part(progress, 0.7, 0.3))
            raise_all(faults)
            kept = raw.with_name(f"scan-{source.sha256[:16]}.raw")
            os.replace(raw, kept)
        except OSError as error:
            with suppress(OSError):
                raw.unlink()
            raise storage_error(error) from None
        except BaseException:
            with suppress(OSError):
                raw.unlink()
            raise
    return _describe(judged, source.sha256, kept, noticed, Path(path))


def inspect_header(path: Path | str) -> dict[str, Any]:
    """Facts for the header panel, from header and sidecar only; no voxel is read.

    Returns
    -------
    dict
        Plain values; ``faults`` and ``findings`` hold (code, message) pairs of everything
        that is known before the voxels are read.

    Raises
    ------
    ScanError
        The file has no readable NIfTI header.
    """
    with ExitStack() as opened:
        source, header, _ = _open(Path(path), opened)
        stored_bytes = source.stored_bytes
    faults = structure_faults(header)
    sidecar, findings = bids.read_sidecar_checked(Path(path))
    affine, more, geometry = judge_geometry(header)
    seconds, origin, tr_faults, timing = judge_repetition_time(header, sidecar, None)
    faults += more + tr_faults
    slope, intercept = scaling(header)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return {
        "file_bytes": stored_bytes,
        "nifti_version": header.version,
        "byte_order": "little" if header.endian == "<" else "big",
        "shape": list(header.shape),
        "volumes": header.shape[3],
        "voxel_size_mm": None if more else [round(float(size), 4) for size in sizes],
        "repetition_time_s": seconds or None,
        "repetition_time_source": origin,
        "sform_code": header.sform_code,
        "qform_code": header.qform_code,
        "affine": None if more else affine.tolist(),
        "storage_orientation": "" if more else axis_codes(affine),
        "storage_order": "radiological" if np.linalg.det(affine[:3, :3]) < 0 else "neurological",
        "stored_dtype": header.dtype.name if header.datatype in DTYPES else "",
        "slope": slope,
        "intercept": intercept,
        "space": bids.space_of(Path(path))[0],
        "sidecar": {key: value for key, value in sorted(sidecar.items()) if _plain(value)},
        "faults": [(fault.code, fault.message) for fault in faults],
        "findings": [(item.code, item.message) for item in (*findings, *geometry, *timing)],
    }


def stored_files(path: Path) -> tuple[Path, ...]:
    """The one file of a scan, or header and voxel file of a pair, in the order of its hash."""
    header_path, voxel_path = _files(path)
    return (header_path,) if voxel_path is None else (header_path, voxel_path)


def _open(path: Path, opened: ExitStack) -> tuple[ByteSource, RawHeader, int]:
    """Source of the voxels, the header, and the bytes still before the first voxel."""
    header_path, voxel_path = _files(path)
    source = opened.enter_context(closing(ByteSource(header_path)))
    if header_path.name.lower().endswith(".gz") and not source.is_gzip and source.stored_bytes:
        raise Fault("scan.not_gzip", "The file is named .gz but is not compressed.").error()
    raw = read_header(source)
    if source.ended == "corrupt":
        raise Fault("scan.damaged", "The compressed data are damaged.").error()
    header = parse_header(raw)
    if header.single_file:
        return source, header, max(header.data_offset - len(raw), 0) if _offset_ok(header) else 0
    if voxel_path is None:
        raise Fault(
            "scan.pair_incomplete",
            "The header belongs to a pair, but its .img file is not there.",
            "Keep the .hdr and .img files of a scan in one folder with one name.",
        ).error()
    source_skip(source, MAXIMUM_OFFSET_BYTES)  # to the end, so that all of it is hashed
    voxels = opened.enter_context(closing(ByteSource(voxel_path, source.digest)))
    return voxels, header, header.data_offset if _offset_ok(header) else 0


def _offset_ok(header: RawHeader) -> bool:
    return 0 <= header.vox_offset <= MAXIMUM_OFFSET_BYTES


def _files(path: Path) -> tuple[Path, Path | None]:
    """Header file and voxel file of a scan; the second is None unless it is a pair."""
    name = path.name
    packed = name.lower().endswith(".gz")
    base = name[:-3] if packed else name
    stem, ending = base[:-4], base[-4:]
    if ending.lower() not in _COUNTERPARTS:
        return path, None
    other = _COUNTERPARTS[ending.lower()]
    if ending.isupper():
        other = other.upper()
    endings = [other + ".gz", other] if packed else [other, other + ".gz"]
    partner = next((p for e in endings if (p := path.with_name(stem + e)).is_file()), None)
    if ending.lower() == ".hdr":
        return path, partner
    if partner is None:
        raise Fault(
            "scan.pair_incomplete",
            "The .hdr file that belongs to this .img file is not there.",
            "Keep the .hdr and .img files of a scan in one folder with one name.",
        ).error()
    return partner, path


def _judge(header: RawHeader, path: Path, stated_s: float | None, maximum_bytes: int) -> _Judged:
    """Collect every fault and finding of header, sidecar and name; raise if any is a fault."""
    faults = structure_faults(header, maximum_bytes)
    sidecar, findings = bids.read_sidecar_checked(path)
    affine, geometry_faults, geometry = judge_geometry(header)
    seconds, origin, timing_faults, timing = judge_repetition_time(header, sidecar, stated_s)
    raise_all([*faults, *geometry_faults, *timing_faults])
    space, space_findings = bids.space_of(path)
    return _Judged(
        header=header,
        affine=affine,
        repetition_time_s=seconds,
        repetition_time_source=origin,
        sidecar=sidecar,
        space=space,
        findings=(*findings, *geometry, *timing, *space_findings),
    )


def _check_size(source: ByteSource, header: RawHeader, skip: int) -> None:
    """Refuse a claim that the stored bytes cannot hold, before anything is unpacked."""
    # What was read already is part of the stored bytes; 1 KiB covers the largest header.
    if source.is_gzip:
        possible = source.stored_bytes * DEFLATE_LIMIT
        if header.data_bytes + skip > possible:
            raise Fault(
                "scan.truncated",
                f"The file is far too small for what its header claims ({header.shape[3]} "
                f"volumes, {header.data_bytes / 2**20:.0f} MiB).",
            ).error()
        return
    held = source.stored_bytes - header.data_offset
    if held < header.data_bytes:
        raise truncated(header, held).error()


def _describe(
    judged: _Judged, sha256: str, voxels: Path, noticed: list[Finding], path: Path
) -> LoadedScan:
    header, sidecar = judged.header, judged.sidecar
    data, affine = to_canonical(map_voxels(voxels, header, "r"), judged.affine)
    seconds = judged.repetition_time_s
    times, timing = slice_times(sidecar, header, judged.affine, seconds)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    slope, intercept = scaling(header)
    task = _text(sidecar.get("TaskName")) or bids.participant_of(path).task
    scan = Scan(
        sha256=sha256,
        shape=(data.shape[0], data.shape[1], data.shape[2], data.shape[3]),
        voxel_size_mm=(float(sizes[0]), float(sizes[1]), float(sizes[2])),
        affine=frozen(affine),
        repetition_time_s=seconds,
        repetition_time_source=judged.repetition_time_source,
        storage_orientation=axis_codes(judged.affine),
        sform_code=header.sform_code,
        qform_code=header.qform_code,
        stored_dtype=header.dtype.name,
        space=judged.space,
        task=re.sub(r"[^A-Za-z0-9]", "", task)[:32],
        simulated=str(sidecar.get("SimulatedBy", "")).startswith(bids.SIMULATOR),
        scanner=" ".join(
            filter(
                None,
                map(_text, (sidecar.get("Manufacturer"), sidecar.get("ManufacturersModelName"))),
            )
        ),
        field_strength_t=_field_strength(sidecar.get("MagneticFieldStrength")),
        slice_times_s=times,
    )
    image = Image4D(frozen(data), scan.affine, seconds, slope, intercept, judged.space)
    return LoadedScan(scan, image, (*judged.findings, *timing, *noticed), voxels)


def _part(progress: Progress, start: float, share: float) -> Callable[[float, str], None]:
    """The same progress, its fraction squeezed into a part of the stage."""
    return lambda fraction, message: progress.step(start + share * fraction, message)


def _field_strength(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 30:
        return None
    return float(value)


def _text(value: Any) -> str:
    """Short printable text of a sidecar value; "" for anything that is no text."""
    if not isinstance(value, str):
        return ""
    return re.sub(r"[^\w .+-]", "", value).strip()[:64]


def _plain(value: Any) -> bool:
    return isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= 200)
