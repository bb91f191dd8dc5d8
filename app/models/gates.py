"""Why a model may not answer: every gate that is closed, which field closed it, and what to do.

Each gate is one function in `GATES` (answered before anything is computed) or `SHAPES` (without
these nothing can be computed, not even in research mode). A closed gate gives a sentence that
begins with "Withheld:", names the field of the card in brackets and says what would lift it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from app.core.arrays import Bools
from app.core.request import Question
from app.core.results import (
    CleanSignals,
    Connectome,
    Finding,
    Novelty,
    Participant,
    QualityReport,
    Scan,
    Severity,
    Verdict,
)
from app.core.wording import limit_text, metric_value
from app.models.card import Card, sha256_of_names
from app.models.covariates import scan_covariates

NOT_FOR_PEOPLE = "Withheld: no model trained on people is installed"
TOO_FEW_GOOD_FRAMES = "scan.too_few_good_frames"  # a finding of the cleaning
COVARIATE_WORDS = {
    "age_years": "the age",
    "sex_female": "the sex (F or M)",
    "mean_fd_mm": "the motion (framewise displacement)",
    "baseline_pain": "the baseline pain",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One scan as the recipe measured it, and what the user says the number shall be about."""

    signals: CleanSignals
    connectome: Connectome
    participant: Participant
    scan: Scan
    quality: QualityReport
    findings: tuple[Finding, ...] = ()
    question: Question = field(default_factory=Question)


Gate = Callable[[Card, Asked], Iterable[str]]


def failed_gates(card: Card, asked: Asked) -> tuple[str, ...]:
    """Reasons that can be given before anything is computed; empty when all gates are open."""
    reasons = [reason for gate in GATES for reason in gate(card, asked)]
    return (*reasons, *_shape_reasons(card, asked))


def computable(card: Card, signals: CleanSignals, connectome: Connectome) -> bool:
    """Whether the model can be run at all, gates aside (research mode)."""
    return not [reason for shape in SHAPES for reason in shape(card, signals, connectome)]


def comparable(card: Card, asked: Asked) -> bool:
    """Whether a scan was made as the model's were, so that its distance from them means something.

    A scan of poor quality or of somebody the model is not for has a distance too.
    """
    same = not [why for gate in (_task, _recipe, _repetition_time) for why in gate(card, asked)]
    return same and computable(card, asked.signals, asked.connectome)


def novelty_gate(novelty: Novelty) -> tuple[str, ...]:
    """The reason when a participant is unlike those the model was made from, or nothing."""
    if novelty.verdict is not Verdict.WITHHELD:
        return ()
    where = f"beyond the {novelty.limit:g}th percentile of the training participants"
    if novelty.percentile <= novelty.limit:  # too few people for a rank beyond the limit
        where = "farther out than every training participant"
    return (f"Withheld: this scan is unlike those the model was made from ({where})",)


# --- what the model is for ---------------------------------------------------------------------


def _purpose(card: Card, asked: Asked) -> Iterable[str]:
    if card.summary.simulated and not asked.scan.simulated:
        yield NOT_FOR_PEOPLE
    if not card.summary.simulated and asked.scan.simulated:
        yield (
            "Withheld: the scan is simulated and the model was made from people "
            "(model.simulated). Ask a model made from simulated people"
        )


def _earned(card: Card, _asked: Asked) -> Iterable[str]:
    """A bundle must earn the right to an individual number."""
    reason = card.fields.unearned
    if reason:
        yield reason


def _question(card: Card, asked: Asked) -> Iterable[str]:
    for name, word, wanted, made in (
        ("treatment.drug", "drug", asked.question.drug, card.fields.treatment.drug),
        ("treatment.arm", "arm", asked.question.arm, card.fields.treatment.arm),
        (
            "responder.time_point",
            "time point",
            asked.question.time_point,
            card.fields.responder.time_point,
        ),
        (
            "responder.text",
            "responder definition",
            asked.question.responder_definition,
            card.fields.responder.text,
        ),
    ):
        if wanted and _plain(wanted) != _plain(made):
            yield (
                f"Withheld: the question names the {word} '{wanted}'; the model was made for "
                f"'{made}' ({name}). Choose a model made for it"
            )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


# --- the participant ---------------------------------------------------------------------------


def _age(card: Card, asked: Asked) -> Iterable[str]:
    age = asked.participant.age_years
    low, high = card.fields.population.age_range_years
    if age is not None and not low <= age <= high:
        yield (
            f"Withheld: the participant is {age:g} years old; the model was made from people of "
            f"{low:g} to {high:g} years (population.age_range_years). Check the age, or choose "
            "another model"
        )


def _covariates(card: Card, asked: Asked) -> Iterable[str]:
    required = tuple(card.fields.covariates.required)
    values = scan_covariates(required, asked.participant, asked.signals)
    for name, value in zip(required, values.tolist(), strict=True):
        if not math.isfinite(value):
            yield (
                f"Withheld: {COVARIATE_WORDS[name]} is not known; the model needs it "
                "(covariates.required). Give it and run again"
            )


# --- the measurement ---------------------------------------------------------------------------


def _quality(card: Card, asked: Asked) -> Iterable[str]:
    quality = asked.quality
    if quality.verdict is Verdict.WITHHELD:
        failed = [m for m in quality.metrics if m.verdict is Verdict.WITHHELD]
        yield from [
            f"Withheld: {metric.label} is {metric_value(metric)} ({limit_text(metric)})"
            for metric in failed
        ] or ["Withheld: the quality report does not allow a number"]
    measured = {metric.name for metric in quality.metrics}
    for name in sorted(set(card.contract.quality_limits) - measured):
        yield (
            f"Withheld: the model limits {name} (contract.quality_limits), which was not "
            "measured. Analyse the scan again from its own file"
        )


def _findings(_card: Card, asked: Asked) -> Iterable[str]:
    for finding in asked.findings:
        if finding.severity is Severity.BLOCKING:
            yield f"Withheld: {finding.message} {finding.hint}".strip()


def _task(card: Card, asked: Asked) -> Iterable[str]:
    task = asked.scan.task
    if task and task.casefold() not in {name.casefold() for name in card.contract.tasks}:
        yield (
            f"Withheld: the scan's task is '{task}'; the model was made from "
            f"{' or '.join(card.contract.tasks)} (contract.tasks). Use a resting-state scan"
        )


def _recipe(card: Card, asked: Asked) -> Iterable[str]:
    contract, signals = card.contract, asked.signals
    for name, what, have, want in (
        ("contract.atlas", "atlas", signals.atlas, contract.atlas),
        ("contract.template", "template", signals.template, contract.template),
        ("contract.preset", "cleaning preset", signals.preset, contract.preset),
    ):
        if have != want:
            yield (
                f"Withheld: the {what} is {have}; the model was made with {want} ({name}). "
                f"Run the analysis again with {want}"
            )
    if signals.atlas == contract.atlas and signals.atlas_sha256 != contract.atlas_sha256:
        found = signals.atlas_sha256[:8] or "not known"
        yield (
            f"Withheld: the atlas file's hash is {found}; the model was made with "
            f"{contract.atlas_sha256[:8]} (contract.atlas_sha256). Install that edition of it"
        )


def _repetition_time(card: Card, asked: Asked) -> Iterable[str]:
    contract, seconds = card.contract, asked.signals.repetition_time_s
    if not abs(seconds - contract.repetition_time_s) <= contract.repetition_time_tolerance_s:
        yield (
            f"Withheld: the repetition time is {seconds:g} s; the model was made with "
            f"{contract.repetition_time_s:g} s (contract.repetition_time_s, policy "
            f"'{contract.repetition_time_policy}'). Use a scan with that repetition time"
        )


GATES: tuple[Gate, ...] = (
    _purpose,
    _earned,
    _question,
    _age,
    _covariates,
    _quality,
    _findings,
    _task,
    _recipe,
    _repetition_time,
)


# --- what must fit for anything to be computed --------------------------------------------------


def _parcels(card: Card, signals: CleanSignals, connectome: Connectome) -> Iterable[str]:
    contract, parcels = card.contract, signals.cleaned.shape[1]
    if parcels != contract.parcel_count or connectome.matrix.shape != (parcels, parcels):
        yield (
            f"Withheld: {parcels} parcels; the model needs {contract.parcel_count} "
            "(contract.parcel_count). Run the analysis again with the model's atlas"
        )
    elif sha256_of_names(signals.parcel_names) != contract.parcel_order_sha256:
        yield (
            "Withheld: the parcels stand in another order than in training "
            "(contract.parcel_order_sha256). Run the analysis again from the scan"
        )


def _length(card: Card, signals: CleanSignals, _connectome: Connectome) -> Iterable[str]:
    frames, least = len(signals.cleaned), card.contract.minimum_frames
    if frames < least:
        yield (
            f"Withheld: {frames} usable frames; the model needs {least} "
            "(contract.minimum_frames). A longer scan would lift this"
        )


def _coverage(card: Card, signals: CleanSignals, connectome: Connectome) -> Iterable[str]:
    if signals.cleaned.shape[1] != len(connectome.matrix):
        return
    lost, most = missing_parcels(signals, connectome), card.contract.maximum_missing_parcels
    missing = int(lost.sum())
    if missing > most:
        yield (
            f"Withheld: {missing} parcels are not covered; at most {most} may be missing "
            "(contract.maximum_missing_parcels). A scan of the whole brain would lift this"
        )
    covered = {name for name, out in zip(signals.networks, lost.tolist(), strict=True) if not out}
    empty = sorted(set(signals.networks) - covered)
    if empty:
        yield f"Withheld: no parcel of the network {empty[0]} is covered"


def _kind(card: Card, _signals: CleanSignals, connectome: Connectome) -> Iterable[str]:
    wanted = card.contract.connectivity_kind
    if connectome.kind != wanted:
        yield (
            f"Withheld: connectivity is '{connectome.kind}', not '{wanted}' "
            "(contract.connectivity_kind). Run the analysis again from the scan"
        )


SHAPES: tuple[Callable[[Card, CleanSignals, Connectome], Iterable[str]], ...] = (
    _parcels,
    _length,
    _coverage,
    _kind,
)


def missing_parcels(signals: CleanSignals, connectome: Connectome) -> Bools:
    """(parcel,) True where the series or the whole row of the matrix is not finite."""
    values = np.asarray(signals.cleaned)
    return np.asarray(
        ~np.isfinite(values).all(axis=0) | ~np.isfinite(connectome.matrix).any(axis=1)
    )


def _shape_reasons(card: Card, asked: Asked) -> tuple[str, ...]:
    shapes, found = list(SHAPES), []
    for finding in asked.findings:
        if finding.code == TOO_FEW_GOOD_FRAMES and _coverage in shapes:
            # Motion left nothing to clean: every parcel is empty, and coverage is not why.
            shapes.remove(_coverage)
            found = [f"Withheld: {finding.message} {finding.hint}".rstrip(" .")]
    found += [r for shape in shapes for r in shape(card, asked.signals, asked.connectome)]
    wrong_size = [reason for reason in found if "contract.parcel_count" in reason]
    return tuple(wrong_size or found)
