"""From out-of-fold scores to everything that may be shown: one JSON record, a few tables.

Nobody's own score is in what is written here; scores stay in ``private/``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from app.cohort.learn.change_groups import change_by_group
from app.cohort.learn.clinical import decision_curve, sample_size_saving, screening
from app.cohort.learn.combat import WARNING
from app.cohort.learn.comparison import best_covariate_rival, compare, own_figures
from app.cohort.learn.conformal import conformal_figures
from app.cohort.learn.confounds import subgroup_figures
from app.cohort.learn.contender import Contender
from app.cohort.learn.continuous_figures import continuous_figures
from app.cohort.learn.curves import calibration_bins, histogram, roc_points
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.figures import draws_of
from app.cohort.learn.flags import flags_of
from app.cohort.learn.gate import (
    NO_COVARIATE,
    NOT_JUDGED,
    fitted_for_gate,
    gained,
    unjudged_covariates,
    withheld_reasons,
)
from app.cohort.learn.learning_curve import learning_curve
from app.cohort.learn.permutation import (
    LABEL_FIXED,
    PermutationResult,
    change_figures,
    permutation_figures,
    permutation_test,
)
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.primary import primary_deviations, primary_of
from app.cohort.learn.record_facts import (
    cohort_facts,
    confounds_figures,
    left_out_figures,
    secondary_figures,
    splits_facts,
)
from app.cohort.learn.result_folder import ResultFolder
from app.core.arrays import Ints
from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.core.provenance import software_versions

FORMAT = 1
SIMULATED = "SIMULATED people: nothing here says anything about a person"
RESEARCH_USE = "Research use only - not for treatment decisions"


def judged(
    evaluation: Evaluation,
    contenders: Sequence[Contender],
    progress: Progress | None = None,
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
    """
    progress = progress or Progress()
    cohort, plan = evaluation.cohort, evaluation.cohort.plan
    protocol, headline = plan.protocol, evaluation.headline
    draws = draws_of(cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
    sexes = [one.sex or "unknown" for one in cohort.people]
    arms = [one.arm for one in cohort.people]
    several_arms = len(set(arms)) > 1
    deviations = [*evaluation.deviations, *primary_deviations(cohort)]
    with progress.stage("figures"):
        models = {}
        for number, (name, one) in enumerate(evaluation.models.items()):
            models[name] = {
                "label": one.label,
                "inputs": one.inputs,
                "told": one.told,
                **own_figures(
                    one.scores,
                    cohort.labels,
                    draws,
                    protocol.metrics,
                    protocol.cutoff,
                    evaluation.splits,
                ),
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
            "cohort": cohort_facts(evaluation),
            "splits": splits_facts(evaluation),
            "primary": primary_of(cohort),
            "headline": headline.id,
            "models": models,
            "comparisons": {
                name: compare(evaluation, headline.id, name, draws, protocol.metrics)
                for name in evaluation.models
                if name != headline.id
            },
            "gain_over_covariates": gain(evaluation, draws),
            "fitted_for_gate": fitted_for_gate(evaluation),
            "secondary_definitions": secondary_figures(evaluation, draws),
            "continuous": continuous_figures(evaluation, draws),
            "by_site": subgroup_figures(cohort, headline.scores, cohort.sites),
            "by_sex": subgroup_figures(cohort, headline.scores, sexes),
            "by_arm": subgroup_figures(cohort, headline.scores, arms) if several_arms else {},
            "leave_one_site_out": left_out_figures(evaluation),
            "confounds": confounds_figures(evaluation, mean_scores, draws),
            "decision_curve": decision_curve(headline.scores, cohort.labels, draws),
            "screening": screening(
                headline.scores, cohort.labels,
                sorted({0.1, 0.2, 0.3, 0.4, 0.5, protocol.cutoff}),
            ),
            "sample_size": sample_size_saving(
                headline.scores, cohort.labels, arms, plan.arms.control
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
    deviations += unharmonised(evaluation)
    found, told = _permutation(evaluation, asked, result, progress)
    figures["permutation"] = None if found is None else permutation_figures(found)
    if figures["continuous"] is not None:
        figures["continuous"]["permutation"] = None if found is None else change_figures(found)
    deviations += told
    with progress.stage("learning curve"):
        figures["learning_curve"], of_change = (
            learning_curve(asked, cohort, evaluation.splits, draws, progress)
            if protocol.learning_curve and not asked.deep and plan.recipe.harmonise == "none"
            else ([], [])
        )
    if figures["continuous"] is not None:
        figures["continuous"] |= {
            "learning_curve": of_change,
            "by_site": change_by_group(evaluation, cohort.sites),
            "by_sex": change_by_group(evaluation, sexes),
            "by_arm": change_by_group(evaluation, arms) if several_arms else {},
        }
    if protocol.learning_curve and asked.deep:
        deviations.append(
            Deviation("protocol.learning_curve", "true", "left out",
                      "the headline takes minutes a fit; plan a linear rival for it")
        )  # fmt: skip
    figures["deviations"] = [asdict(one) for one in deviations]
    figures["withheld"] = withheld_reasons(evaluation, figures, draws)
    figures["flags"] = flags_of(figures)
    figures["versions"] = software_versions()
    figures["timing_s"] = {name: one.seconds for name, one in evaluation.models.items()}
    return replace(evaluation, figures=figures, deviations=tuple(deviations))


def gain(evaluation: Evaluation, draws: Ints) -> dict[str, Any]:
    """AUROC gained over the best covariate-only rival, on the same people and folds.

    A rival below 0.5 counts as 0.5: whoever does worse than ranking nobody is no measure. Where no
    covariate was known the gain is over 0.5; ``rival`` says so. Where one was known that no rival
    looked at, there is no gain to speak of, and a bundle earns nothing.

    The interval is the wider of two on either side: persons resampled, which holds the models
    fixed, and the corrected repeated-CV test, which holds how they vary with their training people.
    """
    if unjudged := unjudged_covariates(evaluation):
        return {
            "auroc": None,
            "auroc_interval": None,
            "rival": f"{NOT_JUDGED}: {', '.join(unjudged)}",
            "method": "not judged",
        }
    headline, rival = evaluation.headline, best_covariate_rival(evaluation)
    other = None if rival is None or rival == headline.id else evaluation.models[rival]
    difference, interval = gained(evaluation, other, draws)
    return {
        "auroc": difference,
        "auroc_interval": interval,
        "rival": rival or NO_COVARIATE,
        "method": "wider of a bootstrap over persons and the corrected repeated-CV test",
    }


def _permutation(
    evaluation: Evaluation, asked: Contender, result: ResultFolder, progress: Progress
) -> tuple[PermutationResult | None, list[Deviation]]:
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
            return None, [_not_permuted(protocol.permutations, "none", error.message)]
    if found.p_value is None:
        return found, [_not_permuted(protocol.permutations, "of the change alone", LABEL_FIXED)]
    return found, []


def _not_permuted(planned: int, done: str, reason: str) -> Deviation:
    return Deviation("protocol.permutations", str(planned), done, reason)


def unharmonised(evaluation: Evaluation) -> list[Deviation]:
    """What a plan with harmonisation cannot have, and models of a scan that go without it."""
    if evaluation.cohort.plan.recipe.harmonise == "none":
        return []
    protocol = evaluation.cohort.plan.protocol
    found = []
    if protocol.leave_one_site_out:
        found.append(Deviation("protocol.leave_one_site_out", "true", "left out", WARNING))
    if protocol.learning_curve and not evaluation.headline.deep:
        found.append(
            Deviation("protocol.learning_curve", "true", "left out",
                      "smaller shares of the people would leave too few a site to harmonise")
        )  # fmt: skip
    return found + [
        Deviation("recipe.harmonise", "combat", f"not applied to {one.id}",
                  "of the models that see a scan, only linear ones of connectivity are harmonised")
        for one in evaluation.models.values()
        if one.deep or one.inputs not in ("connectivity", "covariates", "none")
    ]  # fmt: skip
