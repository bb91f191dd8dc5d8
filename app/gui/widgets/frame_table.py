"""What is known of each frame: in words for one, as a table for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.core.results import MOTION_COLUMNS, Case
from app.gui.widgets.tables import Cell, Table
from app.preprocessing.carpet import running_tsnr

_TRACES = (
    ("framewise_displacement", "FD, mm"),
    ("std_dvars", "std. DVARS"),
    ("dvars", "DVARS"),
)


def frame_words(case: Case, frame: int, by_hand: Sequence[int]) -> str:
    """What is known of a frame, with the base of the count; "" beside the run.

    `by_hand` are volumes of the file.
    """
    signals = case.signals
    if signals is None or not 0 <= frame < len(signals.good_frames):
        return ""
    volume = frame + signals.first_frame
    parts = [
        f"volume {volume} in the file (first = 0)",
        f"{volume * signals.repetition_time_s:.1f} s",
    ]
    for key, label, unit in (
        ("framewise_displacement", "FD", " mm"),
        ("std_dvars", "DVARS", ""),
    ):
        if key in signals.confounds:
            value = float(signals.confounds[key][frame])
            parts.append(f"{label} {value:.2f}{unit}" if np.isfinite(value) else f"{label} –")
    good = np.asarray(signals.good_frames)
    if volume in by_hand:
        parts.append("left out by hand: not used for connectivity")
    else:
        parts.append("used" if good[frame] else "flagged: not used for connectivity")
    unused = ~good
    unused |= np.isin(np.arange(good.size) + signals.first_frame, by_hand)  # at once
    if unused.any():
        parts.append(f"{int(unused.sum())} not used in all")
    return "  ·  ".join(parts)


_WORST = {
    "mean_fd_power_mm": "framewise_displacement",
    "mean_fd_jenkinson_mm": "framewise_displacement",
    "fd_over_0_2_mm_percent": "framewise_displacement",
    "mean_std_dvars": "std_dvars",
}


def telling_frame(case: Case, metric: str, after: int) -> int | None:
    """The frame that a quality measure is about; None where it is about no single one.

    The largest displacement or DVARS; for what counts frames, the next unused one after `after`,
    and round to the first.
    """
    signals = case.signals
    if signals is None:
        return None
    trace = signals.confounds.get(_WORST.get(metric, ""))
    if trace is not None and np.isfinite(trace).any():
        return int(np.nanargmax(np.asarray(trace, dtype=float)))
    unused = np.flatnonzero(~np.asarray(signals.good_frames))
    if metric == "uncertain_frames" and case.motion is not None:
        unused = np.array(case.motion.uncertain_frames, dtype=int) - signals.first_frame
        unused = unused[(unused >= 0) & (unused < len(signals.good_frames))]
    elif metric not in ("flagged_percent", "usable_time_s"):
        return None
    if not unused.size:
        return None
    later = unused[unused > after]
    return int(later[0] if later.size else unused[0])


def frame_table(case: Case, by_hand: Sequence[int]) -> Table:
    """One row a frame: volume in the file, time, motion, traces, and whether it is used."""
    signals = case.signals
    assert signals is not None
    count, first = len(signals.good_frames), signals.first_frame
    volumes = first + np.arange(count)
    columns: dict[str, Sequence[Cell]] = {
        "volume (first = 0)": volumes.tolist(),
        "time, s": (volumes * signals.repetition_time_s).tolist(),
    }
    if case.motion is not None:
        parameters = np.asarray(case.motion.parameters)
        start = first if len(parameters) > count else 0
        for column, name in enumerate(MOTION_COLUMNS):
            unit = "mm" if name.startswith("trans") else "rad"
            columns[f"{name}, {unit}"] = parameters[start : start + count, column].tolist()
    for key, label in _TRACES:
        if key in signals.confounds:
            columns[label] = np.asarray(signals.confounds[key], dtype=float).tolist()
    columns["tSNR over 11 volumes"] = running_tsnr(np.asarray(signals.raw)).tolist()
    columns["used"] = [
        "left out by hand" if volume in by_hand else "yes" if good else "flagged"
        for volume, good in zip(volumes.tolist(), signals.good_frames, strict=True)
    ]
    return Table(tuple(columns), list(zip(*columns.values(), strict=True)))
