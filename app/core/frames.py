"""Frames of a run in words and back: "40–45, 120", counted in the file from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from app.core.errors import AppError
from app.core.results import CleanSignals

_PART = re.compile(r"\s*(\d{1,6})\s*(?:[-\N{EN DASH}]\s*(\d{1,6})\s*)?")


def frames_text(frames: Iterable[int]) -> str:
    """Such as "40–45, 120": each run of frames by its ends."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ", ".join(
        str(first) if first == last else f"{first}\N{EN DASH}{last}" for first, last in runs
    )


def not_cleaned_text(signals: CleanSignals) -> str:
    """Why there are no clean series although frames were read; "" where there are some.

    Head motion, or what was left out by hand, can leave too few frames.
    """
    if np.isfinite(signals.cleaned).all(axis=0).any():
        return ""
    usable, frames = int(np.sum(signals.good_frames)), len(signals.good_frames)
    few = (
        f"The scan is short: {frames} frames, {usable} of them free of head motion"
        if usable > 0.5 * frames
        else f"Only {usable} of {frames} frames are free of head motion"
    )
    return f"{few}: too few to clean the series, so there are no clean series and no connectivity."


def frames_of_text(text: str) -> tuple[int, ...]:
    """The frames that words such as "40-45,120" name, sorted, each once; () for no words.

    Raises
    ------
    AppError
        ``frames.text``: a part is neither a number nor a range from low to high.
    """
    found: set[int] = set()
    for part in text.split(",") if text.strip() else ():
        match = _PART.fullmatch(part)
        first, last = (int(end or match[1]) for end in match.groups()) if match else (1, 0)
        if match is None or last < first:
            raise AppError(
                f"'{part.strip()}' names no frames.",
                "Write numbers and ranges of volumes in the file (first = 0), such as 40-45,120.",
                code="frames.text",
            )
        found.update(range(first, last + 1))
    return tuple(sorted(found))
