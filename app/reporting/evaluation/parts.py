"""What the sections of an evaluation's report share."""

from __future__ import annotations

from app.reporting.blocks import (
    Block,
    Heading,
    Section,
    Table,
    Text,
)
from app.reporting.evaluation.facts import (
    Estimate,
    EvaluationFacts,
    PlainTable,
)
from app.reporting.figures.evaluation import (
    plain_text,
    signed_text,
)

WIDTH_MM = 180.0
NO_PART = "This evaluation did not compute it."
NAMES = {
    "calibration": "calibration plot", "confusion": "confusion matrix",
    "decision": "decision curve", "learning": "learning curve",
    "groups": "figures by site and sex", "confounds": "confound checks",
    "permutation": "permutation test", "screening": "screening figures",
    "conformal": "conformal sets",
}  # fmt: skip


def nothing_of(facts: EvaluationFacts, title: str, parts: tuple[str, ...]) -> Section | None:
    """One sentence where no part of a section is there, all for one reason."""
    reasons = {why(facts, part) for part in parts}
    if len(reasons) > 1 or any(getattr(facts, part) for part in parts):
        return None
    names = ", ".join(NAMES[part] for part in parts)
    return Section(title, (Text(f"Not shown: {names}. {reasons.pop()}"),), flows=True)


def why(facts: EvaluationFacts, part: str) -> str:
    """Why a part is not shown."""
    return facts.missing.get(part, NO_PART)


def estimate_text(one: Estimate, digits: int = 2, *, signed: bool = False) -> str:
    """ "0.62 (0.51 to 0.73)"; a dash where nothing could be computed."""
    if one.value != one.value:
        return "–"
    words = signed_text if signed else plain_text
    if one.low is None or one.high is None:
        return words(one.value, digits)
    return f"{words(one.value, digits)} ({words(one.low, digits)} to {words(one.high, digits)})"


def plain_blocks(table: PlainTable) -> list[Block]:
    """Heading and table."""
    widths = table.widths or (1.6, *[1.0] * (len(table.header) - 1))
    align = table.align or "l" + "r" * (len(table.header) - 1)
    return [Heading(table.title), Table(table.header, table.rows, widths, align, table.caption)]
