"""What the explanation is worth and how far the number moves; only where they were computed."""

from __future__ import annotations

from app.core.explanation_health import ExplanationHealth, Sensitivity
from app.core.explanation_wording import (
    SUPPRESSOR_CAPTION,
    VARIANTS_NOTE,
    repeat_rows,
    sensitivity_text,
    stability_text,
    univariate_lines,
)
from app.reporting.blocks import Block, Columns, Fields, Heading, Picture, Section, Table, Text
from app.reporting.context import ReportContext
from app.reporting.figures.sensitivity import sensitivity_figure, sensitivity_height_mm

LEFT_MM, RIGHT_MM = 84.0, 92.0


def build(context: ReportContext) -> Section | None:
    """Left out when there is no number, or neither was computed."""
    case = context.case
    if not context.shows_number or (case.health is None and case.sensitivity is None):
        return None
    blocks: list[Block] = []
    if case.health is not None:
        blocks += _repeats(case.health)
    beside: list[tuple[Block, ...]] = []
    if case.health is not None:
        beside.append(_features(case.health))
    if case.sensitivity is not None:
        beside.append(_variants(case.sensitivity))
    widths = (LEFT_MM, RIGHT_MM) if len(beside) == 2 else (LEFT_MM + RIGHT_MM,)
    blocks.append(Columns(tuple(beside), widths))
    return Section("Explanation: health and sensitivity", tuple(blocks))


def _repeats(health: ExplanationHealth) -> list[Block]:
    rows = tuple(
        (
            f"{one.kind}: {one.name}",
            _spearman(one.agreement),
            _spearman(one.connections_agreement),
            f"{one.output_difference:+.2f}".replace("-", "\N{MINUS SIGN}"),
            f"{one.completeness_error:.4f}",
        )
        for one in health.repeats
    )
    return [
        Text(f"{stability_text(health)} {SUPPRESSOR_CAPTION}", "body"),
        Fields(repeat_rows(health), 1, label_share=0.25),
        Heading("Every repeat", "against the map as shown; log-odds"),
        Table(
            ("Repeat", "Parcels", "Connections", "Difference", "Error of the sum"),
            rows,
            (5.0, 1.2, 1.4, 1.3, 1.7),
            "lrrrr",
            caption=(
                "Parcels, connections: Spearman correlation. Difference: log-odds of the scan "
                "minus those of the baseline. Convergence is numerical and says nothing about "
                "faithfulness."
            ),
        ),
    ]


def _spearman(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def _features(health: ExplanationHealth) -> tuple[Block, ...]:
    head = Heading("Each feature by itself")
    text = Text(health.univariate_text, "caption")
    if not health.univariate:
        return (head, text)
    return (head, Fields(univariate_lines(health, 10), 1, label_share=0.5), text)


def _variants(found: Sensitivity) -> tuple[Block, ...]:
    missing = [one for one in found.variants if one.log_odds is None]
    left_out = "; ".join(f"{one.group}, {one.name}: {one.note.rstrip('.')}" for one in missing)
    return (
        Heading("Sensitivity of the log-odds"),
        Picture(
            sensitivity_figure(found, RIGHT_MM),
            RIGHT_MM,
            sensitivity_height_mm(found),
            alt=f"The number under other choices. {sensitivity_text(found)}",
            caption=f"{sensitivity_text(found)} {VARIANTS_NOTE}",
        ),
        *([Text(f"Not computed: {left_out}", "caption")] if left_out else []),
    )
