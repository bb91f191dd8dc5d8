"""What a model must beat before a bundle of it may show an individual number.

Covariate-only models are fitted for this wherever covariates are known, whatever rivals the plan
names: a plan that leaves them out must not free its model from having to beat them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.cohort.learn.contender import AnyModel, Contender, LinearContender
from app.cohort.learn.contenders import COVARIATE_RIVALS, NEEDS, SHORT_NAMES, Workshop
from app.cohort.learn.evaluate import Evaluation
from app.core.errors import AppError

GATE_RIVALS = ("age", "motion", "baseline-pain", "covariates")
NOT_PLANNED = "for the gate, not in the plan"
NO_COVARIATE = "none: no covariate was known"
NOT_JUDGED = "none judged, though covariates were known"


def gate_rivals(contenders: Sequence[Contender], workshop: Workshop) -> list[Contender]:
    """Covariate-only models that the cohort can feed and the plan leaves out, labelled so.

    The single covariates and all of them together; they cost seconds, and they are no deviation,
    as nothing that was planned is changed by them.
    """
    there, found = {one.id for one in contenders}, list[Contender]()
    for name in GATE_RIVALS:
        if name in there:
            continue
        try:
            one = workshop.contender(name)
        except AppError as error:
            if error.code != "cohort.model":
                raise
            continue  # nobody has this covariate
        if isinstance(one, LinearContender | AnyModel):
            one = replace(one, label=f"{one.label} ({NOT_PLANNED})")
        found.append(one)
    return found


def fitted_for_gate(evaluation: Evaluation) -> list[str]:
    """Ids of the covariate-only models that were judged without being planned."""
    planned = {SHORT_NAMES.get(name, name) for name in evaluation.cohort.plan.models.names}
    return [name for name in evaluation.models if name in COVARIATE_RIVALS and name not in planned]


def unjudged_covariates(evaluation: Evaluation) -> list[str]:
    """Covariates that are known of the cohort and stand in no rival that was judged."""
    rivals = [one for one in evaluation.models if one != evaluation.headline.id]
    if "covariates" in rivals:
        return []
    judged = {column for name in rivals for column in NEEDS.get(name, ())}
    return [name for name in evaluation.cohort.covariate_names if name not in judged]
