"""Progress and cancel: one object, asked at every step of long work.

A step is at once the place where progress is told and the place where a cancel takes hold,
so work that reports often also stops quickly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from app.core.errors import CancelledError

# Names of stages that need more than a capital to be words.
STAGE_WORDS = {
    "anatomy": "Registration through the T1 image",
    "explain": "Explanation",
    "health": "Explanation health",
    "open": "Open the scan",
    "predict": "Prediction",
    "reference": "Reference image",
    "sensitivity": "Sensitivity of the number",
    "template_run": "Run in the template",
}


def stage_words(name: str) -> str:
    """The name of a stage as people read it: "steady_state" is "Steady state"."""
    if name in STAGE_WORDS:
        return STAGE_WORDS[name]
    words = name.replace("_", " ") if name.isidentifier() else name
    return words[:1].upper() + words[1:]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """Where the work stands; what window and command line both show."""

    stage: str
    stage_index: int
    stage_count: int
    fraction: float  # of the whole work, 0..1
    message: str
    seconds_elapsed: float
    seconds_left: float | None  # None while nothing can be said yet


def _ignore(_event: ProgressEvent) -> None:
    return None


def _never() -> bool:
    return False


def _unheard(_name: str, _facts: Mapping[str, str]) -> None:
    return None


class Progress:
    """Reports stages and fractions, and raises `CancelledError` when a cancel was asked.

    Parameters
    ----------
    report
        Receives each `ProgressEvent`; called at most about ten times a second.
    cancelled
        Asked at each step; True ends the work with `CancelledError`.
    weights
        Expected share of each stage in the order in which they run, in any unit (seconds do).
    announce
        Receives what `announce` is told, such as a case folder that can already be shown.
    """

    def __init__(
        self,
        report: Callable[[ProgressEvent], None] = _ignore,
        cancelled: Callable[[], bool] = _never,
        weights: Mapping[str, float] | None = None,
        announce: Callable[[str, Mapping[str, str]], None] = _unheard,
    ) -> None:
        self._report = report
        self._cancelled = cancelled
        self._announce = announce
        self._weights = dict(weights or {})
        self._started = time.monotonic()
        self._last_report = 0.0
        self._done_weight = 0.0
        self._stage = ""
        self._stage_seconds: dict[str, float] = {}

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Wall-clock seconds spent in each finished stage."""
        return dict(self._stage_seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Run one named stage; its weight counts as done when the block ends."""
        self._stage = name
        began = time.monotonic()
        self._tell(0.0, "", force=True)
        yield
        self._tell(1.0, "", force=True)
        self._done_weight += self._weights.get(name, 1.0)
        self._stage_seconds[name] = time.monotonic() - began

    def announce(self, name: str, **facts: str) -> None:
        """Tell of something that is ready before the work is: ``case_updated``, case_folder=..."""
        self._announce(name, facts)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """State the expected shares once the work knows its own stages."""
        self._weights = dict(weights)

    def step(self, fraction: float, message: str = "") -> None:
        """Say how far the current stage is (0..1).

        Raises
        ------
        CancelledError
            When a cancel was asked.
        """
        self._tell(fraction, message, force=False)

    def _tell(self, fraction: float, message: str, *, force: bool) -> None:
        if self._cancelled():
            raise CancelledError(self._stage)
        now = time.monotonic()
        if not force and now - self._last_report < 0.1:
            return
        self._last_report = now
        total = sum(self._weights.values()) or 1.0
        share = self._weights.get(self._stage, 1.0)
        whole = min((self._done_weight + share * min(max(fraction, 0.0), 1.0)) / total, 1.0)
        elapsed = now - self._started
        left = elapsed * (1.0 - whole) / whole if whole > 0.02 else None
        names = list(self._weights)
        index = names.index(self._stage) if self._stage in names else 0
        self._report(
            ProgressEvent(self._stage, index, max(len(names), 1), whole, message, elapsed, left)
        )


class PartOfStage(Progress):
    """Hands the fractions of an inner piece of work on as a part of the outer one's stage.

    Parameters
    ----------
    outer
        Told, and asked for a cancel.
    begin, end
        Fractions of the stage between which the inner work lies.
    """

    def __init__(self, outer: Progress, begin: float, end: float) -> None:
        super().__init__()
        self._outer, self._begin, self._end = outer, begin, end

    def step(self, fraction: float, message: str = "") -> None:
        """Tell the outer progress.

        Raises
        ------
        CancelledError
            When a cancel was asked.
        """
        self._outer.step(self._begin + (self._end - self._begin) * fraction, message)
