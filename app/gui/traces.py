"""Time series of parcels, voxels and masks over the volumes of the file; nothing here draws.

A trace is named by its key: "parcel:<n>" (0-based, atlas order), "voxel:<i>,<j>,<k>" (of the
scan's own grid) or "mask:<sha256>" (the mean inside a mask on that grid).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.arrays import Floats, Ints
from app.gui.session import Session, voxel_of
from app.study.tables import table

MOST_HELD = 6


@dataclass(frozen=True, slots=True)
class Trace:
    """One time series; `raw` may begin before the first frame of the case."""

    key: str
    name: str
    raw: Floats  # (volume,), scanner units, of `volumes`
    volumes: Floats  # (volume,), in the file, first = 0
    cleaned: Floats | None  # (frame,), percent or scanner units; None for voxels
    first_frame: int  # volume in the file of `cleaned`'s first row


def parcel_key(parcel: int) -> str:
    """Name of a parcel's trace."""
    return f"parcel:{parcel}"


def voxel_key(voxel: tuple[int, int, int]) -> str:
    """Name of a voxel's trace."""
    return "voxel:" + ",".join(str(index) for index in voxel)


def current_key(session: Session) -> str:
    """The trace that follows the selection: parcel or voxel; "" where there is none."""
    if session.case is None or session.state.plots.trace == "voxel":
        volumes = _volumes(session)
        if volumes is not None:
            voxel = voxel_of(np.asarray(volumes.affine), session.native_mm)
            inside = zip(voxel, volumes.stored.shape[:3], strict=True)
            if all(0 <= index < size for index, size in inside):
                return voxel_key(voxel)
        return ""
    return "" if session.parcel is None else parcel_key(session.parcel)


def hold(session: Session) -> None:
    """Keep the trace that follows the selection, or let it go where it is kept already."""
    key, held = current_key(session), session.state.plots.held
    if not key:
        return
    if key in held:
        kept = tuple(other for other in held if other != key)
        session.change("Let a trace go", "plots", held=kept)
    else:
        session.change("Hold a trace", "plots", held=(*held, key)[-MOST_HELD:])


def trace_of(session: Session, key: str) -> Trace | None:
    """The values behind a key; None where they are not there (any more)."""
    kind, _, what = key.partition(":")
    try:
        if kind == "parcel":
            return _parcel(session, key, int(what))
        if kind == "voxel":
            i, j, k = (int(index) for index in what.split(","))
            return _voxel(session, key, (i, j, k))
    except ValueError:
        return None
    return _mask(session, key, what) if kind == "mask" else None


def _parcel(session: Session, key: str, parcel: int) -> Trace | None:
    signals = session.case.case.signals if session.case is not None else None
    if signals is None or not 0 <= parcel < len(signals.parcel_names):
        return None
    raw = np.asarray(signals.raw[:, parcel], dtype=np.float64)
    return Trace(
        key,
        signals.parcel_names[parcel].replace("_", " "),
        raw,
        signals.first_frame + np.arange(len(raw), dtype=float),
        np.asarray(signals.cleaned[:, parcel], dtype=np.float64),
        signals.first_frame,
    )


def _voxel(session: Session, key: str, voxel: tuple[int, int, int]) -> Trace | None:
    volumes = _volumes(session)
    if volumes is None:
        return None
    if any(not 0 <= i < n for i, n in zip(voxel, volumes.stored.shape[:3], strict=True)):
        return None
    values = np.asarray(volumes.series(voxel), dtype=np.float64)
    name = f"voxel {voxel[0]},{voxel[1]},{voxel[2]}"
    return Trace(key, name, values, np.arange(len(values), dtype=float), None, _first(session))


def _mask(session: Session, key: str, sha256: str) -> Trace | None:
    volumes, maps = _volumes(session), getattr(session, "maps", None)
    opened = maps.find(f"file:{sha256}") if maps is not None else None
    if volumes is None or opened is None or opened.values is None:
        return None
    inside = np.asarray(opened.values) > 0
    if opened.space != "scanner" or inside.shape != volumes.stored.shape[:3] or not inside.any():
        return None
    stored = np.array(
        [np.asarray(volumes.stored[..., v])[inside].mean() for v in range(volumes.count)]
    )
    values = stored.astype(np.float64) * volumes.slope + volumes.intercept
    name = f"mask {opened.name}"
    return Trace(key, name, values, np.arange(len(values), dtype=float), None, _first(session))


def _volumes(session: Session) -> Any:
    return getattr(session, "volumes", None)


def _first(session: Session) -> int:
    signals = session.case.case.signals if session.case is not None else None
    return 0 if signals is None else signals.first_frame


def repetition_time_s(session: Session) -> float:
    """Seconds between volumes of what is open."""
    if session.case is not None:
        return session.case.case.scan.repetition_time_s
    return session.preview.scan.repetition_time_s if session.preview is not None else 1.0


def percent_change(values: Floats) -> Floats:
    """Percent of the mean over time; NaN where the mean is 0."""
    mean = float(np.nanmean(values)) if np.isfinite(values).any() else 0.0
    if mean == 0.0:
        return np.full(np.shape(values), np.nan)
    changed: Floats = 100.0 * (np.asarray(values, dtype=np.float64) / mean - 1.0)
    return changed


def spectrum(values: Floats, seconds: float) -> tuple[Floats, Floats]:
    """One-sided amplitude over frequency in Hz, without the mean.

    A Hann window keeps slow drifts from leaking; amplitudes are corrected for it, so a sine of
    amplitude A on a bin shows A. NaN counts as the mean.
    """
    series = np.asarray(values, dtype=np.float64)
    centred = (
        np.nan_to_num(series - np.nanmean(series)) if np.isfinite(series).any() else series * 0
    )
    window = np.hanning(series.size)
    amplitude = 2.0 * np.abs(np.fft.rfft(centred * window)) / max(float(window.sum()), 1e-12)
    return np.fft.rfftfreq(series.size, seconds), np.asarray(amplitude)


def traces_tsv(traces: Sequence[Trace], seconds: float) -> bytes:
    """One row a volume of the file: volume, time in s, and each trace as it is stored.

    Raw values are in scanner units whatever is shown; ``n/a`` where a trace has no value.
    """
    first = int(min((trace.volumes[0] for trace in traces), default=0))
    last = int(max((trace.volumes[-1] for trace in traces), default=-1))
    volumes = np.arange(first, last + 1)
    header, columns = ["volume", "time_s"], [volumes, volumes * seconds]
    for trace in traces:
        header.append(f"{trace.name}, raw")
        columns.append(_over(volumes, trace.volumes, trace.raw))
        if trace.cleaned is not None:
            rows = trace.first_frame + np.arange(len(trace.cleaned))
            header.append(f"{trace.name}, cleaned")
            columns.append(_over(volumes, rows, trace.cleaned))
    return table(tuple(header), *columns)


def _over(volumes: Ints, own: Floats | Ints, values: Floats) -> Floats:
    made = np.full(len(volumes), np.nan)
    made[np.asarray(own, dtype=int) - int(volumes[0])] = values
    return made
