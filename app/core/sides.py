"""Left and right of an image whose header does not say how it lies: nothing may name a side."""

from __future__ import annotations

import re
from dataclasses import replace

from app.core.results import Case

# What stands where the display convention stands otherwise, and its meaning as one sentence part.
ORIENTATION_UNKNOWN = "Orientation unknown"
UNKNOWN_MEANING = "left and right cannot be told"
UNKNOWN_SENTENCE = f"{ORIENTATION_UNKNOWN.lower()}: {UNKNOWN_MEANING}"
UNKNOWN = "?"  # hemisphere and letter
_WORDS = {"L": "left", "R": "right", UNKNOWN: "side unknown"}
_MARK = re.compile(r"^(?:L|R|LH|RH|Left|Right)_|_(?:L|R|LH|RH|Left|Right)$|(?<=_)(?:LH|RH)_")


def side_word(hemisphere: str) -> str:
    """ "left", "right", "side unknown" or "midline"."""
    return _WORDS.get(hemisphere, "midline")


def without_side(name: str) -> str:
    """An atlas name without its mark of a hemisphere: "V1_L" and "L_V1" are "V1"."""
    return _MARK.sub("", name)


def without_unknown_sides(case: Case) -> Case:
    """The case to show: where orientation is unknown, no parcel has a left or right.

    For views, reports and tables for people; the case itself keeps the atlas's names and
    hemispheres, by which parcels are found. Parcels of the midline stay what they are.
    """
    signals = case.signals
    if case.scan.orientation_known or signals is None:
        return case
    sided = [side in ("L", "R") for side in signals.hemispheres]
    names = tuple(
        without_side(name) if one else name
        for name, one in zip(signals.parcel_names, sided, strict=True)
    )
    sides = tuple(
        UNKNOWN if one else side for side, one in zip(signals.hemispheres, sided, strict=True)
    )
    return replace(case, signals=replace(signals, parcel_names=names, hemispheres=sides))
