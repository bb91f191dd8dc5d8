"""What the user decided about this scan: frames, inclusion, notes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Annotation:
    """A note on a place or a frame; never a name."""

    text: str
    crosshair_mm: tuple[float, float, float] | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """The user's own edits; what they change is computed anew, the case stays as it was written.

    Frames that the recipe flags stay flagged: a hand can only leave out more, or a gate could be
    talked into passing.
    """

    censored: tuple[int, ...] = ()  # left out by hand, sorted: volumes in the file, first = 0
    included: bool = True
    annotations: tuple[Annotation, ...] = ()
    comment: str = ""  # for the participant summary; never a name
