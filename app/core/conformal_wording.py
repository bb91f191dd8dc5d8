"""Words for the conformal set, the second line below a probability and its interval."""

from __future__ import annotations

from app.core.results import ConformalSet, Outcome, Prediction
from app.core.wording import of_hundred, percent, shows_number

NO_CONFORMAL_SET = (
    "Second check (conformal set): none; the model's card holds no calibration scores for one."
)
# What a set leaves open, never a class that it names: a set of one class is no verdict either.
_MEANINGS = {
    "{R}": "compatible with a response, and unusual without one",
    "{NR}": "compatible with no response, and unusual with one",
    "{both}": "compatible with a response and with none: it tells nothing more",
    "{}": "unusual with a response and without one: it tells nothing more",
}


def set_name(found: ConformalSet) -> str:
    """ "{R}", "{NR}", "{both}" or "{}"."""
    if found.responder:
        return "{both}" if found.non_responder else "{R}"
    return "{NR}" if found.non_responder else "{}"


def conformal_text(prediction: Prediction) -> str:
    """The set, its nominal level, and what its calibration allows; "" without a number."""
    if not shows_number(prediction):
        return ""
    found = prediction.conformal
    if found is None:
        return NO_CONFORMAL_SET
    low, high = (of_hundred(share).removesuffix(" of 100") for share in found.coverage_range)
    return (
        f"Second check (conformal set, {percent(found.level)} level): scores like this are "
        f"{_MEANINGS[set_name(found)]}. {_no_verdict(prediction)} "
        f"{found.calibration_people} calibration participants in the smaller class allow a true "
        f"coverage of {low} to {high} of 100 (95 % range)."
    )


def _no_verdict(prediction: Prediction) -> str:
    """That the set decides nothing, whatever it holds, and what stands instead."""
    if prediction.outcome is Outcome.INCONCLUSIVE:
        return "Not a verdict: the answer stays inconclusive, as its interval says."
    return "Not a verdict: it names no class for this participant."
