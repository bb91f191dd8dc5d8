"""What a share of the log-odds is relative to: the card's bars and the two maps differ in it.

The same input can have a positive bar on the card and a negative map: the bar compares it with
the mean training participant, map (a) with a series of zeros, map (b) with typical series.
"""

from __future__ import annotations

import numpy as np

from app.core import wording
from app.core.results import Attribution

SHARES_REFERENCE = (
    "Relative to the mean training participant. Maps start elsewhere: their sums and signs can "
    "differ."
)
SHARES_BRIEF = "relative to the mean training participant"  # where maps and references follow
_SHARES_DIFFER = (
    "The card's bars are relative to the mean training participant: sums and signs can differ."
)
_PARTS = {  # overlay -> (letter, what of the map)
    "scan": ("(b)", "whole scan"),
    "branches": ("(a)", "each branch"),
    "series": ("(a)", "time series part"),
    "connectivity": ("(a)", "connectivity part"),
    "scan_series": ("(b)", "time series part"),
}


def reference_of(attribution: Attribution, letter: str, baseline: str = "") -> str:
    """What map "(a)" or "(b)" is relative to; `baseline`: another one that (b) is drawn from."""
    if letter == "(b)" and baseline:
        return baseline
    own, _, drawn = attribution.reference.partition("; ")
    return drawn or own if letter == "(b)" else own


def map_reference_text(
    attribution: Attribution,
    overlay: str,
    baseline: str = "",
    frames: tuple[int, int] | None = None,
) -> str:
    """Sum and reference of the map that an overlay shows; "" for an overlay that is none.

    Such as "(a) time series part: sum −6.63 log-odds relative to zero series. …"; with `frames`,
    first and last of those that a map of the time series is of, the sum is theirs.
    """
    if overlay not in _PARTS:
        return ""
    letter, name = _PARTS[overlay]
    branch = attribution.scan if letter == "(b)" else attribution.branches
    series = float(np.nansum(branch.per_parcel_series))
    pairs = 0.5 * float(np.nansum(branch.per_connection))
    total = {"time series part": series, "connectivity part": pairs}.get(name, series + pairs)
    told = f"sum {wording.signed(total)} log-odds"
    if frames is not None and name == "time series part":
        first, last = frames
        part = float(np.nansum(branch.per_parcel_frame[:, first : last + 1]))
        told = f"sum {wording.signed(part)} log-odds of these frames ({told} of all)"
    return (
        f"{letter} {name}: {told} relative to "
        f"{reference_of(attribution, letter, baseline)}. {_SHARES_DIFFER}"
    )


def references_text(attribution: Attribution) -> str:
    """What both maps and the card's bars are relative to, for a page."""
    return (
        f"(a) is relative to {reference_of(attribution, '(a)')}, (b) to "
        f"{reference_of(attribution, '(b)')}. {_SHARES_DIFFER}"
    )
