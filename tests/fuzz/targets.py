"""What every input must end in at each door: one typed error, or exactly what the bytes say.

A target takes bytes and a private folder. It returns True when the input was accepted. Any other
exception than the program's own is a finding, and so is an accepted input whose geometry is not
the one that an independent reading of the same bytes gives.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from app.core.errors import AppError
from app.core.number_tables import read_numbers
from app.scans.dicom.compare import READABLE, pixels_of
from app.scans.dicom.csa import csa_values, planned_volumes
from app.scans.dicom.grid import make_grid
from app.scans.dicom.reading import read_instance
from app.scans.fmriprep_table import read_confounds
from app.scans.nifti import read_nifti
from app.scans.parcel_series import read_parcel_series

MAXIMUM_BYTES = 1 << 20
NAMES = ("A_L", "B_L", "C_R", "D_R", "E_R")
Target = Callable[[bytes, Path], bool]


def nifti(data: bytes, folder: Path) -> bool:
    """A .nii file."""
    return _nifti(data, folder, "run.nii")


def nifti_gz(data: bytes, folder: Path) -> bool:
    """A .nii.gz file: the input is what is compressed, or already compressed."""
    packed = data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1, mtime=0)
    return _nifti(packed, folder, "run.nii.gz")


def _nifti(data: bytes, folder: Path, name: str) -> bool:
    path = folder / name
    path.write_bytes(data)
    cache = folder / "cache"
    try:
        loaded = read_nifti(path, cache_dir=cache, maximum_bytes=16 << 20)
    except AppError:
        assert not list(cache.glob("*")), "a refused file leaves something behind"
        return False
    try:
        image, scan = loaded.image, loaded.scan
        assert np.isfinite(scan.affine).all()
        assert abs(np.linalg.det(scan.affine[:3, :3])) > 0
        assert 0.2 <= scan.repetition_time_s <= 6.0
        assert all(0.3 <= size <= 20.0 for size in scan.voxel_size_mm)
        values = np.asarray(image.data, np.float64) * image.slope + image.intercept
        assert np.isfinite(values).all()
        if not any(finding.code == "scan.orientation_unknown" for finding in loaded.findings):
            _like_nibabel(path, scan.affine, image.data)
    finally:
        loaded.voxel_file.unlink()
    return True


def _like_nibabel(path: Path, affine: Any, data: Any) -> None:
    """nibabel, where it reads the file at all, sees the same grid at the same place."""
    import nibabel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs: Any = nibabel.load(path)
            unit = {"meter": 1000.0, "micron": 0.001}.get(theirs.header.get_xyzt_units()[0], 1.0)
            place = np.asarray(theirs.affine, float) * [[unit], [unit], [unit], [1.0]]
        except Exception:  # noqa: BLE001 - nibabel raises anything on odd headers
            return
    if not np.isfinite(place).all() or abs(np.linalg.det(place[:3, :3])) == 0:
        return
    shape = theirs.shape[:3]
    corners = np.array([[x, y, z, 1.0] for x in (0, shape[0] - 1) for y in (0, shape[1] - 1)
                        for z in (0, shape[2] - 1)])  # fmt: skip
    ours = np.array([[x, y, z, 1.0] for x in (0, data.shape[0] - 1)
                     for y in (0, data.shape[1] - 1) for z in (0, data.shape[2] - 1)])  # fmt: skip
    expected, found = corners @ place.T, ours @ np.asarray(affine).T
    for corner in expected:  # the same eight corners, whichever way the storage runs
        distance = np.abs(found - corner).max(axis=1).min()
        assert distance <= 1e-3 * max(1.0, np.abs(corner).max()), "another place than nibabel's"


def dicom(data: bytes, folder: Path) -> bool:
    """One DICOM file (a mosaic, a slice, or a multi-frame)."""
    path = folder / "one"
    path.write_bytes(data)
    item = read_instance(path, len(data))
    if item is None:
        return False
    grid, faults, _ = make_grid([item])
    assert (grid is None) == bool(faults)
    if grid is None:
        return False
    assert np.isfinite(grid.affine).all()
    assert min(grid.shape) >= 1
    for axis in range(3):
        assert 0.3 <= np.linalg.norm(grid.affine[:3, axis]) <= 20.0
    assert grid.cells.shape == (grid.shape[2], grid.shape[3], 2)
    assert len({tuple(cell) for cell in grid.cells.reshape(-1, 2)}) == grid.cells.size // 2
    times = np.array(grid.slice_times_s)
    assert len(times) in (0, grid.shape[2])
    assert np.isfinite(times).all()
    _like_the_header(data, grid)
    return True


def _like_the_header(data: bytes, grid: Any) -> None:
    """In-plane axes and the first corner again, straight from pydicom's values."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header: Any = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        if "PerFrameFunctionalGroupsSequence" in header:
            first = header.PerFrameFunctionalGroupsSequence[0]
            shared = header.SharedFunctionalGroupsSequence[0]
            plane = first if "PlaneOrientationSequence" in first else shared
            measures = first if "PixelMeasuresSequence" in first else shared
            turned = plane.PlaneOrientationSequence[0].ImageOrientationPatient
            spacing = measures.PixelMeasuresSequence[0].PixelSpacing
        else:
            turned, spacing = header.ImageOrientationPatient, header.PixelSpacing
        row, column = np.array(turned[:3], float), np.array(turned[3:], float)
        between_rows, between_columns = (float(value) for value in spacing)
    flip = np.array([-1.0, -1.0, 1.0])
    row, column = row / np.linalg.norm(row), column / np.linalg.norm(column)
    assert np.allclose(grid.affine[:3, 0], flip * row * between_columns, atol=1e-4)
    assert np.allclose(grid.affine[:3, 1], flip * column * between_rows, atol=1e-4)


def codec(data: bytes, folder: Path) -> bool:
    """The pixels of one DICOM file, run-length encoded or plain."""
    path = folder / "one"
    path.write_bytes(data)
    item = read_instance(path, len(data))
    if item is None or item.faults or not item.planes or item.syntax not in READABLE:
        return False
    try:
        pixels = pixels_of(item, path)
    except AppError:
        return False
    count = 1 if item.mosaic is not None else len(item.planes)
    assert pixels.shape == (count, item.rows, item.columns)
    assert pixels.dtype.kind in "iu"
    assert pixels.dtype.itemsize == int(item.numbers["BitsAllocated"]) // 8
    return True


def csa(data: bytes, _folder: Path) -> bool:
    """A Siemens private header."""
    found = csa_values(data, ("NumberOfImagesInMosaic", "SliceNormalVector"))
    planned_volumes(data)
    return bool(found)


def confounds(data: bytes, folder: Path) -> bool:
    """fMRIPrep's confound table."""
    path = folder / "c.tsv"
    path.write_bytes(data)
    try:
        table, first = read_confounds(path, 5, ("csf",))
    except AppError:
        return False
    assert 0 <= first <= 5
    for name, values in table.items():
        assert values.shape == (5,)
        assert np.isfinite(values[1:]).all(), name
    return True


def table(data: bytes, folder: Path) -> bool:
    """Any table of numbers."""
    path = folder / "t.tsv"
    path.write_bytes(data)
    try:
        read = read_numbers(path)
    except AppError:
        return False
    assert read.values.ndim == 2
    assert not np.isinf(read.values).any()
    assert len(read.header) in (0, read.values.shape[1])
    return True


def series(data: bytes, folder: Path) -> bool:
    """Parcel series as a table."""
    return _series(data, folder / "x_atlas-Toy.tsv")


def array(data: bytes, folder: Path) -> bool:
    """Parcel series as an array."""
    return _series(data, folder / "x_atlas-Toy.npy")


def _series(data: bytes, path: Path) -> bool:
    path.write_bytes(data)
    try:
        read = read_parcel_series(path, {"Toy": NAMES}, stated_repetition_time_s=2.0)
    except AppError:
        return False
    assert read.values.shape[1] == len(NAMES)
    assert np.isfinite(read.values[:, read.present]).all()
    return True


TARGETS: dict[str, Target] = {
    "nifti": nifti,
    "nifti_gz": nifti_gz,
    "dicom": dicom,
    "codec": codec,
    "csa": csa,
    "confounds": confounds,
    "table": table,
    "series": series,
    "array": array,
}


def seeds(name: str) -> list[bytes]:
    """Small valid inputs of a target, made here."""
    from pydicom.uid import RLELossless

    from tests import dicom_files
    from tests.unit.scans.nifti_files import body, header1, header2, voxels

    small = (4, 5, 6, 20)
    random = np.random.default_rng(3)
    values = random.normal(100, 3, (22, len(NAMES))).round(3)
    rows = ["\t".join(f"{v:g}" for v in row) for row in values]
    if name in ("nifti", "nifti_gz"):
        quaternion = {"qform_code": 1, "sform_code": 0, "quatern": (0.1, -0.2, 0.3)}
        return [
            header1(small, "u1") + b"\0" * 4 + body(voxels("u1", small)),
            header1(small, "i2", ">", **quaternion) + b"\0" * 4 + body(voxels("i2", small), ">"),
            header2(small, "f4", slope=0.5, intercept=2) + b"\0" * 4 + body(voxels("f4", small)),
        ]
    if name in ("dicom", "csa", "codec"):
        protocol = dicom_files.oblique(frames=2, slices=3, columns=4, rows=5)
        data = dicom_files.truth_voxels(protocol)
        if name == "csa":
            mosaic = dicom_files.mosaic(protocol, data)[0]
            return [bytes(mosaic[0x00291010].value), bytes(mosaic[0x00291020].value)]
        items = [
            dicom_files.mosaic(protocol, data)[0],
            dicom_files.enhanced(protocol, data),
            dicom_files.classic(protocol, data)[0],
        ]
        if name == "codec":
            for item in items:
                item.compress(RLELossless)
        return [_written(item) for item in items]
    if name == "confounds":
        names = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z", "csf", "std_dvars",
                 "framewise_displacement", "non_steady_state_outlier00")  # fmt: skip
        lines = ["\t".join(names), "\t".join(["0"] * 7 + ["n/a", "n/a", "1"])]
        lines += ["\t".join(["0.01"] * 9 + ["0"])] * 4
        return ["\n".join(lines).encode()]
    if name == "array":
        buffer = io.BytesIO()
        np.save(buffer, values)
        return [buffer.getvalue()]
    return [("\t".join(NAMES) + "\n" + "\n".join(rows) + "\n").encode()]


def _written(item: Any) -> bytes:
    buffer = io.BytesIO()
    item.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def mutated(seed: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Apply (kind, place, value) edits: change, insert, delete, cut, repeat, a special number."""
    data = bytearray(seed)
    for kind, place, value in changes:
        if not data:
            break
        at = place % len(data)
        if kind == 0:
            data[at] = value & 0xFF
        elif kind == 1:
            data[at:at] = bytes([value & 0xFF]) * (1 + value % 9)
        elif kind == 2:
            del data[at : at + 1 + value % 33]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            data[at:at] = data[at : at + value % 65]
        else:
            special = SPECIAL[value % len(SPECIAL)]
            data[at : at + len(special)] = special
    return bytes(data[:MAXIMUM_BYTES])


SPECIAL = (
    *(struct.pack("<f", v) for v in (math.nan, math.inf, -math.inf, 0.0, 1e38, -1.0, 1e-45)),
    *(struct.pack("<h", v) for v in (0, -1, 1, 32767, -32768)),
    *(struct.pack("<i", v) for v in (0, -1, 2147483647, -2147483648)),
    struct.pack("<d", math.nan), b"n/a", b"inf", b"-1e999", b"\0", b"\t", b"\n", b'"', b"US", b"UL",
    b"SQ", b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0",
)  # fmt: skip
