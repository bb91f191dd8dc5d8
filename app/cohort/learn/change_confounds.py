"""Could the model of the continuous outcome live on something else than the brain?

As `confounds` asks of the label: does a covariate go with the outcome (what the score before
treatment leaves of the improvement), does it go with the prediction, and what is left between
prediction and outcome once it is taken out of both (partial correlation).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from app.cohort.learn.confounds import (
    FEWEST,
    SIGNIFICANT,
    rank_correlation_of,
    site_differences,
    without_covariate,
)
from app.cohort.learn.continuous import Adjustment
from app.cohort.learn.evaluate import Evaluation
from app.core.arrays import Floats
from app.models.covariates import NAMES as COVARIATES


def change_confounds(evaluation: Evaluation) -> dict[str, Any] | None:
    """Checks of each covariate and of the site; None where no change is known or predicted."""
    cohort, predicted = evaluation.cohort, evaluation.headline.predicted
    if cohort.change is None or predicted is None:
        return None
    _, improvement = cohort.change
    baseline = cohort.outcome.baseline
    change = Adjustment.fit(improvement, baseline).left(improvement, baseline)
    answer = np.asarray(predicted.mean(axis=0))
    there = np.isfinite(change) & np.isfinite(answer)
    table = cohort.covariates
    checks = [
        _check(name, table[there, place], change[there], answer[there])
        for place, name in enumerate(COVARIATES)
    ]
    sites = np.asarray(cohort.sites)[there]
    by_site = [site_differences(one[there], sites) for one in (change, answer)]
    return {
        "covariates": [one for one in checks if one is not None],
        "change_by_site_p_value": by_site[0],
        "prediction_by_site_p_value": by_site[1],
        "site_flagged": all(p is not None and p < SIGNIFICANT for p in by_site),
    }


def _check(name: str, values: Floats, change: Floats, answer: Floats) -> dict[str, Any] | None:
    """One covariate; None where it is unknown or equal in nearly everybody.

    ``flagged`` where it goes with the outcome and with the prediction, both at p < 0.05.
    """
    known = np.isfinite(values)
    if known.sum() < FEWEST or values[known].std() < 1e-12:
        return None
    own, asked, told = values[known], change[known], answer[known]
    with_change, p_change = rank_correlation_of(own, asked)
    with_answer, p_answer = rank_correlation_of(own, told)
    whole, _ = rank_correlation_of(told, asked)
    partial, _ = rank_correlation_of(without_covariate(told, own), without_covariate(asked, own))
    return {
        "covariate": name,
        "people": int(known.sum()),
        "correlation_with_change": with_change,
        "correlation_with_change_p_value": p_change,
        "correlation_with_prediction": with_answer,
        "correlation_with_prediction_p_value": p_answer,
        "prediction_with_change": whole,
        "prediction_with_change_without_it": partial,
        "flagged": bool(
            p_change is not None and p_answer is not None and max(p_change, p_answer) < SIGNIFICANT
        ),
    }
