"""What is drawn and written of time series, from their values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Floats, Ints
from app.core.errors import AppError
from app.core.results import CleanSignals
from app.gui.view_state import Plots
from app.study.files import replace_file, storage_errors
from app.study.tables import table


@dataclass(frozen=True, slots=True)
class Trace:
    """One time series; `raw` may begin before the first frame of the case."""

    key: str
    name: str
    raw: Floats  # (volume,), scanner units, of `volumes`
    volumes: Floats  # (volume,), in the file, first = 0
    cleaned: Floats | None  # (frame,), percent or scanner units; None for voxels
    first_frame: int  # volume in the file of `cleaned`'s first row
    moved: Floats | None = None  # (frame,), log-odds of the series map that is drawn, summed


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
    if trace.moved is not None:  # the model may have read fewer frames
        series["moved"] = trace.moved
        across["moved"] = np.arange(len(trace.moved), dtype=float)
    return {name: (across[name][: len(values)], values) for name, values in series.items()}


def spoken(traces: Sequence[Trace], volume: int) -> str:
    """Which traces are drawn, and their raw values at a volume of the file."""
    parts = []
    for trace in traces:
        at = np.flatnonzero(trace.volumes == volume)
        parts.append(trace.name + (f" {trace.raw[at[0]]:.6g}" if at.size else ""))
    return f"Time series at volume {volume} (first = 0): {', '.join(parts)}"


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
