"""What the experiments share: read and lock, evaluate, judge, write the report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.cohort.experiments.record_facts import facts_of_record
from app.cohort.learn.contender import Contender
from app.cohort.learn.contenders import (
    SHORT_NAMES,
    EncoderPlace,
    Workshop,
    encoder_place,
    find_atlas,
    needs_encoder,
    refuse_unknown_models,
)
from app.cohort.learn.evaluate import Evaluation, evaluate
from app.cohort.learn.gate import gate_rivals
from app.cohort.learn.judge import judged
from app.cohort.learn.labelled import LabelledCohort, label_cohort, read_cohort
from app.cohort.learn.plan import Plan
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.result_folder import work_kept
from app.cohort.learn.tables import write_evaluation as write_record
from app.core.errors import AppError
from app.core.progress import PartOfStage, Progress
from app.models.encoders import DEMONSTRATION
from app.models.fmm_tc_settings import FmmTcTraining
from app.reporting.evaluation.facts import EvaluationFacts, PlainTable
from app.reporting.evaluation.write import write_evaluation

REPORT = "report"


@dataclass(frozen=True, slots=True)
class DataSet:
    """Where a cohort's prepared scans, table and plan are."""

    folder: Path
    table: Path
    plan: Plan


@dataclass(frozen=True, slots=True)
class Run:
    """Where results go and which words made them."""

    out: Path
    command: str
    encoder: str = DEMONSTRATION
    cache: Path | None = None  # of frozen features; None = below `out`
    place: EncoderPlace | None = None  # an encoder that is open already, in place of `encoder`
    training: FmmTcTraining | None = None  # of FMM_TC; None = its own default

    @property
    def features(self) -> Path:
        """Folder of frozen features."""
        return self.cache or self.out / "private" / "features"


def labelled(data: DataSet, out: Path, progress: Progress) -> LabelledCohort:
    """Lock the plan, then read the labels.

    Raises
    ------
    AppError
        As `read_cohort`, `Cohort.lock` and `label_cohort`.
    """
    refuse_unknown_models(data.plan.models.names)
    cohort = read_cohort(data.folder, data.table, data.plan, progress)
    return label_cohort(cohort, cohort.lock(data.plan, out))


def with_choice(cohort: LabelledCohort, wanted: Sequence[str], reason: str) -> LabelledCohort:
    """The cohort with a deviation for a headline or rivals that the plan does not name.

    Every experiment tells it in this way, whether the user or the experiment itself chose.
    """
    planned, chosen = (
        [SHORT_NAMES.get(name, name) for name in names]
        for names in (cohort.plan.models.names, wanted)
    )
    found = []
    if chosen[0] != planned[0]:
        found.append(Deviation("models.headline", planned[0], chosen[0], reason))
    if set(chosen[1:]) != set(planned[1:]):
        words = ", ".join(planned[1:]) or "none", ", ".join(chosen[1:]) or "none"
        found.append(Deviation("models.rivals", *words, reason))
    return replace(cohort, deviations=(*cohort.deviations, *found))


def workshop_of(cohort: LabelledCohort, names: Sequence[str], run: Run) -> Workshop:
    """What contenders are made from; an encoder only where one of them needs it."""
    place = run.place
    if place is None and needs_encoder(names):
        place = encoder_place(run.encoder, find_atlas(cohort.plan.recipe.atlas))
    shortest = min(len(one) for one in cohort.series)
    return Workshop(
        cohort.covariate_names,
        cohort.repetition_time_s,
        place,
        run.features,
        fmm_tc_training=run.training,
        minimum_frames=min(100, shortest),
        harmonise=cohort.plan.recipe.harmonise,
    )


def contenders_of(
    workshop: Workshop, names: Sequence[str]
) -> tuple[tuple[Contender, ...], dict[str, str]]:
    """Contenders by name, and why some cannot be: the cohort lacks what they need.

    Raises
    ------
    AppError
        For the first of them, which is the headline.
    """
    found: list[Contender] = []
    refused: dict[str, str] = {}
    for number, name in enumerate(names):
        try:
            found.append(workshop.contender(name))
        except AppError as error:
            if number == 0:
                raise
            refused[name] = error.message
    return tuple(found), refused


def finished_utc() -> str:
    """Now, for the report; the only clock that is read."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def evaluated(
    cohort: LabelledCohort,
    contenders: Sequence[Contender],
    run: Run,
    progress: Progress,
    workshop: Workshop,
) -> Evaluation:
    """Out-of-fold answers, every figure, the record and its tables on disk.

    Covariate-only models that nobody named are judged beside the others: without them there is no
    gain over covariates to speak of.
    """
    contenders = [*contenders, *gate_rivals(contenders, workshop)]
    with work_kept(run.out):
        found = evaluate(cohort, contenders, run.out, progress)
        found = judged(found, contenders, progress)
        write_record(found)
    return found


def reported(facts: EvaluationFacts, run: Run, progress: Progress) -> tuple[Path, ...]:
    """Write the report below the result folder; a fault says that the figures are kept."""
    with progress.stage("report"), work_kept(run.out):
        return write_evaluation(
            facts, run.out / REPORT, told=lambda done: progress.step(done, "report")
        )


def report_of(
    evaluation: Evaluation,
    run: Run,
    title: str,
    progress: Progress,
    *,
    refused: dict[str, str] | None = None,
    condition: str = "",
    roles: dict[str, str] | None = None,
    tables: Sequence[PlainTable] = (),
    summary: Sequence[str] = (),
) -> tuple[Path, ...]:
    """The report of one evaluation; models that could not be made are named in it."""
    figures = dict(evaluation.figures)
    figures["deviations"] = [
        *figures["deviations"],
        *(
            {"what": "models", "planned": name, "done": "left out", "reason": why}
            for name, why in (refused or {}).items()
        ),
    ]
    facts = facts_of_record(
        figures,
        title=title,
        command=run.command,
        finished_utc=finished_utc(),
        condition=condition,
        roles=roles,
        tables=tables,
        summary=summary,
    )
    return reported(facts, run, progress)


def part(progress: Progress, number: int, count: int) -> PartOfStage:
    """One of several equal parts of the current stage."""
    return PartOfStage(progress, number / count, (number + 1) / count)
