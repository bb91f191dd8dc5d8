"""What a model must beat before a bundle of it may show an individual number.

Covariate-only models are fitted for this wherever covariates are known, whatever rivals the plan
names: a plan that leaves them out must not free its model from having to beat them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.cohort.learn.comparison import (
    corrected_test,
    differences_by_fold,
    paired_difference,
    possible_difference,
    test_share_of,
    wider_of,
)
from app.cohort.learn.contender import AnyModel, Contender, LinearContender
from app.cohort.learn.contenders import COVARIATE_RIVALS, NEEDS, SHORT_NAMES, Workshop
from app.cohort.learn.evaluate import Evaluation, ModelScores
from app.cohort.learn.figures import Scores, value_of
from app.core.arrays import Ints
from app.core.errors import AppError
from app.core.wording import signed

GATE_RIVALS = ("age", "motion", "baseline-pain", "covariates")
NOT_PLANNED = "for the gate, not in the plan"
NO_COVARIATE = "none: no covariate was known"
NULL_AUROC = 0.5
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


def gained(
    evaluation: Evaluation, other: ModelScores | None, draws: Ints
) -> tuple[float | None, list[float] | None]:
    """AUROC that the headline gains over another, which counts at least as 0.5; with an interval.

    None for `other` is whoever ranks nobody. The interval is the wider of the bootstrap over
    persons and the corrected repeated-CV test on either side, cut at what can be gained, which is
    0.5 at most.
    """
    headline, labels = evaluation.headline, evaluation.cohort.labels
    splits, cutoff = evaluation.splits, evaluation.cohort.plan.protocol.cutoff
    constant = np.zeros_like(headline.scores.log_odds)
    nobody = replace(headline, scores=Scores(constant, np.full_like(constant, 0.5), None))
    other = other or nobody
    found = paired_difference("auroc", headline, other, labels, draws, cutoff, least=NULL_AUROC)
    if not value_of("auroc", other.scores, labels, cutoff) >= NULL_AUROC:
        other = nobody
    differences = differences_by_fold("auroc", headline, other, labels, splits, cutoff)
    tested = corrected_test(differences, test_share_of(splits))
    possible = possible_difference("auroc", other, labels, draws, cutoff, least=NULL_AUROC)
    return found["difference"], wider_of(found["interval"], tested, possible)


def withheld_reasons(evaluation: Evaluation, figures: dict[str, Any], draws: Ints) -> list[str]:
    """What forbids an individual number beside a gain and a p: whole sentences, [] for nothing.

    Parameters
    ----------
    figures
        With ``gain_over_covariates``, ``permutation`` and ``deviations``.
    """
    found = []
    rival = str(figures["gain_over_covariates"]["rival"])
    if rival.startswith(NOT_JUDGED):
        found.append(f"Covariate-only rivals: {rival}; no gain over them can be claimed.")
    planned = evaluation.cohort.plan.protocol.permutations
    if planned and not figures["permutation"]:
        reason = next(
            (str(one["reason"]) for one in figures["deviations"]
             if one["what"] == "protocol.permutations"), ""
        )  # fmt: skip
        found.append(
            f"The permutation test that was planned was impossible, which is not the same as "
            f"passed. {reason}".strip()
        )
    return found + _site_reasons(evaluation, draws)


def _site_reasons(evaluation: Evaluation, draws: Ints) -> list[str]:
    labels, sites = evaluation.cohort.labels, np.asarray(evaluation.cohort.sites)
    names = np.unique(sites)
    if len(names) < 2:
        return []
    if all(labels[sites == name].mean() in (0.0, 1.0) for name in names):
        return ["Each site has one class only: the label cannot be told from the site."]
    alone = site_alone(evaluation)
    area = value_of("auroc", alone.scores, labels, 0.5)
    if not area > NULL_AUROC:
        return []
    difference, interval = gained(evaluation, alone, draws)
    if difference is not None and interval is not None and interval[0] > 0.0:
        return []
    words = (
        ""
        if interval is None
        else f", 95 % interval {signed(interval[0])} to {signed(interval[1])}"
    )
    by = "" if difference is None else f" (difference {signed(difference)}{words})"
    return [
        f"The site alone ranks the label with an AUROC of {area:.2f}; the model is not shown to "
        f"do better{by}."
    ]


def site_alone(evaluation: Evaluation) -> ModelScores:
    """A model that knows nothing but the response rate of each site among the training people.

    Rates are drawn towards the rate of all by one person, so that a site of few people is not
    certain; a site that training lacks has the rate of all.
    """
    labels, sites = evaluation.cohort.labels, evaluation.cohort.sites
    log_odds = np.full_like(evaluation.headline.scores.log_odds, np.nan)
    for fold in evaluation.splits:
        base = float(labels[fold.training].mean())
        people = Counter(sites[row] for row in fold.training)
        responders = Counter(sites[row] for row in fold.training if labels[row])
        for row in fold.test:
            rate = (responders[sites[row]] + base) / (people[sites[row]] + 1.0)
            log_odds[fold.repeat, row] = np.log(rate / (1.0 - rate))
    probability = 1.0 / (1.0 + np.exp(-log_odds))
    scores = Scores(log_odds, probability, evaluation.fold_of)
    return replace(evaluation.headline, id="site", label="Site alone", scores=scores)
