"""Time series of parcels, voxels and masks over the volumes of the file; nothing here draws.

A trace is named by its key: "parcel:<n>" (0-based, atlas order), "voxel:<i>,<j>,<k>" (of the
scan's own grid) or "mask:<sha256>" (the mean inside a mask on that grid).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from app.core.arrays import Floats, Ints
from app.core.errors import AppError
from app.core.results import CleanSignals
from app.gui.open_case import OpenCase
from app.gui.opened_maps import OpenedMap
from app.gui.session import Session, voxel_of
from app.gui.view_state import Plots
from app.study.files import replace_file, storage_errors
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


def current_key(session: Session, *, native: bool = False) -> str:
    """The trace that follows the selection: parcel or voxel; "" where there is none.

    The voxel is the one under the template's crosshair, or with `native` under the scan's own.
    """
    if native or session.case is None or session.state.plots.trace == "voxel":
        voxel = _voxel_here(session, native=native)
        return "" if voxel is None else voxel_key(voxel)
    return "" if session.parcel is None else parcel_key(session.parcel)


def _voxel_here(session: Session, *, native: bool) -> tuple[int, int, int] | None:
    volumes, opened = session.volumes, session.case
    if volumes is None:
        return None
    mm = session.native_mm
    if opened is not None and not native:
        moved = opened.scanner_point(session.crosshair_mm)
        if moved is None:
            return None
        mm = moved
    voxel = voxel_of(np.asarray(volumes.affine), mm)
    inside = zip(voxel, volumes.stored.shape[:3], strict=True)
    return voxel if all(0 <= index < size for index, size in inside) else None


def hold(session: Session, *, native: bool = False) -> None:
    """Keep the trace that follows the selection, or let it go where it is kept already."""
    key = current_key(session, native=native)
    if key:
        hold_key(session, key)


def hold_key(session: Session, key: str) -> None:
    """Keep a trace, or let it go where it is kept already."""
    held = session.state.plots.held
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
    volumes = session.volumes
    if volumes is None:
        return None
    if any(not 0 <= i < n for i, n in zip(voxel, volumes.stored.shape[:3], strict=True)):
        return None
    values = np.asarray(volumes.series(voxel), dtype=np.float64)
    name = f"voxel {voxel[0]},{voxel[1]},{voxel[2]}"
    return Trace(key, name, values, np.arange(len(values), dtype=float), None, _first(session))


def mask_key(session: Session) -> str:
    """The trace of the mask in the uppermost visible layer that holds one; "" without."""
    for layer in reversed(session.state.slices.layers):
        opened = session.maps.find(layer.source)
        if layer.visible and opened is not None and opened.kind == "mask":
            return f"mask:{opened.sha256}"
    return ""


def _mask(session: Session, key: str, sha256: str) -> Trace | None:
    """The mean inside a mask, once `mask_values` was computed and kept by `keep_mask`."""
    values = _MASKS.get(session, {}).get(_mask_id(session, key))
    opened = session.maps.find(f"file:{sha256}")
    if values is None or opened is None:
        return None
    volumes = np.arange(len(values), dtype=float)
    return Trace(key, f"mask {opened.name}", values, volumes, None, _first(session))


def mask_missing(session: Session, key: str) -> bool:
    """Whether a mask's mean can be computed and was not yet."""
    there = session.volumes is not None and key.startswith("mask:")
    there = there and session.maps.find(f"file:{key.removeprefix('mask:')}") is not None
    return there and _mask_id(session, key) not in _MASKS.get(session, {})


def mask_work(session: Session, key: str) -> Callable[[], Floats]:
    """The computation for a thread: it reads all volumes. What it needs is taken now."""
    volumes, opened = session.volumes, session.maps.find(f"file:{key.removeprefix('mask:')}")
    case = session.case
    assert volumes is not None
    assert opened is not None
    voxels = _mask_voxels(opened, case, volumes.stored.shape[:3], np.asarray(volumes.affine))

    def work() -> Floats:
        if not voxels.size:
            return np.full(volumes.count, np.nan)
        where = tuple(voxels.T)
        means = [
            float(np.asarray(volumes.stored[..., v])[where].mean()) for v in range(volumes.count)
        ]
        made: Floats = np.array(means) * volumes.slope + volumes.intercept
        return made

    return work


def keep_mask(session: Session, key: str, values: Floats) -> None:
    """Keep what `mask_work` gave as long as the session lives."""
    _MASKS.setdefault(session, {})[_mask_id(session, key)] = values


_MASKS: WeakKeyDictionary[Session, dict[str, Floats]] = WeakKeyDictionary()


def _mask_id(session: Session, key: str) -> str:
    return f"{key} of {session.scan_sha256}"


def _mask_voxels(
    opened: OpenedMap, case: OpenCase | None, shape: tuple[int, ...], affine: Floats
) -> Ints:
    """(voxel, 3) voxels of the scan inside a mask, each once."""
    none = np.zeros((0, 3), dtype=int)
    if opened.values is None:
        return none
    inside = np.argwhere(np.asarray(opened.values) > 0)
    if opened.space == "scanner":
        return inside if opened.values.shape == shape else none
    if case is None or case.view.affine is None:
        return none
    grid = np.asarray(case.view.affine)
    points = inside @ grid[:3, :3].T + grid[:3, 3]
    moved = [case.scanner_point((x, y, z)) for x, y, z in points.tolist()]
    found = [voxel_of(affine, mm) for mm in moved if mm is not None]
    voxels = np.unique(np.array(found, dtype=int).reshape(-1, 3), axis=0)
    kept: Ints = voxels[((voxels >= 0) & (voxels < np.array(shape))).all(axis=1)]
    return kept


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


def drawn_points(trace: Trace, plots: Plots, seconds: float) -> dict[str, tuple[Floats, Floats]]:
    """ "raw" and "cleaned" -> frames (or Hz) and values, as the view's state wants them drawn."""
    raw = percent_change(trace.raw) if plots.percent else trace.raw
    series = {"raw": raw} | ({} if trace.cleaned is None else {"cleaned": trace.cleaned})
    if plots.series == "spectrum":
        return {name: spectrum(values, seconds) for name, values in series.items()}
    frames = np.arange(len(raw), dtype=float)
    across = {"raw": trace.volumes - trace.first_frame, "cleaned": frames}
    return {name: (across[name][: len(values)], values) for name, values in series.items()}


def axis_words(signals: CleanSignals | None, plots: Plots) -> str:
    """What the axis below the traces counts."""
    if plots.series == "spectrum":
        return "Frequency, Hz"
    unused = 0 if signals is None else int((~np.asarray(signals.good_frames)).sum())
    return "Volume in the file (first = 0)" + f"; {unused} not used" * bool(unused)


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


def save_traces(path: Path, traces: Sequence[Trace], seconds: float) -> str:
    """Write `traces_tsv`, whole or not at all; says how it went."""
    try:
        with storage_errors():
            replace_file(path, traces_tsv(traces, seconds))
    except AppError as error:
        return f"{error.message} {error.hint}".strip()
    return f"Time series exported: {len(traces)}."


def drawn_rows(
    drawn: Mapping[str, tuple[Floats, Floats]], first_frame: int | None
) -> tuple[tuple[str, ...], list[tuple[int | float, ...]]]:
    """Names of columns, and one row for each place of what is drawn.

    Parameters
    ----------
    drawn
        Name -> places along the axis and values there.
    first_frame
        Volume in the file of frame 0; None where the places are frequencies.
    """
    grid = np.unique(np.concatenate([across for across, _ in drawn.values()]))
    made = np.full((len(grid), len(drawn)), np.nan)
    for column, (across, up) in enumerate(drawn.values()):
        made[np.searchsorted(grid, across), column] = up
    head = "frequency, Hz" if first_frame is None else "volume"
    rows: list[tuple[int | float, ...]] = [
        (float(at) if first_frame is None else int(at) + first_frame, *values)
        for at, values in zip(grid.tolist(), made.tolist(), strict=True)
    ]
    return (head, *drawn), rows


def _over(volumes: Ints, own: Floats | Ints, values: Floats) -> Floats:
    made = np.full(len(volumes), np.nan)
    made[np.asarray(own, dtype=int) - int(volumes[0])] = values
    return made
