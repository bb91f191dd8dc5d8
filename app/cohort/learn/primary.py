"""Which outcome is primary.

Change on a continuous scale keeps what a cut-off throws away, so it is primary wherever the
columns tell it; responder definitions are secondary. Individual numbers nevertheless come from
the responder model, and so does the gate that withholds them.
"""

from __future__ import annotations

from typing import Any

from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.primary_words import CONTINUOUS, RESPONDER


def primary_of(cohort: LabelledCohort) -> dict[str, Any]:
    """What was primary here, what the locked plan says, and in words."""
    planned, change = cohort.plan.primary, cohort.change
    done = planned if change is not None else RESPONDER
    definition = f"responder by '{cohort.plan.definition.text}'"
    if done == CONTINUOUS and change is not None:
        adjusted = cohort.outcome.baseline is not None
        words = f"{change[0]} ({cohort.plan.outcome.scale})" + (
            ", adjusted for the score before treatment"
            if adjusted
            else ", not adjusted: the plan names no column of the score before treatment"
        )
        return {"outcome": done, "planned": planned, "words": words, "secondary": definition}
    return {"outcome": done, "planned": planned, "words": definition, "secondary": ""}


def primary_deviations(cohort: LabelledCohort) -> list[Deviation]:
    """A responder definition in the place of a change that is told, or the reverse."""
    plan, change = cohort.plan, cohort.change
    if plan.primary == CONTINUOUS and change is None:
        return [
            Deviation("outcome.primary", CONTINUOUS, RESPONDER,
                      "the change is known of too few people, or not of these data sets together")
        ]  # fmt: skip
    if plan.primary == RESPONDER and plan.outcome.tells_change:
        return [
            Deviation("outcome.primary", "continuous by this program's protocol", RESPONDER,
                      "the plan names the responder definition although the columns tell the "
                      "change, of which a cut-off loses a part")
        ]  # fmt: skip
    return []
