"""The whole way from a folder and a plan to a judged evaluation: what commands and window call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.cohort.learn.contender import Contender
from app.cohort.learn.contenders import (
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
from app.cohort.learn.result_folder import work_kept
from app.cohort.learn.tables import write_evaluation
from app.connectome.atlases import Atlas
from app.core.errors import AppError
from app.core.progress import Progress

CACHE = "features"
TABLE = "participants.tsv"


@dataclass(frozen=True, slots=True)
class LearnRequest:
    """What is asked for."""

    cohort: Path  # folder of prepared scans
    table: Path  # participants.tsv
    plan: Plan
    out: Path  # result folder
    encoder: str = "simulated-demo"
    normalisation: str | None = None  # of encoders that leave it open
    by_hand: tuple[tuple[str, str], ...] = ()  # (participant, session) that somebody left out


@dataclass(frozen=True, slots=True)
class Learnt:
    """A judged evaluation with what made it."""

    evaluation: Evaluation
    contenders: tuple[Contender, ...]
    workshop: Workshop
    atlas: Atlas


def find_table(cohort: Path) -> Path:
    """``participants.tsv`` in the folder or beside it; of derivatives, in their data set.

    Raises
    ------
    AppError
        ``cohort.table``.
    """
    places = [cohort, cohort.parent]
    if cohort.absolute().parent.name == "derivatives":
        places.append(cohort.absolute().parent.parent)
    for place in places:
        if (place / TABLE).is_file():
            return place / TABLE
    raise AppError(
        "There is no participants.tsv in the cohort's folder or beside it.",
        "Name it: --table FILE.",
        code="cohort.table",
    )


def learn(
    request: LearnRequest,
    progress: Progress | None = None,
    then: Mapping[str, float] | None = None,
) -> Learnt:
    """Read, lock, label, evaluate, judge, write; goes on where an earlier run was stopped.

    Models that the cohort cannot feed are left out and told as deviations; the headline is not.
    Covariate-only models that the plan leaves out are judged beside its own (`gate_rivals`).
    `then` holds the weights of stages that the caller lets follow.

    Raises
    ------
    AppError
        Whatever is wrong with plan, people, labels or models, in one sentence.
    """
    progress = progress or Progress()
    plan = request.plan
    refuse_unknown_models(plan.models.names)
    with progress.stage("read"):
        people = read_cohort(request.cohort, request.table, plan, progress, by_hand=request.by_hand)
        cohort = label_cohort(people, people.lock(plan, request.out))
        atlas = find_atlas(plan.recipe.atlas)
        _refuse_parcels(cohort, atlas)
    workshop = workshop_of(cohort, atlas, request)
    contenders, cohort = contenders_of(cohort, workshop)
    contenders += gate_rivals(contenders, workshop)
    progress.set_weights(_weights(contenders, plan) | dict(then or {}))
    with work_kept(request.out):
        found = evaluate(cohort, contenders, request.out, progress)
        found = judged(found, contenders, progress)
        write_evaluation(found)
    return Learnt(found, tuple(contenders), workshop, atlas)


def _weights(contenders: Sequence[Contender], plan: Plan) -> dict[str, float]:
    """Rough shares of the stages; a tangent reference takes longer than all other linear fits."""

    def of(one: Contender) -> float:
        if one.deep:
            return 100.0
        return 30.0 if one.id.startswith("tangent") else 2.0

    repeats = plan.protocol.repeats
    found = {"read": 5.0} | {one.id: repeats * of(one) for one in contenders}
    found["figures"] = 3.0 * len(contenders)
    if plan.protocol.permutations:
        each = of(contenders[0]) if contenders[0].deep else 0.2
        found["permutations"] = plan.protocol.permutations * each
    found["learning curve"] = 0.0 if contenders[0].deep else 5.0 * of(contenders[0])
    return found


def workshop_of(cohort: LabelledCohort, atlas: Atlas, request: LearnRequest) -> Workshop:
    """What the plan's models are made from."""
    place = None
    if needs_encoder(cohort.plan.models.names):
        place = encoder_place(request.encoder, atlas, normalisation=request.normalisation)
    frames = min(len(one.scan.cleaned) for one in cohort.people)
    return Workshop(
        cohort.covariate_names,
        cohort.repetition_time_s,
        place,
        request.out / "private" / CACHE,
        minimum_frames=min(100, frames),
        harmonise=cohort.plan.recipe.harmonise,
    )


def contenders_of(
    cohort: LabelledCohort, workshop: Workshop
) -> tuple[list[Contender], LabelledCohort]:
    """The plan's models, and the cohort with a deviation for each that cannot be made."""
    from dataclasses import replace

    from app.cohort.learn.plan_lock import Deviation

    headline, *rivals = cohort.plan.models.names
    found, left_out = [workshop.contender(headline)], list(cohort.deviations)
    for name in rivals:
        try:
            one = workshop.contender(name)
        except AppError as error:
            left_out.append(Deviation("models.rivals", name, "left out", error.message))
            continue
        if one.id not in [other.id for other in found]:
            found.append(one)
    return found, replace(cohort, deviations=tuple(left_out))


def _refuse_parcels(cohort: LabelledCohort, atlas: Atlas) -> None:
    parcels = cohort.people[0].scan.connectivity.shape[0]
    if parcels != len(atlas.parcel_names):
        raise AppError(
            f"The scans have {parcels} parcels; {atlas.name} has {len(atlas.parcel_names)}.",
            "Name the atlas of the scans in the plan.",
            code="cohort.mixed",
        )
