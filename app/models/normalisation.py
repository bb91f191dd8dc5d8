"""The named ways of bringing a scan's parcel series to the scale that an encoder was trained on.

A normalisation is part of what a model is: there is no default. Each is one entry of
`NORMALISATIONS`. Robust scaling is ``(x - mean - median) / IQR`` per parcel; released converters
that divide the median by the IQR through operator precedence are not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.models.parcel_statistics import ParcelStatistics

# UK Biobank BOLD units: they mean nothing at another scale of intensity.
GLOBAL_SD = 41.44047
PERCENTILE_99 = 111.13143061224855

PERCENT_SCALED = "percent_scaled"  # the demonstration's: percent of the parcel mean / a constant

Array = TypeVar("Array", bound=Any)  # a numpy array or a torch tensor
Function = Callable[[Floats, ParcelStatistics | None], Floats]


@dataclass(frozen=True, slots=True)
class Normalisation:
    """One way, and what it needs."""

    name: str
    definition: str  # for people
    apply: Function  # (frame, parcel) of one whole scan -> the same shape
    centred: bool  # 0 is a parcel's middle, so a missing parcel may be 0 where that is allowed
    statistics: tuple[str, ...] = ()  # columns of the table that it needs
    note: str = ""  # what a user must know


def _raw(series: Floats, _table: ParcelStatistics | None) -> Floats:
    return series


def demeaned(series: Array) -> Array:
    """(frame, parcel) minus each parcel's mean over the scan; of an array or a tensor."""
    centred: Array = series - series.mean(0)
    return centred


def robust_scaled(series: Array, median: Array, spread: Array) -> Array:
    """``(x - mean - median) / IQR`` per parcel; of arrays or of tensors with gradients."""
    scaled: Array = (demeaned(series) - median) / spread
    return scaled


def _over(divisor: float) -> Function:
    return lambda series, _table: np.asarray(demeaned(series) / divisor)


def _minmax_scan(series: Floats, _table: ParcelStatistics | None) -> Floats:
    return _between(series, series.min(), series.max())


def _minmax_scan_parcel(series: Floats, _table: ParcelStatistics | None) -> Floats:
    return _between(series, series.min(axis=0), series.max(axis=0))


def _minmax_all(series: Floats, table: ParcelStatistics | None) -> Floats:
    low, high = _needed(table).need("minimum", "maximum")
    return _between(series, low.min(), high.max())


def _minmax_parcel_all(series: Floats, table: ParcelStatistics | None) -> Floats:
    low, high = _needed(table).need("minimum", "maximum")
    return _between(series, low, high)


def _between(series: Floats, low: Floats | float, high: Floats | float) -> Floats:
    return np.asarray((series - low) / (np.asarray(high) - low))


def _robust(series: Floats, table: ParcelStatistics | None) -> Floats:
    median, spread = _needed(table).need("median", "iqr")
    return np.asarray(robust_scaled(series, median, spread))


def _robust_clipped(series: Floats, table: ParcelStatistics | None) -> Floats:
    low, high = _needed(table).need("p01", "p99")
    return np.asarray(np.clip(_robust(series, table), low, high))


def _robust_scan(series: Floats, _table: ParcelStatistics | None) -> Floats:
    centred = np.asarray(demeaned(series))
    low, median, high = np.percentile(centred, [25, 50, 75], axis=0)
    flat = int(np.count_nonzero(~(high > low)))
    if flat:
        raise ModelError(
            f"{flat} parcels have no spread between their quartiles, so 'robust_scan' cannot "
            "scale them.",
            "Leave such parcels out as missing (n/a), or choose another normalisation.",
            code="model.normalisation",
        )
    return np.asarray((centred - median) / (high - low))


def _needed(table: ParcelStatistics | None) -> ParcelStatistics:
    if table is None:
        raise ModelError(
            "This normalisation needs a table of parcel statistics.",
            "Give one with --statistics; none is shipped, because none was published.",
            code="model.statistics",
        )
    return table


_ROBUST = ("median", "iqr")
_RANGE = ("minimum", "maximum")
_UNITS = "Constants in UK Biobank BOLD units: meaningful only for series of that scale."
_SUPPLIED = "Population statistics are not published; the table must be supplied."

NORMALISATIONS: tuple[Normalisation, ...] = (
    Normalisation("raw", "parcel means as they are", _raw, False,
                  note="Out of distribution for an encoder trained on scaled series."),
    Normalisation("demean", "minus the parcel's mean over the scan", _over(1.0), True),
    Normalisation("demean_gsd", f"demean / {GLOBAL_SD} (global SD)", _over(GLOBAL_SD), True,
                  note=_UNITS),
    Normalisation("demean_p99", f"demean / {PERCENTILE_99} (99th percentile)",
                  _over(PERCENTILE_99), True, note=_UNITS),
    Normalisation("minmax_all", "0..1 over everything", _minmax_all, False, _RANGE),
    Normalisation("minmax_scan", "0..1 over the scan", _minmax_scan, False),
    Normalisation("minmax_scan_parcel", "0..1 over each parcel of the scan", _minmax_scan_parcel,
                  False),
    Normalisation("minmax_parcel_all", "0..1 over each parcel of all scans", _minmax_parcel_all,
                  False, _RANGE),
    Normalisation("robust_pop", "(demean - population median) / population IQR, per parcel",
                  _robust, True, _ROBUST, _SUPPLIED),
    Normalisation("robust_pop_clip", "robust_pop, clipped per parcel to its 1st..99th percentile",
                  _robust_clipped, True, (*_ROBUST, "p01", "p99"), _SUPPLIED),
    Normalisation("robust_cohort", "as robust_pop with statistics of the training fold", _robust,
                  True, _ROBUST),
    Normalisation("robust_scan", "(demean - median) / IQR of the scan itself, per parcel",
                  _robust_scan, True,
                  note="Differences of amplitude between people and parcels are lost."),
)  # fmt: skip


def find_normalisation(name: str) -> Normalisation:
    """The entry of that name.

    Raises
    ------
    ModelError
        ``model.normalisation``.
    """
    for entry in NORMALISATIONS:
        if entry.name == name:
            return entry
    raise ModelError(
        f"Unknown normalisation '{name[:40]}'." if name else "No normalisation was chosen.",
        "It is part of what the encoder was trained on, so there is no default. Choose one of: "
        f"{', '.join(entry.name for entry in NORMALISATIONS)}.",
        code="model.normalisation",
    )
