"""Parts of an evaluation's record that are counted or computed from it alone."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from app.cohort.learn.change_confounds import change_confounds
from app.cohort.learn.confounds import (
    covariate_check,
    quality_connectivity,
    site_check,
    site_predictability,
)
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.figures import draws_of, figures_of
from app.core.arrays import Floats, Ints
from app.models.covariates import NAMES as COVARIATES


def cohort_facts(evaluation: Evaluation) -> dict[str, Any]:
    """Who took part, counted."""
    cohort = evaluation.cohort
    ages = np.array([one.age_years for one in cohort.people])
    known = ages[np.isfinite(ages)]
    return {
        "people": len(set(cohort.identifiers)),
        "scans": len(cohort),
        "responders": int(cohort.labels.sum()),
        "base_rate": float(cohort.labels.mean()),
        "sessions": dict(sorted(Counter(one.scan.session for one in cohort.people).items())),
        "sites": dict(sorted(Counter(cohort.sites).items())),
        "arms": dict(sorted(Counter(one.arm for one in cohort.people).items())),
        "sexes": dict(sorted(Counter(one.sex or "unknown" for one in cohort.people).items())),
        "age_mean_years": float(known.mean()) if known.size else None,
        "age_sd_years": float(known.std(ddof=1)) if known.size > 1 else None,
        "excluded": dict(sorted(Counter(one.reason for one in cohort.excluded).items())),
        "covariates_known": list(cohort.covariate_names),
        "sha256": cohort.sha256(),
    }


def splits_facts(evaluation: Evaluation) -> dict[str, Any]:
    """How people were divided."""
    splits, protocol = evaluation.splits, evaluation.cohort.plan.protocol
    return {
        "kind": splits.kind,
        "outer_folds": protocol.outer_folds,
        "inner_folds": protocol.inner_folds,
        "repeats": splits.repeats,
        "seed": splits.seed,
        "sha256": splits.sha256,
        "by": "person; stratified by label and site; shuffled",
    }


def secondary_figures(evaluation: Evaluation, draws: Ints) -> dict[str, Any]:
    """Scores of models trained on the primary definition, judged by the others."""
    cohort, headline = evaluation.cohort, evaluation.headline
    found: dict[str, Any] = {}
    for text, values in cohort.by_definition.items():
        if text == cohort.plan.definition.text:
            continue
        rows = np.flatnonzero(np.isfinite(values))
        labels = values[rows] == 1.0
        entry: dict[str, Any] = {"people": len(rows), "responders": int(labels.sum())}
        if min(labels.sum(), (~labels).sum()) >= 2:
            own = headline.scores.rows(rows)
            names = [cohort.identifiers[i] for i in rows]
            drawn = draws_of(names, len(draws), cohort.plan.protocol.seed)
            found_figures = figures_of(own, labels, drawn, ["auroc"], 0.5)
            entry |= {key: found_figures[key] for key in ("auroc", "auroc_interval")}
            entry["note"] = "ranked by the model of the primary definition"
        else:
            entry["note"] = "too few of one class for a figure"
        found[text] = entry
    return found


def left_out_figures(evaluation: Evaluation) -> dict[str, Any]:
    """Each model on people of sites that it was not trained on."""
    cohort, found = evaluation.cohort, dict[str, Any]()
    protocol = cohort.plan.protocol
    for name, one in evaluation.by_site.items():
        rows = np.flatnonzero(np.isfinite(one.scores.log_odds[0]))
        labels = cohort.labels[rows]
        entry: dict[str, Any] = {"people": len(rows), "responders": int(labels.sum())}
        if min(labels.sum(), (~labels).sum()) >= 2:
            own = one.scores.rows(rows)
            drawn = draws_of(
                [cohort.identifiers[i] for i in rows], protocol.bootstrap_repeats, protocol.seed
            )
            entry |= figures_of(own, labels, drawn, protocol.metrics, protocol.cutoff)
        found[name] = entry
    return found


def confounds_figures(evaluation: Evaluation, scores: Floats, draws: Ints) -> dict[str, Any]:
    """What else could carry the label; `scores` (row,) are the headline's mean log-odds."""
    cohort = evaluation.cohort
    table = cohort.covariates
    checks = [
        covariate_check(name, table[:, place], scores, cohort.labels, draws)
        for place, name in enumerate(COVARIATES)
    ]
    return {
        "covariates": [one for one in checks if one is not None],
        "site": site_check(cohort, scores, draws),
        "site_predictability": site_predictability(cohort, cohort.plan.protocol.seed),
        "quality_connectivity": quality_connectivity(cohort),
        "change": change_confounds(evaluation),
    }
