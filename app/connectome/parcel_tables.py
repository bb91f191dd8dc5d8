"""Parcel series that come as files: a table with one row a frame, or an npz of many scans."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.errors import ScanError
from app.core.number_tables import read_numbers
from app.core.provenance import file_sha256
from app.core.sidecars import stated_repetition_time_s

MAX_TABLE_BYTES = 512 << 20
MAX_ARRAY_BYTES = 8 << 30
_ATLAS = re.compile(r"(?:^|_)(?:atlas|seg)-(?P<name>[A-Za-z0-9]+)(?:_|\.|$)")


_TABLE_HINT = (
    "One row a frame, one column a parcel, parcel names in the first line, 'n/a' for parcels that "
    "were not measured."
)


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """Parcel series of one or more scans, as a file states them."""

    series: Floats  # (scan, frame, parcel); NaN where a parcel was not measured
    coordinates_mm: Floats | None  # (scan, parcel, 3) where the file brings them
    parcel_names: tuple[str, ...]  # empty where the file has none
    atlas: str  # "" where neither file nor name states it
    repetition_time_s: float | None
    sha256: str
    unknown_keys: tuple[str, ...] = ()  # of an npz; they were not read


def read_series(path: Path) -> SeriesFile:
    """Read a ``.tsv`` (header = parcel names, one row a frame) or a ``.npz``.

    The npz holds ``signals`` (scan, parcel, frame) and ``xyz`` (scan, parcel, 3) or (parcel, 3) in
    MNI mm; optional are ``repetition_time_s``, ``atlas`` and ``parcel_names``. The repetition time
    of a table is taken from a JSON beside it (``RepetitionTime`` or ``SamplingFrequency``), the
    atlas from ``atlas-<name>`` in its name.

    Raises
    ------
    ScanError
        ``series.missing``, ``.kind``, ``.too_large``, ``.table`` or ``.arrays``.
    """
    if not path.is_file():
        raise ScanError(
            "There is no such file of parcel series.", "Check the spelling.", code="series.missing"
        )
    if path.suffix == ".tsv":
        return _read_table(path)
    if path.suffix == ".npz":
        return _read_arrays(path)
    raise ScanError(
        f"Files ending in '{path.suffix[:10]}' are not read as parcel series.",
        "Give a .tsv with one row a frame, or an .npz with `signals` and `xyz`.",
        code="series.kind",
    )


def read_coordinates(path: Path, parcel_names: tuple[str, ...] = ()) -> Floats:
    """Parcel centres, (parcel, 3) MNI mm, from a text table.

    A row is ``x y z`` or ``label x y z``, apart by tabs, commas or blanks; one header line may
    name them. Labels are compared with `parcel_names` when they are no numbers, and must count
    1, 2, 3, … when they are.

    Raises
    ------
    ScanError
        ``series.coordinates``.
    """
    if not path.is_file() or path.stat().st_size > MAX_TABLE_BYTES:
        raise _bad_places("there is no such file, or it is far too large")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise _bad_places("it is no text") from error
    rows = [re.split(r"[\t, ]+", line.strip()) for line in lines if line.strip()]
    if rows and not _numbers(rows[0][-3:]):
        if [word.casefold() for word in rows[0][-3:]] != ["x", "y", "z"]:
            raise _bad_places("its last three columns are not called x, y, z")
        rows = rows[1:]
    if not rows or any(len(row) != len(rows[0]) or len(row) not in (3, 4) for row in rows):
        raise _bad_places("not every row is 'x y z' or 'label x y z'")
    if not all(_numbers(row[-3:]) for row in rows):
        raise _bad_places("a coordinate is no number")
    labels = [row[0] for row in rows] if len(rows[0]) == 4 else []
    if labels and all(label.isdigit() for label in labels):
        if [int(label) for label in labels] != list(range(1, len(rows) + 1)):
            raise _bad_places("its numbers do not run 1, 2, 3, …")
    elif labels and parcel_names and tuple(labels) != parcel_names:
        raise _bad_places("its labels are not the parcels of the series in their order")
    return frozen([[float(word) for word in row[-3:]] for row in rows], np.float64)


def _read_table(path: Path) -> SeriesFile:
    try:
        found = read_numbers(path, what="table of parcel series")
    except ScanError as error:
        raise ScanError(error.message, _TABLE_HINT, code="series.table") from None
    names, values = found.header, found.values
    if not names:
        raise _bad_table("its first line holds numbers instead of parcel names")
    if "" in names:
        raise _bad_table("a parcel name is empty")
    atlas = _ATLAS.search(path.name)
    return SeriesFile(
        frozen(values[None]),
        None,
        names,
        atlas["name"] if atlas else "",
        _repetition_time_s(path.with_suffix(".json")),
        file_sha256(path),
    )


def _repetition_time_s(sidecar: Path) -> float | None:
    """Repetition time of a table's own JSON; None where it has none that is a number."""
    try:
        if not sidecar.is_file() or sidecar.stat().st_size > 1 << 20:
            return None
        values = json.loads(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return stated_repetition_time_s(values) if isinstance(values, dict) else None


def _read_arrays(path: Path) -> SeriesFile:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_ARRAY_BYTES:
                raise _too_large(MAX_ARRAY_BYTES)
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in KEYS if name in arrays.files}
            unknown = tuple(name for name in arrays.files if name not in KEYS)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as e:
        raise _bad_arrays("it cannot be read as plain arrays") from e
    signals, xyz = found.get("signals"), found.get("xyz")
    if signals is None or signals.ndim != 3 or signals.dtype.kind not in "fiu":
        raise _bad_arrays("`signals` is not there as numbers (scan, parcel, frame)")
    scans, parcels, _frames = signals.shape
    if not signals.size:
        raise _bad_arrays("`signals` is empty")
    if xyz is None or xyz.dtype.kind not in "fiu" or xyz.shape not in (
        (parcels, 3), (scans, parcels, 3),
    ):  # fmt: skip
        raise _bad_arrays(f"`xyz` is not there as ({scans}, {parcels}, 3) or ({parcels}, 3)")
    if np.isinf(signals).any():
        raise _bad_arrays("a value of `signals` is infinite")
    names = found.get("parcel_names")
    if names is not None and names.shape != (parcels,):
        raise _bad_arrays("`parcel_names` does not name every parcel")
    interval = found.get("repetition_time_s")
    if interval is not None and (interval.size != 1 or interval.dtype.kind not in "fiu"):
        raise _bad_arrays("`repetition_time_s` is not one number")
    return SeriesFile(
        frozen(signals.transpose(0, 2, 1), np.float64),
        frozen(np.broadcast_to(xyz, (scans, parcels, 3)), np.float64),
        () if names is None else tuple(str(name) for name in names),
        str(found["atlas"]) if "atlas" in found else "",
        None if interval is None else float(interval.reshape(())),
        file_sha256(path),
        unknown,
    )


KEYS = ("signals", "xyz", "repetition_time_s", "atlas", "parcel_names")


def _numbers(words: list[str]) -> bool:
    try:
        return bool(words) and all(np.isfinite(float(word)) for word in words)
    except ValueError:
        return False


def _bad_table(what: str) -> ScanError:
    return ScanError(
        f"The table of parcel series cannot be used: {what}.",
        _TABLE_HINT,
        code="series.table",
    )


def _bad_arrays(what: str) -> ScanError:
    return ScanError(
        f"The npz of parcel series cannot be used: {what}.",
        "It needs `signals` (scan, parcel, frame) and `xyz` (parcel, 3) in MNI mm.",
        code="series.arrays",
    )


def _bad_places(what: str) -> ScanError:
    return ScanError(
        f"The file of parcel coordinates cannot be used: {what}.",
        "One row a parcel in the order of the series: x y z, or label x y z, in MNI mm.",
        code="series.coordinates",
    )


def _too_large(limit: int) -> ScanError:
    return ScanError(
        f"The file holds more than {limit >> 20} MB of numbers.",
        "Encode fewer scans at a time.",
        code="series.too_large",
    )
