"""Page 4: the model's card in short, how the numbers were made, what deviated, what was found."""

from __future__ import annotations

from app.core import wording
from app.core.progress import stage_words
from app.core.results import PREPROCESSING, REQUEST, Case, ModelSummary, Provenance
from app.reporting.blocks import Block, Fields, Heading, Missing, Section, Table, Text
from app.reporting.context import TIME_KEYS, ReportContext
from app.reporting.sections.quality import severity_rank

LONGEST = 240  # characters of one parameter

SHOWN_SECONDS = 0.05  # a shorter stage would read 0.0


def build(context: ReportContext) -> Section:
    """Card extract, provenance, deviations and overrides, findings."""
    case = context.case
    prediction = case.prediction
    model = prediction.model if prediction else None
    blocks: list[Block] = [Heading("Model card, extract")]
    blocks.append(Missing("Model card", wording.NO_MODEL_REASON) if model is None else _card(model))
    blocks += [Heading("Deviations and overrides"), *_deviations(context)]
    blocks.append(Heading("Findings"))
    blocks.append(_findings(case))
    blocks.append(Heading("Provenance"))
    if case.provenance is None:
        blocks.append(Missing("Provenance", "This case carries no provenance."))
    else:
        blocks += _provenance(context, case.provenance)
    blocks.append(Text(wording.PSEUDONYM_NOTE + " " + wording.NOT_A_DEVICE, "caption"))
    return Section("Model and provenance", tuple(blocks))


def _card(model: ModelSummary) -> Fields:
    responders = int(model.score_counts_responder.sum())
    others = int(model.score_counts_non_responder.sum())
    low, high = model.auroc_interval
    rows = [
        ("Model", _identity(model)),
        ("Intended use", f"{wording.RUO_LINE}. {wording.NOT_A_DEVICE}"),
        ("Treatment", wording.treatment_text(model)),
        ("Responder definition", wording.with_signs(model.responder_definition)),
        *_estimand(model),
        ("Population", model.population),
        (
            "Participants",
            f"{model.training_count} {wording.people(model)} in training; "
            f"held-out scores of {responders} who met the definition and {others} who did not",
        ),
        ("Base rate", f"{wording.percent(model.base_rate)}"),
        ("Cut-off", f"{wording.percent(model.cutoff)}, {model.cutoff_source}"),
        (
            "Held-out AUROC",
            f"{model.auroc:.2f} (95 % interval {low:.2f} to {high:.2f}); "
            f"covariates only {model.covariate_auroc:.2f}",
        ),
        ("Gain over covariates", f"{wording.gain_text(model)}."),
        *([("95 % interval", model.interval_method)] if model.interval_method else []),
        *([("External test", model.external_test)] if model.external_test else []),
        ("Control arm", wording.control_arm_sentence(model)),
        (
            "Limits and known failures",
            wording.limits_sentences(model) or "none stated",
        ),
    ]
    return Fields(tuple(rows), columns=1)


def _identity(model: ModelSummary) -> str:
    parts = [model.model_id, f"weights {wording.short_hash(model.weights_sha256)}"]
    if model.card_sha256:
        parts.append(f"card {wording.short_hash(model.card_sha256)}")
    if model.mode:
        parts.append(f"mode {model.mode}")
    return ", ".join(parts)


def _estimand(model: ModelSummary) -> list[tuple[str, str]]:
    """What the label means; cases written before cards said so have none."""
    if not model.estimand:
        return []
    return [
        ("Estimand", model.estimand),
        ("Rescue medication, drop-out", f"{model.rescue_medication}; {model.drop_out}"),
    ]


def _deviations(context: ReportContext) -> list[Block]:
    prediction = context.case.prediction
    lines = []
    if prediction is not None and prediction.research_only:
        lines.append(
            "Override: computed in research mode although a requirement is not met. "
            + wording.sentences(map(wording.bare_reason, prediction.reasons))
        )
    if context.case.scan.simulated:
        lines.append("The scan was written by this program's simulator; no person was scanned.")
    return [Text(line) for line in lines] or [Text("None.")]


def _findings(case: Case) -> Block:
    if not case.findings:
        return Text("None.")
    return Table(
        ("Weight", "What was noticed", "What to do", "Code"),
        tuple(
            (wording.SEVERITY_WORDS[f.severity], f.message, f.hint or "–", f.code)
            for f in sorted(case.findings, key=severity_rank)
        ),
        (1.0, 4.6, 3.2, 2.2),
    )


def _flat(parameters: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key in sorted(parameters):
        value = parameters[key]
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}: ")
        elif isinstance(value, (list, tuple)):
            rows.append((name, _value(", ".join(_spelled(item) for item in value) or "none")))
        else:
            rows.append((name, _value(value)))
    return rows


def _value(value: object) -> str:
    text = _spelled(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… (whole in the attached JSON)"


def _spelled(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _provenance(context: ReportContext, provenance: Provenance) -> list[Block]:
    case = context.case
    left = [
        ("Report", context.report_id),
        ("Case", case.case_id),
        ("Computed (UTC)", context.computed_utc or "not recorded"),
        *([("Written (UTC)", context.printed_utc)] if context.printed_utc else []),
        ("Language", "English"),
        ("Program", f"NeuroResponder {provenance.app_version}"),
        ("Device, threads", f"{provenance.device}, {provenance.threads}"),
        ("Seeds", ", ".join(f"{k} {v}" for k, v in sorted(provenance.seeds.items())) or "none"),
        ("Stage seconds", _seconds(provenance)),
        ("Participant (UUID)", case.participant.uuid),
        ("Attached JSON SHA-256", context.record_sha256),
        ("Scan SHA-256", case.scan.sha256),
    ]
    left += [(f"{k} SHA-256", v) for k, v in sorted(provenance.hashes.items()) if k != "scan"]
    # The record of every step (keys, counts, scores) stands in the attached JSON; here it would
    # bury what a reader looks for.
    left_out = (PREPROCESSING, REQUEST, *TIME_KEYS)  # the time stands above
    printed = {key: item for key, item in provenance.parameters.items() if key not in left_out}
    parameters = tuple(_flat(printed)) or (("Parameters", "none"),)
    return [
        Fields(tuple(left), columns=2),
        Heading("Parameters as executed"),
        Fields(parameters, columns=3, label_share=0.5),
        Heading("Versions"),
        Fields(tuple(sorted(provenance.versions.items())), columns=3, label_share=0.34),
    ]


def _seconds(provenance: Provenance) -> str:
    """Seconds of each stage that was done; older cases list slice timing also where it was not."""
    made = provenance.parameters.get(PREPROCESSING)
    corrected = isinstance(made, dict) and made.get("slice_timing_reference_s") is not None
    return (
        ", ".join(
            f"{stage_words(name)} {seconds:.1f}"
            for name, seconds in provenance.stage_seconds.items()
            if seconds >= SHOWN_SECONDS and (corrected or name != "slice_timing")
        )
        or "not recorded"
    )
