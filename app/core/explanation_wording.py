"""Words of an explanation that window and report share, and when its two methods agree poorly."""

from __future__ import annotations

import math

from app.core import wording
from app.core.results import Attribution, ModelSummary

# Below 0.5 the two rank orders share less than a quarter of their variance (0.5 squared), and
# with more than half of the parcels hatched most of the map is in dispute: either way a ranking
# by one method is not supported by the other.
AGREEMENT_LIMIT = 0.5  # Spearman correlation over parcels
DISAGREEING_LIMIT = 0.5  # share of parcels

# Names of the methods, short enough for titles; (b) is the one that is shown unless asked.
METHOD_NAMES = {"scan": "(b) what in the scan mattered", "branches": "(a) what each branch used"}
METHOD_LETTERS = {"scan": "(b)", "branches": "(a)"}
DEFAULT_METHOD = "scan"


def agrees_poorly(attribution: Attribution) -> bool:
    """Whether (a) and (b) tell stories too different to rank regions by either of them."""
    apart = attribution.disagreeing
    share = float(apart.sum()) / apart.size if apart.size else 0.0
    correlation = attribution.agreement
    return (
        not math.isfinite(correlation) or correlation < AGREEMENT_LIMIT or share > DISAGREEING_LIMIT
    )


def agreement_text(attribution: Attribution) -> str:
    """Such as "(a) and (b) agree: Spearman +0.83; 3 of 426 parcels disagree."."""
    apart = attribution.disagreeing
    found = f"Spearman {wording.signed(attribution.agreement)}"
    parcels = f"{int(apart.sum())} of {apart.size} parcels disagree"
    if agrees_poorly(attribution):
        return (
            f"(a) and (b) do not support each other: {found} (limit {AGREEMENT_LIMIT:g}); "
            f"{parcels} (limit {wording.percent(DISAGREEING_LIMIT)})."
        )
    return f"(a) and (b) agree: {found}; {parcels}."


def caption(attribution: Attribution) -> str:
    """What must be read with every map of an explanation: not causal, agreement, colours."""
    return (
        f"{wording.NON_CAUSAL_CAPTION} {agreement_text(attribution)} {wording.ATTRIBUTION_WARNING}"
    )


def limits_text(model: ModelSummary | None) -> str:
    """From how many people the model was made, and where its limits stand in full."""
    if model is None:
        return ""
    return f"Limits: n = {model.training_count}; all on the prediction card."
