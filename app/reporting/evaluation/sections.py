"""Sections of an evaluation's report in reading order: ``build(facts) -> Section | None``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.reporting.blocks import (
    Block,
    Columns,
    Fields,
    Heading,
    Headline,
    Missing,
    Picture,
    Section,
    Table,
    Text,
)
from app.reporting.evaluation.checklist import STATUSES, answered
from app.reporting.evaluation.facts import (
    MODEL,
    Competitor,
    Estimate,
    EvaluationFacts,
    metric_of,
)
from app.reporting.evaluation.facts import Headline as Difference
from app.reporting.evaluation.parts import WIDTH_MM, estimate_text, nothing_of, plain_blocks, why
from app.reporting.evaluation.robustness import robustness, trials
from app.reporting.figures.evaluation import (
    calibration_figure,
    comparison_figure,
    comparison_height_mm,
    confusion_figure,
    decision_figure,
)
from app.reporting.privacy import with_short_paths

HALF_MM = 84.0
RANKING = ("auroc", "balanced_accuracy", "mcc", "sensitivity", "specificity")
PROBABILITY = ("brier", "log_loss", "calibration_slope", "calibration_intercept")
CONTINUOUS = ("r2", "correlation", "mae")
CALIBRATION_NOTE = (
    "In 50 people even a perfectly calibrated model has a slope of about 0.5 to 2.0 by chance (95 "
    "of 100 simulated samples, log-odds with a standard deviation of 1.35), of −0.4 to 2.9 where "
    "probabilities hardly differ (0.4); nothing here is gated on it."
)


def verdict_sentence(difference: Estimate, model: str, baseline: str) -> str:
    """What the interval of the difference allows to be said, and no more."""
    if difference.low is None or difference.high is None:
        return f"{model} minus {baseline}: no interval could be given, so nothing follows."
    if difference.low > 0:
        return f"{model} did better than the best baseline ({baseline}) in these people."
    if difference.high < 0:
        return f"{model} did worse than the best baseline ({baseline}) in these people."
    return (
        f"The interval includes 0: that {model} adds anything to the best baseline "
        f"({baseline}) is not shown."
    )


def result(facts: EvaluationFacts) -> Section:
    """The primary outcome, responder definitions, question, everybody side by side."""
    blocks = _answer(facts)
    rate = (
        f"{facts.responders} of {facts.people} ({100 * facts.base_rate:.0f} %); a probability near "
        "it says little"
    )
    rows = (*facts.question, ("Base rate", facts.base_rates or rate))
    blocks += [Heading("Question"), Fields(rows, 2)]
    metric = facts.headline.metric if facts.headline is not None else "auroc"
    blocks += _side_by_side(facts, facts.competitors, metric)
    failed = [one for one in facts.competitors if one.failed]
    blocks += [Text(f"{one.label}: no figures. {one.failed}", "caption") for one in failed]
    if facts.limitations:
        blocks.append(Heading("Limits"))
        blocks += [Text(sentence) for sentence in facts.limitations]
    return Section("Result", tuple(blocks))


def _answer(facts: EvaluationFacts) -> list[Block]:
    """Headline of the primary outcome, then the responder definitions, then what to mind."""
    blocks: list[Block] = []
    if facts.primary:
        blocks.append(Text(f"Primary outcome: {facts.primary}.", "strong"))
    if facts.headline is None:
        blocks.append(Missing("Difference to the best baseline", why(facts, "headline")))
    else:
        blocks += _headline(facts.headline)
    blocks += [Text(sentence) for sentence in facts.primary_lines]
    if facts.responder is not None:
        blocks.append(Heading("Secondary: responder definitions"))
        blocks += _headline(facts.responder)
    if facts.definitions is not None:
        table = facts.definitions
        blocks.append(
            Table(table.header, table.rows, table.widths, table.align, table.caption)
        )  # fmt: skip
    return blocks + [Text(sentence) for sentence in facts.summary]


def result_lines(facts: EvaluationFacts) -> list[str]:
    """The first page's answer for a terminal: primary outcome, differences, what they mean."""
    lines = [f"Primary outcome: {facts.primary}."] if facts.primary else []
    if facts.headline is None:
        lines.append(f"Difference to the best baseline: {why(facts, 'headline')}")
    else:
        lines.append(_difference_line(facts.headline))
    lines += facts.primary_lines
    if facts.responder is not None:
        lines.append(f"Secondary, responder definitions: {_difference_line(facts.responder)}")
    return [*lines, *facts.summary]


def _difference_line(head: Difference) -> str:
    kind = metric_of(head.metric)
    sentence = head.sentence or verdict_sentence(head.difference, head.model, head.baseline)
    figure = estimate_text(head.difference, kind.digits, signed=True)
    return f"{sentence} Difference in {kind.label}: {figure}, {head.label}."


def _headline(head: Difference) -> list[Block]:
    kind = metric_of(head.metric)
    return [
        Headline(
            f"Difference in {kind.label}",
            head.sentence or verdict_sentence(head.difference, head.model, head.baseline),
            estimate_text(head.difference, kind.digits, signed=True),
            head.label,
        ),
        Text(f"Interval: {head.method}", "caption"),
    ]


def _side_by_side(
    facts: EvaluationFacts, competitors: Sequence[Competitor], metric: str
) -> list[Block]:
    shown = [one for one in competitors if metric in one.estimates]
    if not shown:
        return []
    return [
        Heading("Everybody side by side", f"{metric_of(metric).label}; same people, same folds"),
        Picture(
            comparison_figure(shown, metric, WIDTH_MM),
            WIDTH_MM,
            comparison_height_mm(shown, metric, WIDTH_MM),
            f"{metric_of(metric).label} with 95 % intervals of {len(shown)} models and "
            "baselines, and the main model's difference to each; the numbers stand in the "
            "section All metrics.",
            facts.colours,
        ),
        *([Text(f"{facts.intervals}.", "caption")] if facts.intervals else []),
    ]


def experiment(facts: EvaluationFacts) -> Section | None:
    """Tables of an experiment, or further ones of an evaluation."""
    if not facts.tables:
        return None
    blocks: list[Block] = []
    for table in facts.tables:
        blocks += plain_blocks(table)
    return Section("Tables", tuple(blocks), flows=True)


def metrics(facts: EvaluationFacts) -> Section | None:
    """All figures of everybody."""
    blocks: list[Block] = []
    if not any(one.estimates for one in facts.competitors):
        return None
    groups = (
        ("Ranking and decisions", RANKING),
        ("Probabilities", PROBABILITY),
    )
    change = (("Continuous outcome", CONTINUOUS),)
    for title, wanted in (*change, *groups) if facts.primary else (*groups, *change):
        used = [name for name in wanted if any(name in one.estimates for one in facts.competitors)]
        if not used:
            continue
        header = ("Model or baseline", *(metric_of(name).label for name in used))
        rows = tuple(
            _metric_row(one, used)
            for one in facts.competitors
            if any(name in one.estimates for name in used)
        )
        meanings = "; ".join(
            f"{metric_of(name).label}: {metric_of(name).meaning}"
            for name in used
            if metric_of(name).meaning
        )
        blocks += [
            Heading(title, "95 % intervals"),
            Table(header, rows, (1.7, *[1.25] * len(used)), "l" + "r" * len(used),
                  f"Main and other models first, marked •. {meanings}."),
        ]  # fmt: skip
    if facts.responder is not None:
        own = [replace(one, difference=one.responder_difference) for one in facts.competitors]
        blocks += _side_by_side(facts, own, facts.responder.metric)
    elif facts.intervals:
        blocks.append(Text(f"{facts.intervals}.", "caption"))
    return Section("All metrics", tuple(blocks), flows=True)


def _metric_row(one: Competitor, used: list[str]) -> tuple[str, ...]:
    mark = "• " if one.role == MODEL else ""
    cells = [
        estimate_text(one.estimates[name], metric_of(name).digits) if name in one.estimates else "–"
        for name in used
    ]
    return (mark + one.label, *cells)


def probabilities(facts: EvaluationFacts) -> Section:
    """Calibration, decisions, decision curve."""
    nothing = nothing_of(
        facts, "Probabilities and decisions", ("calibration", "confusion", "decision")
    )
    if nothing is not None:
        return nothing
    blocks: list[Block] = []
    left: Block = Missing("Calibration plot", why(facts, "calibration"))
    right: Block = Missing("Confusion matrix", why(facts, "confusion"))
    main = facts.main()
    name = main.label if main else "the main model"
    if facts.calibration is not None:
        left = Picture(
            calibration_figure(facts.calibration, facts.base_rate, HALF_MM),
            HALF_MM,
            HALF_MM + 14.0,
            f"Observed share of responders by predicted probability in "
            f"{len(facts.calibration.predicted)} groups, with exact intervals.",
            f"{name}. Dot size: people in the group. Lines: exact 95 % interval of the share.",
        )
    if facts.confusion is not None:
        found = facts.confusion
        right = Picture(
            confusion_figure(found, HALF_MM),
            HALF_MM,
            HALF_MM + 2.0,
            f"{found.true_positive:.3g} responders and {found.true_negative:.3g} non-responders "
            f"decided rightly, {found.false_negative:.3g} responders and "
            f"{found.false_positive:.3g} non-responders wrongly.",
            f"Cut-off {100 * found.cutoff:.0f} %: {found.cutoff_origin}.",
        )
    blocks.append(Columns(((left,), (right,)), (1.0, 1.0)))
    if main is not None and "calibration_slope" in main.estimates:
        slope = estimate_text(main.estimates["calibration_slope"])
        intercept = main.estimates.get("calibration_intercept")
        text = f"Calibration slope {slope}"
        text += f", intercept {estimate_text(intercept)}." if intercept else "."
        blocks.append(Text(f"{text} {CALIBRATION_NOTE}"))
    if facts.decision is None:
        blocks.append(Missing("Decision curve", why(facts, "decision")))
    else:
        blocks.append(
            Picture(
                decision_figure(facts.decision, WIDTH_MM, 62.0),
                WIDTH_MM,
                62.0,
                "Net benefit by threshold probability of the models, of treating everybody and of "
                "treating nobody.",
                "A model helps only where its line lies above both 0 and everybody. Research use "
                "only: no treatment is decided by it.",
            )
        )
    return Section("Probabilities and decisions", tuple(blocks), flows=True)


def protocol(facts: EvaluationFacts) -> Section:
    """Plan, deviations, protocol, provenance, command."""
    blocks: list[Block] = [Heading("Locked analysis plan")]
    plan = facts.plan
    if plan is None or not plan.sha256:
        blocks.append(Text(facts.no_plan, "strong"))
    else:
        blocks.append(
            Fields(
                (("SHA-256", plan.sha256), ("Recorded (UTC)", plan.recorded_utc or "not known")), 1
            )
        )
        if plan.settings:
            blocks.append(Fields(plan.settings, 2))
    deviations = plan.deviations if plan else ()
    if plan is not None:
        blocks.append(Heading("Deviations from the plan"))
    if plan is not None and not deviations:
        blocks.append(Text("None."))
    blocks += [Text(f"{number}. {text}") for number, text in enumerate(deviations, start=1)]
    if facts.protocol:
        blocks += [Heading("Protocol"), Fields(facts.protocol, 1, 0.22)]
    if facts.provenance:
        blocks += [Heading("Made from and by"), Fields(facts.provenance, 1, 0.22)]
    blocks += [
        Heading("The command that made this report"),
        Text(with_short_paths(facts.command), "strong"),
        Text("Paths are shortened to their last name; in full it stands in the file command.txt "
             "beside this report.", "caption"),
    ]  # fmt: skip
    return Section("Plan, protocol and command", tuple(blocks), flows=True)


def checklist(facts: EvaluationFacts) -> Section:
    """TRIPOD+AI, item by item."""
    found = answered(facts.answers)
    counts = {status: sum(one.status == status for one in found) for status in STATUSES}
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    rows = tuple((one.item.number, one.item.asks, one.status, one.text) for one in found)
    return Section(
        "TRIPOD+AI checklist",
        (
            Text(
                f"{said}. Items in this program's words; the published checklist (BMJ 2024;385:"
                "e078378) holds the full text.",
                "caption",
            ),
            Table(("Item", "Asks for", "Status", "Where or what"), rows, (0.45, 2.4, 1.05, 3.6)),
        ),
    )


EVALUATION_SECTIONS: tuple[Callable[[EvaluationFacts], Section | None], ...] = (
    result,
    experiment,
    metrics,
    probabilities,
    robustness,
    trials,
    protocol,
    checklist,
)
