"""Parcel time series of others: TSV, CSV or NPY, and what their names and sidecars state.

The order of parcels is proven by names or refused; which axis is time is never guessed. What a
file does not state (repetition time, cleaning, motion) stays unknown here.
"""

from __future__ import annotations

import math
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.arrays import Bools, Floats, frozen
from app.core.number_tables import MAXIMUM_TABLE_BYTES, read_numbers
from app.core.provenance import file_sha256
from app.core.results import Finding, Severity
from app.core.sidecars import stated_repetition_time_s
from app.scans.bids import entities_of, read_sidecar_checked
from app.scans.faults import Fault
from app.scans.header import MINIMUM_VOLUMES
from app.scans.spool import regular_size
from app.scans.timing import LIMITS_S

ENDINGS = (".tsv", ".csv", ".npy")
# What numpy's own reader of headers may raise on damaged ones.
_NUMPY_FAULTS = (
    ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError,
)  # fmt: skip
_SERIES_SUFFIXES = ("timeseries", "bold")
_NUMBERED = re.compile(r"(?:parcel|roi|region|label|node)?[ _-]?(\d{1,5})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParcelSeries:
    """Series in the atlas's own parcel order; NaN columns for parcels that the file lacks."""

    sha256: str
    atlas: str
    values: Floats  # (frame, parcel)
    present: Bools  # (parcel,)
    repetition_time_s: float
    repetition_time_source: str  # "user" or "sidecar"
    facts: Mapping[str, Any]  # the sidecar's plain values
    stated_quality: Mapping[str, float]  # its "QualityMetrics": name -> value
    findings: tuple[Finding, ...]


def looks_like_series(path: Path) -> bool:
    """Whether a file's name promises parcel series: its ending, and no other known table."""
    name = path.name.lower()
    if not name.endswith(ENDINGS):
        return False
    entities = entities_of(path.stem)
    if name.endswith(".npy"):
        return True
    if entities.get("desc") == "confounds" or name == "participants.tsv":
        return False
    if "sub" in entities and "suffix" in entities:
        return entities["suffix"] in _SERIES_SUFFIXES
    return True


def atlas_of(path: Path) -> str:
    """Atlas that the name states (``atlas-`` or the older ``seg-``); "" without."""
    entities = entities_of(path.stem)
    return entities.get("atlas", entities.get("seg", ""))


def read_parcel_series(
    path: Path,
    parcel_names: Mapping[str, Sequence[str]],
    *,
    atlas: str = "",
    stated_repetition_time_s: float | None = None,
) -> ParcelSeries:
    """Read parcel series and bring them into the atlas's order.

    Parameters
    ----------
    path
        ``.tsv``, ``.csv`` (a column a parcel) or ``.npy`` (two axes).
    parcel_names
        Atlas name -> its parcels' names in order, of every atlas that is installed.
    atlas
        What the user states; "" = what name or sidecar state.
    stated_repetition_time_s
        What the user states; wins over the sidecar.

    Raises
    ------
    ScanError
        ``series.…``: no atlas, unknown parcels, an axis that could be either, no repetition time.
    """
    sidecar, findings = read_sidecar_checked(path)
    wanted = atlas or atlas_of(path) or str(sidecar.get("Atlas", ""))
    names = _names_of(wanted, parcel_names)
    if path.name.lower().endswith(".npy"):
        header: tuple[str, ...] = ()
        values = _oriented(_read_npy(path), len(names))
    else:
        table = read_numbers(path, what="table of parcel series")
        header, values = _without_index(table.header, table.values)
    found = next(name for name in parcel_names if name.lower() == wanted.lower())
    columns, more = _columns(header, values.shape[1], names, found)
    ordered = np.full((len(values), len(names)), np.nan)
    ordered[:, columns] = values
    present = np.isfinite(ordered).any(axis=0)
    seconds, source = _repetition_time(sidecar, stated_repetition_time_s)
    _check_values(ordered, present)
    if not present.all():
        missing = int((~present).sum())
        more.append(
            Finding(
                "series.parcels_missing",
                Severity.WARNING,
                f"{missing} of {len(names)} parcels have no values.",
            )
        )
    plain = {key: value for key, value in sidecar.items() if isinstance(value, str | int | float)}
    return ParcelSeries(
        sha256=file_sha256(path),
        atlas=found,
        values=frozen(ordered),
        present=frozen(np.asarray(present, np.bool_)),
        repetition_time_s=seconds,
        repetition_time_source=source,
        facts=plain,
        stated_quality=_stated_quality(sidecar),
        findings=(*findings, *more),
    )


def _stated_quality(sidecar: Mapping[str, Any]) -> dict[str, float]:
    stated = sidecar.get("QualityMetrics")
    if not isinstance(stated, dict):
        return {}
    return {
        str(name): float(value)
        for name, value in stated.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _names_of(wanted: str, parcel_names: Mapping[str, Sequence[str]]) -> Sequence[str]:
    known = ", ".join(parcel_names)
    if not wanted:
        raise Fault(
            "series.no_atlas",
            "Neither the file's name nor its sidecar says of which atlas the parcels are.",
            f"Put it into the name (…_atlas-NAME_timeseries.tsv) or state it (--atlas): {known}.",
        ).error()
    for name, names in parcel_names.items():
        if name.lower() == wanted.lower():
            return names
    raise Fault(
        "series.unknown_atlas",
        f"The atlas of the series ({wanted[:32]}) is not installed.",
        f"Installed: {known}.",
    ).error()


def _read_npy(path: Path) -> NDArray[np.float64]:
    """A two-dimensional array of numbers; nothing is unpickled, nothing allocated by claim."""
    size = regular_size(path)
    if size > MAXIMUM_TABLE_BYTES:
        raise Fault("series.too_large", "The array is far too large for parcel series.").error()
    try:
        with path.open("rb") as handle:
            version = np.lib.format.read_magic(handle)  # type: ignore[no-untyped-call]
            if version == (1, 0):
                shape, fortran, kind = np.lib.format.read_array_header_1_0(handle)  # type: ignore[no-untyped-call]
            elif version == (2, 0):
                shape, fortran, kind = np.lib.format.read_array_header_2_0(handle)  # type: ignore[no-untyped-call]
            else:
                raise ValueError("version")
            if kind.hasobject or kind.kind not in "iuf" or len(shape) != 2:
                raise Fault(
                    "series.array",
                    f"The array has {len(shape)} axes of type {kind.kind!r}; two of numbers are "
                    "needed.",
                ).error()
            if math.prod(shape) * kind.itemsize != size - handle.tell() or 0 in shape:
                raise ValueError("size")
            flat = np.frombuffer(handle.read(), kind)
    except OSError:
        raise Fault("scan.unreadable", "The file cannot be read.").error() from None
    except _NUMPY_FAULTS:
        raise Fault("series.damaged", "The file is no intact array.").error() from None
    return np.asarray(flat.reshape(shape, order="F" if fortran else "C"), np.float64)


def _oriented(values: NDArray[np.float64], parcels: int) -> NDArray[np.float64]:
    """(frame, parcel): the axis as long as the atlas has parcels is the parcels'."""
    fits = [length == parcels for length in values.shape]
    if fits == [False, True]:
        return values
    if fits == [True, False]:
        return values.T
    if all(fits):
        words = "both axes are as long as the atlas has parcels, so time cannot be told from them"
    else:
        words = (
            f"no axis of {values.shape[0]} x {values.shape[1]} has the atlas's {parcels} parcels"
        )
    raise Fault("series.shape", f"In the array {words}.",
                "Use a TSV with the parcels' names as header.").error()  # fmt: skip


def _without_index(
    header: tuple[str, ...], values: NDArray[np.float64]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Drop a first column without a name that counts the rows (pandas writes it).

    A first row that counts the columns is a header of numbers.
    """
    if not header and np.array_equal(values[0], np.arange(1, values.shape[1] + 1)):
        return tuple(str(number) for number in range(1, values.shape[1] + 1)), values[1:]
    if header and header[0] == "" and len(header) > 1:
        counted = np.arange(len(values))
        if np.array_equal(values[:, 0], counted) or np.array_equal(values[:, 0], counted + 1):
            return header[1:], values[:, 1:]
    return header, values


def _columns(
    header: tuple[str, ...], width: int, names: Sequence[str], atlas: str
) -> tuple[list[int], list[Finding]]:
    """Parcel index of each column, proven by names, or by count where there are no names."""
    if not header:
        if width != len(names):
            raise Fault(
                "series.shape",
                f"The table has {width} columns without names; {atlas} has {len(names)} parcels.",
                "Give the columns the parcels' names.",
            ).error()
        return list(range(width)), [_by_position(atlas)]
    place = {name: index for index, name in enumerate(names)}
    if all(name in place for name in header):
        columns = [place[name] for name in header]
        if columns == sorted(columns):
            return columns, []
        return columns, [
            Finding(
                "series.reordered",
                Severity.NOTE,
                "The columns stood in another order than the atlas's; they were put in order by "
                "their names.",
            )
        ]
    numbers = [int(match[1]) for name in header if (match := _NUMBERED.fullmatch(name))]
    if len(numbers) == len(header) and sorted(numbers) == list(range(1, len(names) + 1)):
        return [number - 1 for number in numbers], [_by_position(atlas)]
    strange = [name for name in header if name not in place]
    raise Fault(
        "series.unknown_parcels",
        f"{len(strange)} columns are not parcels of {atlas} (the first: {strange[0][:40]}).",
        "Check the atlas, or name the columns as the atlas does.",
    ).error()


def _by_position(atlas: str) -> Finding:
    return Finding(
        "series.order_by_position",
        Severity.BLOCKING,
        f"The parcels have no names: their order is taken to be that of {atlas}, which nothing "
        "proves.",
        "Use a table with the parcels' names as header; no number is given without.",
    )


def _repetition_time(sidecar: Mapping[str, Any], stated_s: float | None) -> tuple[float, str]:
    value, source = stated_s, "user"
    if value is None:
        value, source = stated_repetition_time_s(sidecar), "sidecar"
    low, high = LIMITS_S
    if value is None:
        raise Fault("scan.tr_missing", "No repetition time is stated for the series.",
                    "State it when opening the file.").error()  # fmt: skip
    if not (math.isfinite(value) and low <= value <= high):
        raise Fault("scan.tr_out_of_range", f"The repetition time is {value:g} s; {low:g} to "
                    f"{high:g} s are possible.", "Give seconds.").error()  # fmt: skip
    return value, source


def _check_values(values: NDArray[np.float64], present: NDArray[Any]) -> None:
    if np.isinf(values).any():
        raise Fault("series.not_finite", "The series hold infinite values.").error()
    if len(values) < MINIMUM_VOLUMES:
        raise Fault("scan.too_few_volumes", f"The series have {len(values)} frames; at least "
                    f"{MINIMUM_VOLUMES} are needed.").error()  # fmt: skip
    if present.sum() < 2:
        raise Fault("series.empty", "The series hold no values.").error()
    holes = int(np.isnan(values[:, present]).sum())
    if holes:
        raise Fault("series.holes", f"{holes} values are missing inside the series.",
                    "Leave out a parcel as a whole, or fill its values.").error()  # fmt: skip
    if not np.ptp(values[:, present], axis=0).all():
        flat = int((np.ptp(values[:, present], axis=0) == 0).sum())
        raise Fault("series.constant", f"{flat} parcels never change.",
                    "Leave parcels without signal empty (n/a).").error()  # fmt: skip
