"""Statistics per parcel that a normalisation needs, with their origin; never shipped.

Population statistics of the published encoders are not public. A table that a user has (or that
was fitted on a training fold) is read here and checked; its hash goes into every result.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Floats, frozen
from app.core.errors import ModelError
from app.core.provenance import file_sha256

COLUMNS = ("median", "iqr", "p01", "p99", "minimum", "maximum")
MAX_TABLE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ParcelStatistics:
    """One value a parcel of each known statistic.

    `median` and `iqr` are of series from which each scan's own parcel mean was taken; `p01` and
    `p99` of the values after division by the IQR; `minimum` and `maximum` of the series as they
    are.
    """

    columns: dict[str, Floats]  # name of `COLUMNS` -> (parcel,)
    origin: str  # where they come from, for people
    sha256: str  # of the file, "" where there is none

    def need(self, *names: str) -> tuple[Floats, ...]:
        """These columns.

        Raises
        ------
        ModelError
            ``model.statistics`` naming the first that is missing.
        """
        for name in names:
            if name not in self.columns:
                raise _fault(f"it has no column '{name}'")
        return tuple(self.columns[name] for name in names)


def read_statistics(path: Path, parcel_names: Sequence[str], count: int) -> ParcelStatistics:
    """Read a tab-separated table: one row a parcel in model order, a column a statistic.

    Parameters
    ----------
    path
        Header with `COLUMNS`, as many as there are; a first column ``parcel`` holds names or
        numbers. Further columns are ignored.
    parcel_names
        Names that the column ``parcel`` must repeat in this order; empty = not compared.
    count
        Parcels that are needed.

    Raises
    ------
    ModelError
        ``model.statistics``: missing, another size or order, no numbers, no spread.
    """
    if not path.is_file():
        raise _fault("there is no such file")
    if path.stat().st_size > MAX_TABLE_BYTES:
        raise _fault(f"it has more than {MAX_TABLE_BYTES} bytes")
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = list(csv.DictReader(handle, delimiter="\t", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _fault("it is no tab-separated text") from error
    if len(rows) != count:
        raise _fault(f"it has {len(rows)} rows for {count} parcels")
    found = {name: _column(rows, name) for name in COLUMNS if name in rows[0]}
    if not found:
        raise _fault(f"it has none of the columns {', '.join(COLUMNS)}")
    names = [str(row.get("parcel") or "") for row in rows]
    if parcel_names and "parcel" in rows[0] and not names[0].isdigit():
        wrong = next((i for i, name in enumerate(names) if name != parcel_names[i]), None)
        if wrong is not None:
            raise _fault(f"row {wrong + 1} is not the series' parcel {parcel_names[wrong]!a}")
    return checked(ParcelStatistics(found, "a table of the user", file_sha256(path)))


def fitted_statistics(series: Sequence[Floats]) -> ParcelStatistics:
    """Statistics over several people's whole series, for `robust_cohort`.

    Call it with the people of one training fold only.

    Parameters
    ----------
    series
        (frame, parcel) arrays, one a person; finite.
    """
    demeaned = demeaned_frames(series)
    low, median, high = quartiles(demeaned)
    # A parcel without spread is refused by name in `checked`, not by a warning here.
    spread = np.where(high > low, high - low, np.nan)
    robust = np.percentile((demeaned - median) / spread, [1, 99], axis=0)
    columns = {
        "median": median,
        "iqr": high - low,
        "p01": robust[0],
        "p99": robust[1],
        "minimum": np.min([np.min(one, axis=0) for one in series], axis=0),
        "maximum": np.max([np.max(one, axis=0) for one in series], axis=0),
    }
    return checked(ParcelStatistics(columns, f"fitted on {len(series)} training people", ""))


def demeaned_frames(series: Sequence[Floats]) -> Floats:
    """All frames of all people, (frame, parcel), each scan minus its own parcel means."""
    return np.concatenate(
        [np.asarray(one, np.float64) - np.mean(one, axis=0, dtype=np.float64) for one in series]
    )


def quartiles(frames: Floats) -> Floats:
    """(3, parcel): 25th, 50th and 75th percentile over the frames that are not NaN."""
    return np.asarray(np.nanpercentile(frames, [25, 50, 75], axis=0))


def checked(statistics: ParcelStatistics) -> ParcelStatistics:
    """Refuse values that cannot be statistics.

    Raises
    ------
    ModelError
        ``model.statistics`` naming the first parcel (counted from 1).
    """
    columns = statistics.columns
    for low, high in (("minimum", "maximum"), ("p01", "p99")):
        if low in columns and high in columns:
            _refuse_where(~(columns[high] > columns[low]), f"{high} is not above {low}")
    if "iqr" in columns:
        _refuse_where(~(columns["iqr"] > 0), "the interquartile range is not above 0")
    return ParcelStatistics(
        {name: frozen(values, np.float64) for name, values in columns.items()},
        statistics.origin,
        statistics.sha256,
    )


def _column(rows: list[dict[str, str]], name: str) -> Floats:
    try:
        values = np.array([float(row[name]) for row in rows])
    except (TypeError, ValueError) as error:
        raise _fault(f"the column '{name}' holds something that is no number") from error
    _refuse_where(~np.isfinite(values), f"the column '{name}' is not finite")
    return values


def _refuse_where(wrong: Floats | np.ndarray, what: str) -> None:
    places = np.flatnonzero(wrong)
    if places.size:
        raise _fault(f"{what} in parcel {int(places[0]) + 1}")


def _fault(what: str) -> ModelError:
    return ModelError(
        f"The table of parcel statistics cannot be used: {what}.",
        "It needs one row a parcel, in the order of the series, and columns of "
        f"{', '.join(COLUMNS)}.",
        code="model.statistics",
    )
