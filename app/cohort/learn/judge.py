"""From out-of-fold scores to everything that may be shown: one JSON record, a few tables.

Nobody's own score is in what is written here; scores stay in ``private/``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from app.cohort.learn.clinical import decision_curve, sample_size_saving, screening
from app.cohort.learn.combat import WARNING
from app.cohort.learn.comparison import (
    best_covariate_rival,
    compare,
    corrected_test,
    differences_by_fold,
    paired_difference,
    test_share_of,
)
from app.cohort.learn.conformal import conformal_figures
from app.cohort.learn.confounds import (
    covariate_check,
    quality_connectivity,
    site_check,
    site_predictability,
    subgroup_figures,
)
from app.cohort.learn.contender import Contender
from app.cohort.learn.continuous_figures import continuous_figures
from app.cohort.learn.curves import calibration_bins, histogram, roc_points
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.figures import Scores, draws_of, figures_of, value_of
from app.cohort.learn.learning_curve import learning_curve
from app.cohort.learn.permutation import WORDS, permutation_test
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.result_folder import ResultFolder
from app.core.arrays import Floats, Ints
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.core.provenance import software_versions
from app.models.covariates import NAMES as COVARIATES

FORMAT = 1
NULL_AUROC = 0.5
SIMULATED = "SIMULATED people: nothing here says anything about a person"
RESEARCH_USE = "Research use only - not for treatment decisions"


def judged(
    evaluation: Evaluation,
    contenders: Sequence[Contender],
    progress: Progress | None = None,
    *,
    control_arm: str | None = None,
) -> Evaluation:
    """Compute every figure of the plan; `figures` is JSON-able and free of individuals.

    Parameters
    ----------
    evaluation
        As `evaluate` gave it.
    contenders
        Those it was made from; the headline is asked again for permutations and learning curve.
    progress
        Stages "figures", "permutations", "learning curve".
    control_arm
        Name of the control arm, where people of one are among those judged.
    """
    progress = progress or Progress()
    cohort, plan = evaluation.cohort, evaluation.cohort.plan
    protocol, headline = plan.protocol, evaluation.headline
    draws = draws_of(cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
    deviations = list(evaluation.deviations)
    with progress.stage("figures"):
        models = {}
        for number, (name, one) in enumerate(evaluation.models.items()):
            models[name] = {
                "label": one.label,
                "inputs": one.inputs,
                "told": one.told,
                **figures_of(one.scores, cohort.labels, draws, protocol.metrics, protocol.cutoff),
            }
            progress.step(number / len(evaluation.models), one.label)
        mean_scores = headline.scores.log_odds.mean(axis=0)
        figures: dict[str, Any] = {
            "format": FORMAT,
            "use": RESEARCH_USE,
            "simulated": cohort.simulated,
            "statement": SIMULATED if cohort.simulated else RESEARCH_USE,
            "plan": plan.model_dump(mode="json"),
            "plan_sha256": cohort.locked.sha256,
            "plan_locked_utc": cohort.locked.locked_utc,
            "cohort": _cohort(evaluation),
            "splits": _splits(evaluation),
            "headline": headline.id,
            "models": models,
            "comparisons": {
                name: compare(evaluation, headline.id, name, draws, protocol.metrics)
                for name in evaluation.models
                if name != headline.id
            },
            "gain_over_covariates": gain(evaluation, draws),
            "secondary_definitions": _secondary(evaluation, draws),
            "continuous": continuous_figures(evaluation, draws),
            "by_site": subgroup_figures(
                cohort, headline.scores, cohort.sites, protocol.metrics,
                seed=protocol.seed, repeats=protocol.bootstrap_repeats,
            ),
            "by_sex": subgroup_figures(
                cohort, headline.scores, [one.sex or "unknown" for one in cohort.people],
                protocol.metrics, seed=protocol.seed, repeats=protocol.bootstrap_repeats,
            ),
            "leave_one_site_out": _left_out(evaluation),
            "confounds": _confounds(evaluation, mean_scores, draws),
            "decision_curve": decision_curve(headline.scores, cohort.labels, draws),
            "screening": screening(
                headline.scores, cohort.labels,
                sorted({0.1, 0.2, 0.3, 0.4, 0.5, protocol.cutoff}),
            ),
            "sample_size": sample_size_saving(
                headline.scores, cohort.labels, [one.arm for one in cohort.people], control_arm
            ),
            "conformal": conformal_figures(
                headline.scores.probability, cohort.labels, evaluation.fold_of,
                protocol.conformal_level,
            ),
            "curves": {
                name: {
                    "roc": roc_points(one.scores, cohort.labels),
                    "calibration": calibration_bins(one.scores, cohort.labels),
                    "histogram": histogram(one.scores, cohort.labels),
                }
                for name, one in evaluation.models.items()
            },
        }  # fmt: skip
    asked = next(one for one in contenders if one.id == headline.id)
    result = ResultFolder(evaluation.folder)
    deviations += _harmonised(evaluation)
    figures["permutation"], told = _permutation(evaluation, asked, result, progress)
    deviations += told
    with progress.stage("learning curve"):
        figures["learning_curve"] = (
            learning_curve(asked, cohort, evaluation.splits, draws, progress)
            if protocol.learning_curve and not asked.deep and plan.recipe.harmonise == "none"
            else []
        )
    if protocol.learning_curve and asked.deep:
        deviations.append(
            Deviation("protocol.learning_curve", "true", "left out",
                      "the headline takes minutes a fit; plan a linear rival for it")
        )  # fmt: skip
    figures["deviations"] = [asdict(one) for one in deviations]
    figures["flags"] = flags_of(figures)
    figures["versions"] = software_versions()
    figures["timing_s"] = {name: one.seconds for name, one in evaluation.models.items()}
    return replace(evaluation, figures=figures, deviations=tuple(deviations))


def gain(evaluation: Evaluation, draws: Ints) -> dict[str, Any]:
    """AUROC gained over the best covariate-only rival, on the same people and folds.

    A rival below 0.5 counts as 0.5: whoever does worse than ranking nobody is no measure. Where no
    covariate was known the gain is over 0.5; ``rival`` says so. The interval is the wider of two on
    either side: persons resampled, which holds the models fixed, and the corrected repeated-CV
    test, which holds how they vary with their training people.
    """
    headline, labels = evaluation.headline, evaluation.cohort.labels
    splits, cutoff = evaluation.splits, evaluation.cohort.plan.protocol.cutoff
    constant = np.zeros_like(headline.scores.log_odds)
    nobody = replace(headline, scores=Scores(constant, np.full_like(constant, NULL_AUROC), None))
    rival = best_covariate_rival(evaluation)
    other = nobody if rival is None or rival == headline.id else evaluation.models[rival]
    found = paired_difference("auroc", headline, other, labels, draws, cutoff, least=NULL_AUROC)
    if not value_of("auroc", other.scores, labels, cutoff) >= NULL_AUROC:
        other = nobody
    differences = differences_by_fold("auroc", headline, other, labels, splits, cutoff)
    tested = corrected_test(differences, test_share_of(splits))
    interval = found["interval"]
    if interval is not None and tested is not None:
        interval = [min(interval[0], tested["low"]), max(interval[1], tested["high"])]
        interval = [max(interval[0], -1.0), min(interval[1], 1.0)]
    return {
        "auroc": found["difference"],
        "auroc_interval": interval,
        "rival": rival or "none: no covariate was known",
        "method": "wider of a bootstrap over persons and the corrected repeated-CV test",
    }


def _cohort(evaluation: Evaluation) -> dict[str, Any]:
    cohort = evaluation.cohort
    ages = np.array([one.age_years for one in cohort.people])
    known = ages[np.isfinite(ages)]
    return {
        "people": len(set(cohort.identifiers)),
        "scans": len(cohort),
        "responders": int(cohort.labels.sum()),
        "base_rate": float(cohort.labels.mean()),
        "sites": dict(sorted(Counter(cohort.sites).items())),
        "arms": dict(sorted(Counter(one.arm for one in cohort.people).items())),
        "sexes": dict(sorted(Counter(one.sex or "unknown" for one in cohort.people).items())),
        "age_mean_years": float(known.mean()) if known.size else None,
        "age_sd_years": float(known.std(ddof=1)) if known.size > 1 else None,
        "excluded": dict(sorted(Counter(one.reason for one in cohort.excluded).items())),
        "covariates_known": list(cohort.covariate_names),
        "sha256": cohort.sha256(),
    }


def _splits(evaluation: Evaluation) -> dict[str, Any]:
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


def _secondary(evaluation: Evaluation, draws: Ints) -> dict[str, Any]:
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


def _left_out(evaluation: Evaluation) -> dict[str, Any]:
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


def _confounds(evaluation: Evaluation, scores: Floats, draws: Ints) -> dict[str, Any]:
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
    }


def _permutation(
    evaluation: Evaluation, asked: Contender, result: ResultFolder, progress: Progress
) -> tuple[dict[str, Any] | None, list[Deviation]]:
    protocol = evaluation.cohort.plan.protocol
    if not protocol.permutations:
        return None, []
    with progress.stage("permutations"):
        try:
            found = permutation_test(
                asked,
                evaluation.cohort,
                evaluation.splits,
                result,
                progress,
                permutations=protocol.permutations,
                seed=protocol.seed,
            )
        except CancelledError:
            raise
        except AppError as error:
            if error.code != "cohort.permutation":
                raise
            planned = str(protocol.permutations)
            return None, [Deviation("protocol.permutations", planned, "none", error.message)]
    low, high = np.percentile(found.permuted, [2.5, 97.5])
    return {
        "p_value": found.p_value,
        "permutations": len(found.permuted),
        "auroc_one_repeat": found.auroc,
        "permuted_mean": float(found.permuted.mean()),
        "permuted_range": [float(low), float(high)],
        "exchangeable_people": found.exchangeable,
        "within": "arm and site",
        "words": WORDS,
    }, []


def _harmonised(evaluation: Evaluation) -> list[Deviation]:
    if evaluation.cohort.plan.recipe.harmonise == "none":
        return []
    found = [Deviation("protocol.leave_one_site_out", "as planned", "left out", WARNING)]
    return found + [
        Deviation("recipe.harmonise", "combat", f"not applied to {one.id}",
                  "only linear models of connectivity are harmonised")
        for one in evaluation.models.values()
        if one.inputs != "connectivity" or one.deep
    ]  # fmt: skip


def flags_of(figures: dict[str, Any]) -> list[str]:
    """What a reader must see first, in sentences."""
    found = []
    interval = figures["gain_over_covariates"]["auroc_interval"]
    if interval is None or interval[0] <= 0.0:
        found.append(
            "No gain over the best covariate-only rival was shown: its 95 % interval includes "
            "0. A bundle of this model shows no individual number outside research mode."
        )
    found += [
        f"{one['covariate']} ranks the label by itself (AUROC {one['auroc_for_label']:.2f}) and "
        "goes with the prediction."
        for one in figures["confounds"]["covariates"]
        if one["flagged"]
    ]
    site = figures["confounds"]["site"]
    found += [
        f"Site {name} has one class only: site and label cannot be told apart there."
        for name in site.get("sites_of_one_class", [])
    ]
    if site["flagged"] and not site.get("sites_of_one_class"):
        found.append("The label goes with the site.")
    if figures["permutation"] and figures["permutation"]["p_value"] > 0.05:
        found.append("Permuted labels do as well: no association was shown.")
    if figures["deviations"]:
        found.append(f"{len(figures['deviations'])} deviations from the locked plan are listed.")
    return found
