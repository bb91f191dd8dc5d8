"""A model card as a page: sections of named lines, limitations first; the same for all readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core import wording
from app.models.card import Card
from app.models.card_schema import GAIN_TABLE

Line = tuple[str, str]  # name, value
INTERVAL = "_interval"
COVARIATE_NAMES = {
    "age_years": "age",
    "sex_female": "sex",
    "mean_fd_mm": "motion (mean FD)",
    "baseline_pain": "baseline pain",
}
_ABBREVIATIONS = {"auroc": "AUROC", "mcc": "MCC"}


@dataclass(frozen=True, slots=True)
class CardSection:
    """One titled part of the page."""

    title: str
    lines: tuple[Line, ...]


def card_page(card: Card) -> tuple[CardSection, ...]:
    """The whole card, in the order in which it should be read."""
    return (
        CardSection("Limitations", _limitations(card)),
        CardSection("What it answers", _answers(card)),
        CardSection("Who it was made from", _people(card)),
        CardSection("How well it did", _figures(card)),
        CardSection("What a scan must be", _contract(card)),
        CardSection("How it computes", _computation(card)),
        CardSection("Where it comes from", _origin(card)),
    )


def page_text(card: Card, width: int = 96) -> list[str]:
    """The page as lines for a terminal."""
    import textwrap

    lines = [f"{card.fields.model.id} - {card.fields.model.use}"]
    if card.fields.model.simulated:
        lines.append("Made from simulated people: it says nothing about any person.")
    for section in card_page(card):
        lines += ["", section.title, "-" * len(section.title)]
        room = max((len(name) for name, _ in section.lines), default=0) + 2
        for name, value in section.lines:
            lines += textwrap.wrap(
                value, width, initial_indent=name.ljust(room), subsequent_indent=" " * room
            ) or [name]
    return lines


def _limitations(card: Card) -> tuple[Line, ...]:
    lines = [(f"{number}", text) for number, text in enumerate(card.fields.model.limitations, 1)]
    reason = card.fields.unearned
    if reason:
        words = reason.removeprefix("Withheld: ")
        lines.insert(0, ("Shows no number", words[:1].upper() + words[1:]))
    return tuple(lines)


def _answers(card: Card) -> tuple[Line, ...]:
    fields, responder = card.fields, card.fields.responder
    unit = "%" if responder.unit == "percent" else "points"
    return (
        ("Treatment", fields.treatment.drug),
        ("Dose and route", card.summary.dose_and_route),
        ("Arm", fields.treatment.arm),
        ("Comparator", fields.treatment.comparator),
        ("Control arm", wording.control_arm_sentence(card.summary)),
        ("Responder", wording.with_signs(responder.text)),
        (
            "In parts",
            f"{responder.scale}; {responder.direction} {responder.threshold:g} {unit}; "
            f"{responder.time_point}",
        ),
        ("Estimand", fields.estimand.statement),
        ("Rescue medication", fields.estimand.rescue_medication),
        ("Drop-out", fields.estimand.drop_out),
        ("Cut-off", f"{wording.percent(fields.protocol.cutoff)}, {fields.protocol.cutoff_source}"),
    )


def _people(card: Card) -> tuple[Line, ...]:
    fields, training = card.fields, card.fields.training
    low, high = fields.population.age_range_years
    sites = ", ".join(
        site.name + (f" ({site.count})" if site.count is not None else "")
        for site in training.sites
    )
    return (
        ("Population", fields.population.description),
        ("Age", f"{low:g} to {high:g} years"),
        (
            "Training",
            f"{training.count} people, {training.responders} responders "
            f"(base rate {wording.percent(card.summary.base_rate)})",
        ),
        (
            "Held out",
            f"{training.held_out_count} people, {training.held_out_responders} responders",
        ),
        ("Sites", sites),
        ("External test", training.external_test),
        ("Reference series", f"{fields.references.kind.replace('_', ' ')}: "
                             f"{fields.references.text}"),
    )  # fmt: skip


def _figures(card: Card) -> tuple[Line, ...]:
    fields = card.fields
    gain = fields.metrics.get(GAIN_TABLE, {})
    first = [
        (
            "Gain over covariates",
            _gain_text(gain) if gain else "not measured: the model shows no number",
        )
    ]
    tables = [fields.protocol.headline, fields.protocol.rival]
    tables += [name for name in fields.metrics if name not in (*tables, GAIN_TABLE)]
    lines = [(_words(name), _table_text(fields.metrics[name])) for name in tables]
    return (
        *first,
        *lines,
        (
            "Calibration",
            f"{fields.calibration.method}; slope {wording.number(fields.calibration.slope)}, "
            f"intercept {wording.number(fields.calibration.intercept)}",
        ),
        ("Interval", fields.uncertainty.method),
        ("Conformal set", _conformal(card)),
        ("Protocol", fields.protocol.description),
        ("Split", fields.protocol.split),
    )


def _conformal(card: Card) -> str:
    found = card.fields.conformal
    if found is None:
        return "none: the card holds no calibration scores for one"
    low, high = found.coverage_range
    return (
        f"level {found.level:g}; responder from {found.responder_from:.2f}, non-responder to "
        f"{found.non_responder_to:.2f}; {found.calibration_responders} and "
        f"{found.calibration_non_responders} people; coverage {low:.2f} to {high:.2f} (95 %); "
        f"{found.source}"
    )


def _contract(card: Card) -> tuple[Line, ...]:
    contract = card.contract
    limits = "; ".join(
        f"{name} passes to {pair[0]:g}, withheld beyond {pair[1]:g}"
        for name, pair in contract.quality_limits.items()
    )
    required = ", ".join(COVARIATE_NAMES[name] for name in card.fields.covariates.required)
    return (
        (
            "Atlas",
            f"{contract.atlas}, {contract.parcel_count} parcels, "
            f"file {wording.short_hash(contract.atlas_sha256)}, "
            f"order {wording.short_hash(contract.parcel_order_sha256)}",
        ),
        ("Template", contract.template),
        ("Cleaning preset", contract.preset),
        ("Task", ", ".join(contract.tasks)),
        (
            "Repetition time",
            f"{contract.repetition_time_s:g} s, give or take "
            f"{contract.repetition_time_tolerance_s:g} s; policy "
            f"'{contract.repetition_time_policy}'",
        ),
        (
            "Length",
            f"at least {contract.minimum_frames} frames; windows of {contract.window_frames}, "
            f"{contract.window_rule}",
        ),
        (
            "Normalisation",
            f"{contract.normalisation}, {contract.series_scale_percent:g} %; "
            f"{contract.normalisation_origin}",
        ),
        ("Connectivity", f"{contract.connectivity_kind}; {contract.connectivity}"),
        ("Missing parcels", f"at most {contract.maximum_missing_parcels}"),
        ("Needed covariates", required or "none"),
        ("Quality limits", limits or "those of the program"),
        (
            "Novelty",
            f"{card.fields.novelty.method}; limit at the "
            f"{card.fields.novelty.limit_percentile:g}th percentile",
        ),
    )


def _computation(card: Card) -> tuple[Line, ...]:
    fields, encoder = card.fields, card.fields.encoder
    lines = [("Architecture", f"{fields.model.architecture}, mode {fields.model.mode}")]
    if encoder is None:
        lines.append(("Encoder", "none"))
    else:
        where = "in this bundle" if encoder.source == "bundled" else "installed by the user"
        lines += [
            (
                "Encoder",
                f"{encoder.name}, family {encoder.family}, {where}, "
                f"hash {wording.short_hash(encoder.sha256)}, licence {encoder.licence}",
            ),
            ("Token order", f"{encoder.token_order}, {encoder.permutations} permutation(s)"),
            ("CLS layer", encoder.cls_layer),
            ("Features", encoder.features),
        ]
    return (
        *lines,
        ("Same bits", fields.reproducibility.statement),
        (
            "Devices agree within",
            f"{fields.reproducibility.probability_tolerance:g} in probability",
        ),
        (
            "Covariate-only rival",
            ", ".join(COVARIATE_NAMES[name] for name in fields.covariates.names),
        ),
    )


def _origin(card: Card) -> tuple[Line, ...]:
    fields = card.fields
    seeds = ", ".join(f"{_words(name)} {value}" for name, value in fields.seeds.items())
    versions = ", ".join(f"{name} {value}" for name, value in fields.versions.items())
    return (
        ("Licence", fields.model.licence),
        ("Use", fields.model.use),
        ("Weights, SHA-256", fields.weights.sha256),
        ("Card, SHA-256", card.sha256),
        ("Seeds", seeds or "none"),
        ("Versions", versions or "not stated"),
    )


def _words(name: str) -> str:
    text = " ".join(_ABBREVIATIONS.get(one, one) for one in name.split("_"))
    return text[:1].upper() + text[1:]


def _table_text(table: Mapping[str, Any]) -> str:
    """Figures of one table in one line; lists of settings are left to the card itself."""
    shown = [
        key
        for key, value in table.items()
        if isinstance(value, int | float) and not key.endswith(INTERVAL)
    ]
    return "; ".join(figure_text(key, table) for key in shown) or "see the card"


def figure_text(key: str, table: Mapping[str, Any]) -> str:
    """ "AUROC 0.78 (95 % interval 0.61 to 0.93)"."""
    name = _words(key)
    text = f"{name} {_number(table[key])}"
    interval: Sequence[float] | None = table.get(key + INTERVAL)
    if interval is not None:
        text += f" (95 % interval {_number(interval[0])} to {_number(interval[1])})"
    return text


def _gain_text(table: Mapping[str, Any]) -> str:
    """ "+0.32 in AUROC (95 % interval +0.05 to +0.56)": a difference, with its signs."""
    text = f"{wording.signed(float(table['auroc']))} in AUROC"
    interval: Sequence[float] | None = table.get("auroc" + INTERVAL)
    if interval is None:
        return text
    low, high = (wording.signed(float(end)) for end in interval)
    return f"{text} (95 % interval {low} to {high})"


def _number(value: float) -> str:
    text = f"{value:g}" if isinstance(value, int) or float(value).is_integer() else f"{value:.2f}"
    if 0.0 < abs(value) < 0.1:  # a p value of 0.025 is not 0.03
        text = f"{value:.3f}" if abs(value) >= 0.001 else f"{value:.1g}"
    return text.replace("-", "\N{MINUS SIGN}")
