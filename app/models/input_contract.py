"""What an encoder may be fed: the contract, and windows made from a scan that keep it.

Never zero padding: a scan shorter than one window is refused, or mirrored in time where the
contract allows it, which is then said. Missing parcels are named, never filled in silence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats, Ints, frozen
from app.core.errors import ModelError
from app.models.features import window_starts
from app.models.normalisation import PERCENT_SCALED, find_normalisation
from app.models.parcel_statistics import ParcelStatistics
from app.models.repetition_time import (
    POLICIES,
    PRETRAINING_TR_S,
    check_repetition_time,
    resampled,
)

SHORT_SCANS = ("refuse", "reflect")
SHORT_TIME_S = 240.0  # below about this, features of resting state repeat poorly


@dataclass(frozen=True, slots=True)
class InputContract:
    """What a series must be and what is done to it before an encoder sees it."""

    parcel_count: int
    window_frames: int
    normalisation: str
    repetition_time_policy: str = "frames"
    short_scans: str = "refuse"
    maximum_missing_parcels: int = 0
    atlas: str = ""  # "" = not stated by the checkpoint
    repetition_time_s: float | None = None  # the only one that is accepted; None = any
    repetition_time_tolerance_s: float = 0.0
    scale_percent: float = 1.0  # of `percent_scaled`


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one scan as an encoder takes them."""

    values: Floats  # (window, parcel, frame) float32
    starts: tuple[int, ...]  # first frame of each, after resampling
    repetition_time_s: float | None  # of the frames in the windows
    frame_count: int  # of the scan after resampling
    missing: Ints  # parcel numbers that were not measured, from 0
    notes: tuple[str, ...]  # what a reader of the result must know


def windows_of(
    series: Floats,
    repetition_time_s: float | None,
    contract: InputContract,
    statistics: ParcelStatistics | None = None,
    parcel_names: tuple[str, ...] = (),
) -> Windows:
    """Windows over the whole scan: half overlapping, the last flush right.

    Parameters
    ----------
    series
        (frame, parcel) of one scan in model order, initial unsteady frames already left out.
        NaN in every frame, or no variation, marks a missing parcel.
    repetition_time_s
        None where it is not known, which only the policy "frames" accepts.
    contract, statistics
        What the encoder asks for; a table where the normalisation needs one.
    parcel_names
        For the notes; empty where they are not known: numbers from 1 stand for them.

    Raises
    ------
    ModelError
        ``model.parcels``, ``.missing_parcels``, ``.too_short``, ``.repetition_time``,
        ``.normalisation``, ``.statistics`` or ``.contract``.
    """
    values = np.asarray(series, np.float64)
    if values.ndim != 2 or values.shape[1] != contract.parcel_count:
        raise ModelError(
            f"The series has {values.shape[-1]} parcels; the encoder was made for "
            f"{contract.parcel_count}.",
            "Use the atlas that the encoder was trained on; parcels are never matched by number.",
            code="model.parcels",
        )
    notes: list[str] = []
    present, missing = _present(values, contract)
    if missing.size:
        notes.append(
            f"{missing.size} of {contract.parcel_count} parcels are missing and stand at the "
            f"middle of their scale (0): {_named(missing, parcel_names)}."
        )
    measured, interval_s = _on_time_axis(values[:, present], repetition_time_s, contract, notes)
    if interval_s is not None and len(measured) * interval_s < SHORT_TIME_S:
        notes.append(
            f"Only {len(measured) * interval_s / 60:.1f} minutes of scan; below about "
            f"{SHORT_TIME_S / 60:.0f} minutes features repeat poorly."
        )
    if len(measured) < contract.window_frames:
        measured = _mirrored(measured, contract, notes)
    whole = np.zeros((len(measured), contract.parcel_count), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # judged by its result, below
        whole[:, present] = _normalised(measured, contract, statistics, present)
    if not np.isfinite(whole).all():
        raise ModelError(
            "The normalised series holds values that are not finite in single precision.",
            "Check the series for impossible values, or choose another normalisation.",
            code="model.normalisation",
        )
    starts = window_starts(len(whole), contract.window_frames)
    cut = np.stack([whole[start : start + contract.window_frames].T for start in starts])
    return Windows(
        frozen(cut, np.float32), starts, interval_s, len(measured), missing, tuple(notes)
    )


def _named(places: Ints, names: tuple[str, ...]) -> str:
    """Up to three parcels by name, else by number from 1."""
    shown = [names[place] if names else f"number {place + 1}" for place in places[:3].tolist()]
    return ", ".join(shown) + (f" and {len(places) - 3} more" if len(places) > 3 else "")


def _present(values: Floats, contract: InputContract) -> tuple[np.ndarray, Ints]:
    finite = np.isfinite(values)
    partly = np.flatnonzero(finite.any(axis=0) & ~finite.all(axis=0))
    if partly.size:
        raise ModelError(
            f"Parcel {int(partly[0]) + 1} has frames without a value.",
            "A parcel must be measured in every frame or in none; frames are never filled.",
            code="model.missing_parcels",
        )
    present = finite.all(axis=0)
    present &= np.ptp(np.where(present, values, 0.0), axis=0) > 0
    missing = np.flatnonzero(~present)
    if missing.size > contract.maximum_missing_parcels:
        shown = ", ".join(str(int(place) + 1) for place in missing[:5])
        raise ModelError(
            f"{missing.size} parcels have no signal (first: number {shown}); at most "
            f"{contract.maximum_missing_parcels} may be missing.",
            "Check the field of view, or allow missing parcels with --max-missing; they are named "
            "in the result.",
            code="model.missing_parcels",
        )
    return present, missing


def _on_time_axis(
    values: Floats, repetition_time_s: float | None, contract: InputContract, notes: list[str]
) -> tuple[Floats, float | None]:
    policy = contract.repetition_time_policy
    if policy not in POLICIES:
        raise ModelError(
            f"Unknown policy for the repetition time: '{policy[:40]}'.",
            f"Choose one of: {', '.join(POLICIES)}.",
            code="model.contract",
        )
    wanted = contract.repetition_time_s
    if policy == "physical":
        known = check_repetition_time(repetition_time_s)
        notes.append(
            f"Resampled from {known:g} s to {PRETRAINING_TR_S:g} s a frame, band-limited; "
            "nothing above the scan's own Nyquist frequency is invented."
        )
        return resampled(values, known), PRETRAINING_TR_S
    if repetition_time_s is None and wanted is None:
        notes.append("The repetition time is not known; windows are counted in frames.")
        return values, None
    known = check_repetition_time(repetition_time_s)
    if wanted is not None and abs(known - wanted) > contract.repetition_time_tolerance_s:
        raise ModelError(
            f"The series has a repetition time of {known:g} s; the encoder takes {wanted:g} s.",
            "It was trained on that time axis and does not know the repetition time.",
            code="model.repetition_time",
        )
    return values, known


def _mirrored(values: Floats, contract: InputContract, notes: list[str]) -> Floats:
    """A scan shorter than one window, mirrored at its end until it fills one."""
    count, wanted = len(values), contract.window_frames
    if contract.short_scans not in SHORT_SCANS:
        raise ModelError(
            f"Unknown rule for short scans: '{contract.short_scans[:40]}'.",
            f"Choose one of: {', '.join(SHORT_SCANS)}.",
            code="model.contract",
        )
    if contract.short_scans == "refuse" or 2 * count - 1 < wanted:
        window_starts(count, wanted)  # raises
    notes.append(
        f"Only {count} of {wanted} frames: the last {wanted - count} are the scan mirrored in time."
    )
    return np.concatenate([values, values[-2::-1][: wanted - count]])


def _normalised(
    values: Floats,
    contract: InputContract,
    statistics: ParcelStatistics | None,
    present: np.ndarray,
) -> Floats:
    if contract.normalisation == PERCENT_SCALED:
        return np.asarray(values / contract.scale_percent)
    entry = find_normalisation(contract.normalisation)
    if not present.all() and not entry.centred:
        raise ModelError(
            f"Parcels are missing, and 0 is no neutral value under '{entry.name}'.",
            "Use a normalisation that centres each parcel, or a scan that covers all parcels.",
            code="model.missing_parcels",
        )
    if entry.statistics and statistics is not None:
        columns = {name: column[present] for name, column in statistics.columns.items()}
        statistics = ParcelStatistics(columns, statistics.origin, statistics.sha256)
    return entry.apply(values, statistics)
