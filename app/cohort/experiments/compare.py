"""`experiment compare`: the fused model, or any other, beside each rival on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    evaluated,
    labelled,
    report_of,
    with_choice,
    workshop_of,
)
from app.cohort.learn.contenders import (
    COVARIATE_RIVALS,
    DEEP,
    SHORT_NAMES,
    Workshop,
    needs_encoder,
    refuse_unknown_models,
)
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.plan import Plan
from app.core.errors import AppError
from app.core.progress import Progress
from app.models.baselines import BASELINES

NONE_JUDGED = (
    "No covariate-only rival was judged: whether a model says more than age, sex and motion is not "
    "known here."
)
NOT_IN_A_RECIPE = ("volumes-logistic",)  # FreeSurfer volumes are not measured


def rivals_of(*, deep: bool) -> tuple[str, ...]:
    """Every rival that a prepared cohort may have, in the order of `BASELINES`."""
    left_out = NOT_IN_A_RECIPE if deep else (*NOT_IN_A_RECIPE, *DEEP)
    return tuple(one.id for one in BASELINES if one.id not in left_out)


def beside(names: Sequence[str], plan: Plan) -> tuple[str, ...]:
    """Models of the command line, then the plan's headline and its covariate-only rivals.

    What the plan was written to judge, and what a gain is measured against, stay in the comparison
    whatever else is asked for.
    """
    if not names:
        return plan.models.names
    found = {SHORT_NAMES.get(name, name): name for name in names}
    headline, *rivals = plan.models.names
    for name in (headline, *(one for one in rivals if one in COVARIATE_RIVALS)):
        found.setdefault(SHORT_NAMES.get(name, name), name)
    return tuple(found.values())


def run_compare(
    data: DataSet, names: Sequence[str], run: Run, progress: Progress
) -> tuple[Path, ...]:
    """Judge models by name, the headline first, and write everything.

    Parameters
    ----------
    data
        Prepared scans, table and plan; the plan is locked before a label is read.
    names
        Models; empty = those of the plan. Its headline and covariate-only rivals stay beside them.
    run
        Result folder and command.
    progress
        Stages by model, then figures, permutations, learning curve, report.

    Returns
    -------
    What was written of the report.
    """
    wanted = beside(names, data.plan)
    refuse_unknown_models(wanted)
    cohort = labelled(data, run.out, progress)
    workshop, lacking = _workshop(cohort, names, wanted, run)
    cohort = with_choice(cohort, wanted, "named on the command line, after the plan")
    contenders, refused = contenders_of(workshop, [one for one in wanted if one not in lacking])
    evaluation = evaluated(cohort, contenders, run, progress, workshop)
    return report_of(
        evaluation,
        run,
        "experiment: compare",
        progress,
        refused=lacking | refused,
        summary=_words(evaluation),
    )


def _workshop(
    cohort: LabelledCohort, names: Sequence[str], wanted: Sequence[str], run: Run
) -> tuple[Workshop, dict[str, str]]:
    """What models are made from; and why the plan's own lack an encoder that nobody asked for."""
    try:
        return workshop_of(cohort, wanted, run), {}
    except AppError as error:
        if not names or needs_encoder(names):
            raise
        lacking = {one: error.message for one in wanted if needs_encoder([one])}
        return workshop_of(cohort, [one for one in wanted if one not in lacking], run), lacking


def _words(evaluation: Evaluation) -> tuple[str, ...]:
    """What a reader must know where nothing but brains was compared."""
    rival = str(evaluation.figures["gain_over_covariates"]["rival"])
    judged = any(name in COVARIATE_RIVALS for name in evaluation.models)
    return () if judged or not rival.startswith("none") else (NONE_JUDGED,)
