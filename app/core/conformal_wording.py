"""Words for the conformal set, the second line below a probability and its interval."""

from __future__ import annotations

from app.core.results import ConformalSet, Prediction
from app.core.wording import of_hundred, percent, shows_number

NO_CONFORMAL_SET = "Conformal set: none; the model's card holds no calibration scores for one."
_MEANINGS = {
    "{R}": "this score is usual for responders only",
    "{NR}": "this score is usual for non-responders only",
    "{both}": "this score is usual for responders and for non-responders: it decides nothing",
    "{}": "this score is unusual for responders and for non-responders",
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
    name = set_name(found)
    low, high = (of_hundred(share).removesuffix(" of 100") for share in found.coverage_range)
    return (
        f"Conformal set at {percent(found.level)}: {name} \N{EN DASH} {_MEANINGS[name]}. "
        f"{found.calibration_people} calibration participants in the smaller class allow a true "
        f"coverage of {low} to {high} of 100 (95 % range)."
    )
