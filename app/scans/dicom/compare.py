"""The converter's answer against our own reading of the headers, down to the stored values.

Size, place and orientation must agree, or the series is refused. Where the pixels are stored
plainly their order is checked too; if only that differs, the order that every slice's own
header states (position and time) is used, and said so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ScanError
from app.core.results import Finding, Severity
from app.scans.dicom.grid import Grid
from app.scans.dicom.reading import UNCOMPRESSED, Instance, quiet_reader, reader_faults
from app.scans.faults import Fault
from app.scans.geometry import to_canonical

TOLERANCE_MM = 1e-4  # per voxel step
ORIGIN_TOLERANCE_MM = 1e-3  # float32 in the NIfTI header, decimal texts in DICOM
TIME_TOLERANCE_S = 1e-4
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_RUN_LENGTH = "1.2.840.10008.1.2.5"
READABLE = UNCOMPRESSED | {_RUN_LENGTH}


@dataclass(frozen=True, slots=True)
class Stored:
    """A series' instances and where their private copies lie, in the same order."""

    instances: Sequence[Instance]
    paths: Sequence[Path]

    @property
    def readable(self) -> bool:
        """Whether every pixel can be read here: stored plainly, or run-length encoded."""
        return all(item.syntax in READABLE for item in self.instances)


def take_image(
    converted: Path | None, record: Mapping[str, Any], grid: Grid, stored: Stored, target: Path
) -> list[Finding]:
    """Put the checked image at `target`.

    `converted` is None where the converter could not join the files (readable pixels only).

    Raises
    ------
    ScanError
        ``dicom.converter_disagrees``: which of size, orientation or place differs.
    """
    import nibabel

    if converted is None:
        write_by_headers(grid, stored, target)
        return [_by_headers("The converter could not join the files of the series")]
    image: Any = nibabel.load(converted)
    theirs, affine = to_canonical(
        np.asarray(image.dataobj.get_unscaled()), np.asarray(image.affine, float)
    )
    _compare_geometry(theirs.shape, affine, grid)
    findings = _compare_time(record, grid)
    if not stored.readable or _same_values(theirs, grid, stored):
        converted.rename(target)
        return findings
    write_by_headers(grid, stored, target)
    words = "The converter would have put slices or volumes into another order"
    return [*findings, _by_headers(words)]


def _by_headers(what: str) -> Finding:
    return Finding(
        "dicom.order_by_headers",
        Severity.WARNING,
        f"{what}; position and time in every slice's own header are used instead.",
        "Compare the images with those at the scanner.",
    )


def slice_times_of(image: Path, grid: Grid) -> tuple[float, ...]:
    """The grid's slice times in the storage order of `image`."""
    import nibabel

    loaded: Any = nibabel.load(image)
    back = np.linalg.inv(np.asarray(loaded.affine, float)) @ grid.affine
    return tuple(reversed(grid.slice_times_s)) if back[2, 2] < 0 else grid.slice_times_s


def write_by_headers(grid: Grid, stored: Stored, target: Path) -> None:
    """Write a NIfTI-1 of the stored values in the order that the headers state."""
    import nibabel

    first = stored.instances[0]
    kind = _stored_type(first).newbyteorder("<")
    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(kind)
    header.set_data_shape(grid.shape)
    header.set_zooms((*np.linalg.norm(grid.affine[:3, :3], axis=0), 0.0))
    header.set_xyzt_units("mm", "sec")
    header.set_sform(grid.affine, 1)
    header.set_qform(grid.affine, 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    slope = first.numbers.get("RescaleSlope", 1.0) or 1.0
    header["scl_slope"], header["scl_inter"] = slope, first.numbers.get("RescaleIntercept", 0.0)
    with target.open("wb") as out:
        out.write(header.binaryblock + b"\0" * 4)
        for volume in _volumes(grid, stored):
            out.write(volume.astype(kind).tobytes(order="F"))


def _compare_geometry(shape: tuple[int, ...], affine: NDArray[np.float64], grid: Grid) -> None:
    ours, our_affine = to_canonical(np.broadcast_to(np.uint8(0), grid.shape), grid.affine)
    if shape != ours.shape:
        theirs = " x ".join(map(str, shape))
        raise disagree(f"{theirs} voxels and volumes, or {' x '.join(map(str, ours.shape))}")
    if np.abs(affine[:3, :3] - our_affine[:3, :3]).max() > TOLERANCE_MM:
        raise disagree("voxel size or orientation")
    if np.abs(affine[:3, 3] - our_affine[:3, 3]).max() > ORIGIN_TOLERANCE_MM:
        raise disagree("the place in the scanner")


def disagree(what: str) -> ScanError:
    """The error of two readings that differ, and what to do."""
    return Fault(
        "dicom.converter_disagrees",
        f"Two independent readings of the series differ: {what}.",
        "The series is not used. Convert it at the scanner or archive, compare left and right, "
        "and open the NIfTI file.",
    ).error()


def _compare_time(record: Mapping[str, Any], grid: Grid) -> list[Finding]:
    ours, theirs = grid.header_repetition_time_s, record.get("RepetitionTime")
    if ours is None or isinstance(theirs, bool) or not isinstance(theirs, int | float):
        return []
    if abs(theirs - ours) <= TIME_TOLERANCE_S:
        return []
    return [
        Finding(
            "scan.tr_disagrees",
            Severity.WARNING,
            f"The repetition time differs: {ours:g} s (DICOM header), {theirs:g} s (converter); "
            f"{ours:g} s is used.",
            "Check the protocol of the scan.",
        )
    ]


def _same_values(theirs: NDArray[Any], grid: Grid, stored: Stored) -> bool:
    """Whether every volume holds the same stored values."""
    for volume, stored_values in enumerate(_volumes(grid, stored)):
        ours, _ = to_canonical(stored_values, grid.affine)
        if not np.array_equal(ours, theirs[..., volume]):
            return False
    return True


def _volumes(grid: Grid, stored: Stored) -> Iterator[NDArray[Any]]:
    """(column, row, slice) stored values of each volume in turn.

    A file with several volumes is read once: it is kept while the next volume needs it too.
    """
    files: dict[int, NDArray[Any]] = {}
    columns, rows = grid.shape[:2]
    for volume in range(grid.shape[3]):
        cells = grid.cells[:, volume].tolist()
        files = {index: files[index] for index, _ in cells if index in files}
        planes = []
        for index, frame in cells:
            if index not in files:
                files[index] = pixels_of(stored.instances[index], stored.paths[index])
            item = stored.instances[index]
            if item.mosaic is None:
                planes.append(files[index][frame].T)
                continue
            across = item.columns // columns
            y, x = (frame // across) * rows, (frame % across) * columns
            planes.append(files[index][0, y : y + rows, x : x + columns].T)
        yield np.stack(planes, axis=2)


def _stored_type(item: Instance) -> np.dtype[Any]:
    letter = "i" if item.numbers["PixelRepresentation"] else "u"
    order = ">" if item.syntax == _BIG_ENDIAN else "<"
    return np.dtype(f"{order}{letter}{int(item.numbers['BitsAllocated']) // 8}")


def pixels_of(item: Instance, path: Path) -> NDArray[Any]:
    """(frame, row, column) stored values of a file, without copying them.

    Raises
    ------
    ScanError
        ``dicom.damaged``, ``dicom.pixels_missing``.
    """
    import pydicom
    from pydicom.tag import Tag

    if item.syntax == _RUN_LENGTH:
        return _run_length_pixels(item, path)
    with quiet_reader():
        try:
            data = pydicom.dcmread(path, defer_size=1024, specific_tags=["PixelData"])
            raw = bytes(data[Tag("PixelData")].value)
        except reader_faults():
            raise Fault("dicom.damaged", "The pixels of a file cannot be read.").error() from None
    kind = _stored_type(item)
    count = 1 if item.mosaic is not None else len(item.planes)
    wanted = item.rows * item.columns * count * kind.itemsize
    if not wanted <= len(raw) <= wanted + 1:
        raise Fault(
            "dicom.pixels_missing",
            f"A file holds {len(raw)} bytes of pixels instead of {wanted}.",
        ).error()
    return np.frombuffer(raw, kind, wanted // kind.itemsize).reshape(count, item.rows, item.columns)


def _run_length_pixels(item: Instance, path: Path) -> NDArray[Any]:
    """The same of a run-length encoded file, by pydicom's own decoder."""
    from pydicom.pixels.utils import pixel_array

    with quiet_reader():
        try:
            pixels = np.asarray(pixel_array(path, raw=True))
        except reader_faults():
            raise Fault(
                "dicom.damaged", "The pixels of a file cannot be decoded."
            ).error() from None
    count = 1 if item.mosaic is not None else len(item.planes)
    if pixels.size != item.rows * item.columns * count:
        raise Fault("dicom.pixels_missing", "A file holds another number of pixels than it "
                    "claims.").error()  # fmt: skip
    return pixels.reshape(count, item.rows, item.columns)
