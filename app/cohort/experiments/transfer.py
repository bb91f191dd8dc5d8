"""`experiment transfer`: trained on one data set, tested on another, both ways.

Nothing of the test data set is looked at before it is asked: choices, calibration and scaling come
from inner folds of the training data set. Beside both ways stands what the same models reach within
each data set by nested cross-validation, and how far the fused model leans on either input in each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.cohort.experiments.reliance import (
    BranchReliance,
    GradientReliance,
    gradient_reliance,
    reliance_of,
)
from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    labelled,
    part,
    reported,
    with_choice,
    workshop_of,
)
from app.cohort.experiments.transfer_change import change_of, rows_of
from app.cohort.experiments.transfer_report import (
    Direction,
    refused_table,
    reliance_tables,
    transfer_facts,
)
from app.cohort.experiments.two_cohorts import joined, transfer_splits
from app.cohort.learn.comparison import paired_difference
from app.cohort.learn.contender import Contender
from app.cohort.learn.evaluate import Evaluation, evaluate
from app.cohort.learn.figures import draws_of, figures_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.result_folder import work_kept
from app.cohort.learn.splits import Fold
from app.core.progress import Progress
from app.models.fmm_tc_network import FmmTcNetwork
from app.reporting.evaluation.facts import (
    PlainTable,
)


def run_transfer(
    sets: tuple[DataSet, DataSet],
    names: tuple[str, str],
    models: Sequence[str],
    run: Run,
    progress: Progress,
    *,
    explained: int = 4,
) -> tuple[Path, ...]:
    """Judge both ways and write everything.

    Parameters
    ----------
    sets
        Both data sets, each with its own table and plan; both plans are locked.
    names
        Of the data sets, for people.
    models
        The headline first; empty = those of the first plan.
    run
        Result folder and command.
    progress
        Stages by model, then "reliance" and "report".
    explained
        People a data set whose integrated gradients are computed; 0 = none.
    """
    wanted = tuple(models) or sets[0].plan.models.names
    reason = (
        "named on the command line, after the plan" if models
        else f"the models of the plan of {names[0]} are judged in both data sets"
    )  # fmt: skip
    cohorts = tuple(
        with_choice(labelled(data, run.out / f"plan-{number + 1}", progress), wanted, reason)
        for number, data in enumerate(sets)
    )
    both = joined(cohorts[0], cohorts[1], names)
    count = len(cohorts[0])
    protocol = both.plan.protocol
    splits = transfer_splits(both, count, inner_folds=protocol.inner_folds, seed=protocol.seed)
    workshop = workshop_of(both, wanted, run)
    contenders, refused = contenders_of(workshop, wanted)
    with work_kept(run.out):
        across = evaluate(_without_sites(both), contenders, run.out, progress, splits=splits)
        within = [
            evaluate(_without_sites(one), contenders, run.out / f"within-{number + 1}", progress)
            for number, one in enumerate(cohorts)
        ]
    directions = tuple(
        direction(across, splits.folds[number], words)
        for number, words in enumerate((f"{names[0]} → {names[1]}", f"{names[1]} → {names[0]}"))
    )
    with progress.stage("reliance"):
        tables = _reliance_tables(contenders[0], cohorts, names, explained, progress)
    facts = transfer_facts(
        across, within, directions, names, run, [*tables, *refused_table(refused)]
    )
    return reported(facts, run, progress)


def _without_sites(cohort: LabelledCohort) -> LabelledCohort:
    """Leaving sites out of the joint cohort would repeat the question."""
    plan = cohort.plan
    protocol = plan.protocol.model_copy(update={"leave_one_site_out": False})
    locked = replace(cohort.locked, plan=plan.model_copy(update={"protocol": protocol}))
    return replace(cohort, locked=locked)


def direction(across: Evaluation, fold: Fold, name: str) -> Direction:
    """Figures of all models on the test rows of one way."""
    cohort, rows = across.cohort, fold.test
    labels, protocol = cohort.labels[rows], cohort.plan.protocol
    draws = draws_of(
        [cohort.identifiers[int(i)] for i in rows], protocol.bootstrap_repeats, protocol.seed
    )
    own = {key: rows_of(one, rows) for key, one in across.models.items()}
    first = own[across.headline.id]
    return Direction(
        name,
        {
            key: figures_of(one.scores, labels, draws, protocol.metrics, protocol.cutoff)
            for key, one in own.items()
        },
        {
            key: paired_difference("auroc", first, one, labels, draws, protocol.cutoff)
            for key, one in own.items()
            if key != across.headline.id
        },
        change_of(across, fold),
    )


def _reliance_tables(
    contender: Contender,
    cohorts: Sequence[LabelledCohort],
    names: Sequence[str],
    explained: int,
    progress: Progress,
) -> list[PlainTable]:
    """The headline, fitted on each data set in turn, asked about both; empty for one input."""
    probe = contender.fresh()
    if not isinstance(probe, FmmTcNetwork) or len(probe.settings.branches) < 2:
        return []
    shares: list[tuple[str, BranchReliance]] = []
    gradients: list[tuple[str, GradientReliance]] = []
    for number, trained in enumerate(cohorts):
        model = contender.fresh()
        assert isinstance(model, FmmTcNetwork)
        inner = part(progress, number, len(cohorts))
        model.fit(
            trained.series, trained.connectivity, trained.covariates, trained.labels,
            seed=trained.plan.protocol.seed, progress=part(inner, 0, 2),
        )  # fmt: skip
        for asked, name in zip(cohorts, names, strict=True):
            found = reliance_of(model, asked, name, part(inner, 1, 2))
            shares += [(names[number], one) for one in found]
            if explained:
                more = gradient_reliance(model, asked, name, explained, part(inner, 1, 2))
                gradients += [(names[number], one) for one in more]
    return reliance_tables(shares, gradients)
