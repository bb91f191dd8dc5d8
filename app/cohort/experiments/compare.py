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
from app.cohort.learn.contenders import DEEP
from app.core.progress import Progress
from app.models.baselines import BASELINES

NOT_IN_A_RECIPE = ("volumes-logistic",)  # FreeSurfer volumes are not measured


def rivals_of(*, deep: bool) -> tuple[str, ...]:
    """Every rival that a prepared cohort may have, in the order of `BASELINES`."""
    left_out = NOT_IN_A_RECIPE if deep else (*NOT_IN_A_RECIPE, *DEEP)
    return tuple(one.id for one in BASELINES if one.id not in left_out)


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
    cohort = with_choice(
        labelled(data, run.out, progress), wanted, "named on the command line, after the plan"
    )
    workshop = workshop_of(cohort, wanted, run)
    contenders, refused = contenders_of(workshop, wanted)
    evaluation = evaluated(cohort, contenders, run, progress)
    return report_of(evaluation, run, "experiment: compare", progress, refused=refused)
