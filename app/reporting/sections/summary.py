"""Page 1: who and what was scanned, the outcome, and what must stand beside it."""

from __future__ import annotations

import numpy as np

from app.core import wording
from app.core.conformal_wording import conformal_text
from app.core.coordinates import as_stored
from app.core.reason_wording import NOTHING_ASKED, asked_model
from app.core.reference_wording import SHARES_BRIEF
from app.core.results import Case, ModelSummary, Outcome, Participant, Prediction, Scan
from app.core.sides import UNKNOWN_SENTENCE
from app.reporting.blocks import (
    Band,
    Block,
    Columns,
    Fields,
    Gap,
    Heading,
    Headline,
    Missing,
    Picture,
    Section,
    Table,
    Text,
    WriteIn,
)
from app.reporting.context import ReportContext, minutes
from app.reporting.figures.probability import contribution_figure, probability_figure

_SEX_WORDS = {"F": "female", "M": "male", "O": "other"}


def build(context: ReportContext) -> Section:
    """Summary of a case, with or without a number."""
    case = context.case
    blocks: list[Block] = [Band(wording.RUO_LINE), _scan_facts(case)]
    if case.prediction is None:
        blocks.append(Missing("Prediction", "This case was saved before a prediction was made."))
    elif context.shows_number:
        blocks += _with_number(context, case.prediction)
    else:
        blocks += _withheld(context, case.prediction)
    blocks += [
        Gap(1.0),
        _reader(context),
    ]
    return Section("Participant summary", tuple(blocks))


def _reader(context: ReportContext) -> WriteIn:
    """Comment, name and signature, or that they are missing."""
    note = context.note
    signed = wording.NOT_SIGNED
    if note.signed:
        signed = f"signed in the program {note.signed_utc}, version {note.version}"
        if note.supersedes:
            signed += f"; supersedes report {note.supersedes}"
    name = note.reader or ("not stated" if note.signed else wording.NOT_SIGNED)
    return WriteIn(
        (("Reader's comment", note.comment), ("Name", name), ("Date and signature", signed))
    )


def _scan_facts(case: Case) -> Fields:
    scan, person, signals = case.scan, case.participant, case.signals
    x, y, z = as_stored(scan.voxel_size_mm, scan.storage_orientation)
    stored = as_stored(scan.shape, scan.storage_orientation)
    used = "not reached"
    if signals is not None:
        good = int(np.count_nonzero(signals.good_frames))
        used = (
            f"{good} of {scan.shape[3]} "
            f"({minutes(good, signals.repetition_time_s):g} min; not padded)"
        )
    return Fields(
        (
            ("Participant", person.label),
            ("Visit", person.session or "not stated"),
            ("Site", person.site or "not stated"),
            *_covariates(person),
            ("Scan date", "not kept (a date can identify)"),
            ("Scanner", scan.scanner or "not stated"),
            ("Field", f"{scan.field_strength_t:g} T" if scan.field_strength_t else "not stated"),
            (
                "Repetition time",
                f"{scan.repetition_time_s:g} s (from {scan.repetition_time_source})",
            ),
            ("Task", scan.task or "not stated"),
            ("Matrix", " × ".join(map(str, stored)) if scan.is_image else "no image"),
            ("Voxel", f"{x:g} × {y:g} × {z:g} mm" if scan.is_image else "parcel series only"),
            ("Volumes used", used),
            _order(scan),
        ),
        columns=3,
    )


def _covariates(person: Participant) -> tuple[tuple[str, str], ...]:
    """What the covariates-only estimate was made from, or that it is not stated."""
    age, pain, missing = person.age_years, person.baseline_pain, "not stated"
    return (
        ("Age", missing if age is None else f"{age:g} years"),
        ("Sex", _SEX_WORDS.get(person.sex or "", person.sex or missing)),
        ("Baseline pain", missing if pain is None else f"{pain:g} of 10"),
    )


def _order(scan: Scan) -> tuple[str, str]:
    if not scan.is_image:
        return ("Storage order", "no image")
    if not scan.orientation_known:
        return ("Storage order", UNKNOWN_SENTENCE)
    return ("Storage order", scan.storage_orientation)


def _with_number(context: ReportContext, prediction: Prediction) -> list[Block]:
    model, probability, interval = prediction.model, prediction.probability, prediction.interval
    if model is None or probability is None or interval is None:
        return []
    plot = Picture(
        probability_figure(prediction, 180.0, 54.0),
        180.0,
        54.0,
        alt=(
            f"Estimated probability {wording.probability_text(probability, interval)}; "
            f"{wording.base_rate_text(model)} {wording.cutoff_text(model)}. "
            f"{wording.covariate_text(prediction)}"
        ),
        caption=wording.join(
            (
                wording.base_rate_text(model).rstrip("."),
                wording.cutoff_text(model),
                wording.covariate_text(prediction).rstrip("."),
            )
        ),
    )
    blocks: list[Block] = [
        Headline(
            wording.outcome_word(prediction.outcome),
            # what the number is stands above it; the sentence says where it lies
            wording.cutoff_sentence(prediction)
            if prediction.outcome is Outcome.RESULT
            else wording.outcome_sentence(prediction),
            wording.probability_text(probability, interval),
            wording.PROBABILITY_LABEL,
        ),
        *(Text(reason, "strong") for reason in _open_reasons(prediction)),
        _question(model),
        plot,
        Text(wording.plain_paragraph(prediction), "lead"),
        Text(conformal_text(prediction)),
        Text(wording.control_arm_sentence(model), "strong"),
        Gap(1.0),
        Columns(
            (
                (Heading("Quality"), _quality_row(context)),
                (*_contributions(prediction), *_likeness(prediction)),
            ),
            (1.0, 1.0),
        ),
        Heading("Limits of this model"),
        Text(_limits(model)),
    ]
    return blocks


def _open_reasons(prediction: Prediction) -> tuple[str, ...]:
    """Reasons that nothing else on the page tells: the headline says why it is inconclusive."""
    return () if prediction.outcome is Outcome.INCONCLUSIVE else prediction.reasons


def _withheld(context: ReportContext, prediction: Prediction) -> list[Block]:
    """Fields 2, 3, 7, 8 and the failed gates: nothing of the prediction."""
    case = context.case
    blocks: list[Block] = [
        Headline(wording.outcome_word(prediction.outcome), wording.outcome_sentence(prediction)),
        *(Text(wording.bare_reason(reason), "strong") for reason in prediction.reasons),
        Text(wording.plain_paragraph(prediction, with_reasons=False), "lead"),
    ]
    model = asked_model(case)
    if model is not None:
        blocks.append(_question(model))
    else:
        none = "none: no model for this scan" if prediction.model is None else NOTHING_ASKED
        blocks.append(Fields((("Question", none),), columns=1))
    failed = wording.failed_gates(case.quality)
    blocks.append(Heading("Requirements that are not met"))
    if failed:
        blocks.append(
            Table(
                ("Requirement", "Value", "Limit", "Source of the limit"),
                tuple(
                    (m.label, wording.metric_value(m), wording.limit_text(m), m.source)
                    for m in failed
                ),
                (3.2, 1.4, 2.6, 2.8),
            )
        )
    else:
        blocks.append(Text("No quality requirement failed; the reason is given above."))
    blocks += [Heading("Quality"), _quality_row(context)]
    blocks += _likeness(prediction)
    return blocks


def _question(model: ModelSummary) -> Fields:
    return Fields(
        (
            (
                "Question",
                f"{wording.treatment_text(model)}: probability of meeting the responder definition",
            ),
            ("Responder definition", wording.with_signs(model.responder_definition)),
            ("Learned from", f"{model.population} (n = {model.training_count})"),
        ),
        columns=1,
    )


def _quality_row(context: ReportContext) -> Block:
    """Field 7: the numbers a reader asks first, and the verdict in a word."""
    case = context.case
    if case.quality is None:
        return Missing("Quality", "The quality stage was not reached.")
    rows = [("Verdict", wording.VERDICT_WORDS[case.quality.verdict])]
    wanted = ("fd", "flag", "censor", "usable", "minute", "frames", "snr", "coverage")
    for metric in case.quality.metrics:
        if any(part in metric.name.lower() for part in wanted) and len(rows) < 8:
            word = wording.VERDICT_WORDS[metric.verdict]
            rows.append((metric.label, f"{wording.metric_value(metric)} ({word.lower()})"))
    return Fields(tuple(rows), columns=1, label_share=0.55)


def _likeness(prediction: Prediction) -> list[Block]:
    return [Heading("Likeness"), Text(wording.likeness_text(prediction.novelty))]


def _contributions(prediction: Prediction) -> tuple[Block, ...]:
    """Field 9: signed, in log-odds; exact for a sum of inputs, Shapley values otherwise."""
    head = Heading("Contribution of each input", SHARES_BRIEF)
    if not prediction.contributions:
        return (head, Missing("Contributions", "This model gives no contribution of its inputs."))
    height = 11.0 + 5.0 * (len(prediction.contributions) + 1)
    caption = f"{wording.NON_CAUSAL_CAPTION} The sum is before calibration."
    if not prediction.contributions_exact:
        caption = f"{caption} {wording.SHARES_SHAPLEY}"
    spoken = "; ".join(
        f"{wording.modality_word(key)} {wording.signed(value)}"
        for key, value in prediction.contributions.items()
    )
    return (
        head,
        Picture(
            contribution_figure(prediction.contributions, prediction.log_odds, 87.0, height),
            87.0,
            height,
            alt=f"Signed contributions in log-odds: {spoken}.",
            caption=caption,
        ),
    )


def _limits(model: ModelSummary) -> str:
    first = f"n = {model.training_count}. {wording.metric_text(model)}."
    return f"{first} {wording.limits_sentences(model)}".rstrip()
