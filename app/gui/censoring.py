"""Frames left out by hand: connectivity and gates follow at once, the number waits for a run.

What the user left out stands in the view state (`review.censored`, volumes in the file). As long
as it differs from what the case was made with, the session shows an edited case: its number and
its explanation are gone, because they rest on other frames, and undo brings the case back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.core.arrays import Bools
from app.core.errors import AppError
from app.core.frames import frames_text
from app.gui.jobs import Reader
from app.gui.open_case import OpenCase
from app.gui.session import Session

_KEPT = 8  # edited cases that undo and redo find ready


def censor(session: Session, frames: Iterable[int], *, back: bool = False) -> None:
    """Leave out more frames of the case, or take them back: one entry of the history.

    `frames` are indices into the case's frames.
    """
    signals = session.case.case.signals if session.case is not None else None
    if signals is None:
        return
    now = set(session.state.review.censored)
    inside = {f + signals.first_frame for f in frames if 0 <= f < len(signals.good_frames)}
    then = now - inside if back else now | inside
    words = frames_text(sorted(inside))
    verb = "Take back" if back else "Leave out"
    session.change(f"{verb} volumes {words}", "review", censored=tuple(sorted(then)))


def toggle_censored(session: Session, first: int, last: int) -> None:
    """Leave out a range of frames, or take it back where all of it is left out by hand."""
    signals = session.case.case.signals if session.case is not None else None
    if signals is None:
        return
    frames = range(max(first, 0), min(last, len(signals.good_frames) - 1) + 1)
    by_hand = set(session.state.review.censored)
    back = all(frame + signals.first_frame in by_hand for frame in frames)
    censor(session, frames, back=back)


def take_back(session: Session) -> None:
    """Leave out what the case was made without, and nothing else."""
    opened = session.case
    if opened is not None:
        original = opened.original or opened
        session.change("Take all edited frames back", "review", censored=original.left_out)


def rows_by_hand(session: Session) -> Bools:
    """(frame,) True where a frame of the case is left out by hand."""
    signals = session.case.case.signals if session.case is not None else None
    if signals is None:
        return np.zeros(0, dtype=bool)
    volumes = signals.first_frame + np.arange(len(signals.good_frames))
    return np.isin(volumes, session.state.review.censored)


def censored_words(opened: OpenCase) -> str:
    """Why an edited case has no number, in one sentence."""
    prediction = opened.original.case.prediction if opened.original is not None else None
    if prediction is None:
        return "Connectivity and gates follow."
    return "The number is hidden until a new run; connectivity and gates follow."


def is_behind(opened: OpenCase) -> bool:
    """Whether connectivity and gates of an edited case still are those of the frames before."""
    original = opened.original
    return original is not None and opened.case.signals is original.case.signals


def _stale_words(frames: tuple[int, ...]) -> str:
    told = f"volumes {frames_text(frames)}" if frames else "no volumes"
    return (
        f"Stale: the frames were edited after the number was computed ({told} left out by hand). "
        "Run the analysis again, or undo"
    )


def warm_up() -> None:
    """In a thread: import what the first edit needs, which takes longer than computing it."""

    import app.analysis.censoring  # noqa: F401


class Censoring(QObject):
    """Keeps the session's case in step with the frames that the user leaves out."""

    computed = Signal()  # connectivity and gates stand for the frames that are left out now
    failed = Signal(object)  # AppError

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.reader = Reader(self)
        self.busy = False
        self._ready: dict[tuple[int, ...], OpenCase] = {}  # of `_of`
        self._of: OpenCase | None = None
        session.review_changed.connect(self._follow)
        session.case_changed.connect(self._case_changed)

    def close(self) -> None:
        """Wait for the thread."""
        self.reader.close()

    def _case_changed(self) -> None:
        opened = self.session.case
        if opened is None:
            self._forget(None)
        elif not opened.is_edited and opened is not self._of:
            self._forget(opened)
            self._follow()

    def _forget(self, opened: OpenCase | None) -> None:
        self.reader.forget()
        self._ready.clear()
        self._of, self.busy = opened, False

    def _follow(self) -> None:
        opened = self.session.case
        if opened is None or opened.case.signals is None:
            return
        original = opened.original or opened
        frames = self.session.state.review.censored
        if set(frames) == set(original.left_out):
            self.reader.forget()
            self.busy = False
            if opened is not original:
                self.session.exchange_case(original)
                self.computed.emit()
            return
        ready = self._ready.get(frames)
        if ready is not None:
            self._show(ready)
            return
        if not opened.is_edited:  # the number goes at once, what takes its place in a moment
            hidden = original.edited(original.case, _stale_words(frames))
            self.session.exchange_case(hidden)
        self.busy = True
        self.reader.read(
            "frames", lambda: _edited(original, frames), lambda found: self._tell(frames, found)
        )

    def _tell(self, frames: tuple[int, ...], found: OpenCase | AppError) -> None:
        self.busy = False
        if isinstance(found, AppError):
            self.failed.emit(found)
            return
        while len(self._ready) >= _KEPT:
            del self._ready[next(iter(self._ready))]
        self._ready[frames] = found
        self._show(found)

    def _show(self, found: OpenCase) -> None:
        self.busy = False
        self.session.exchange_case(found)
        self.computed.emit()


def _edited(original: OpenCase, frames: tuple[int, ...]) -> OpenCase:
    """In the thread: the case as a run without these frames would measure it."""
    from app.analysis.censoring import recensored

    found = recensored(original.case, frames)
    case = replace(
        original.case, signals=found.signals, connectome=found.connectome, quality=found.quality
    )
    return original.edited(case, _stale_words(frames))
