"""`experiment compare`: the fused model, or any other, beside each rival on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    evaluated,
    labelled,
    report_of,
    workshop_of,
)
from app.cohort.learn.contenders import DEEP, SHORT_NAMES
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.plan_lock import Deviation
from app.core.progress import Progress
from app.models.baselines import BASELINES

NOT_IN_A_RECIPE = ("volumes-logistic",)  # FreeSurfer volumes are not measured


def rivals_of(*, deep: bool) -> tuple[str, ...]:
    """Every rival that a prepared cohort may have, in the order of `BASELINES`."""
    left_out = NOT_IN_A_RECIPE if deep else (*NOT_IN_A_RECIPE, *DEEP)
    return tuple(one.id for one in BASELINES if one.id not in left_out)


def _with_choice(cohort: LabelledCohort, wanted: Sequence[str]) -> LabelledCohort:
    """The cohort with a deviation for a headline or rivals that the plan does not name."""
    planned, chosen = (
        [SHORT_NAMES.get(name, name) for name in names]
        for names in (cohort.plan.models.names, wanted)
    )
    reason = "named on the command line, after the plan"
    found = []
    if chosen[0] != planned[0]:
        found.append(Deviation("models.headline", planned[0], chosen[0], reason))
    if set(chosen[1:]) != set(planned[1:]):
        words = ", ".join(planned[1:]) or "none", ", ".join(chosen[1:]) or "none"
        found.append(Deviation("models.rivals", *words, reason))
    return replace(cohort, deviations=(*cohort.deviations, *found))


def run_compare(
    data: DataSet, names: Sequence[str], run: Run, progress: Progress
) -> tuple[Path, ...]:
    """Judge models by name, the headline first, and write everything.

    Parameters
    ----------
    data
        Prepared scans, table and plan; the plan is locked before a label is read.
    names
        Models; empty = those of the plan.
    run
        Result folder and command.
    progress
        Stages by model, then figures, permutations, learning curve, report.

    Returns
    -------
    What was written of the report.
    """
    wanted = tuple(names) or data.plan.models.names
    cohort = _with_choice(labelled(data, run.out, progress), wanted)
    workshop = workshop_of(cohort, wanted, run)
    contenders, refused = contenders_of(workshop, wanted)
    evaluation = evaluated(cohort, contenders, run, progress)
    return report_of(evaluation, run, "experiment: compare", progress, refused=refused)
