"""Words of an explanation that window and report share, and when its two methods agree poorly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from app.core import wording
from app.core.arrays import Floats
from app.core.explanation_health import (
    RANDOM_WEIGHTS,
    REPEAT_KINDS,
    SANITY_LIMIT,
    SHUFFLED_LABELS,
    ExplanationHealth,
    Sensitivity,
)
from app.core.reference_wording import reference_of, references_text
from app.core.results import Attribution, BranchAttribution, CleanSignals, ModelSummary

# Below 0.5 the two rank orders share less than a quarter of their variance (0.5 squared), and
# with more than half of the parcels hatched most of the map is in dispute: either way a ranking
# by one method is not supported by the other.
AGREEMENT_LIMIT = 0.5  # Spearman correlation over parcels
DISAGREEING_LIMIT = 0.5  # share of parcels
# "Agree" is said only where the rank orders share half of their variance (0.71 squared) and no
# more parcels disagree than a map shows unless asked (a tenth); between is "in part".
AGREEING_CORRELATION = 0.71
AGREEING_SHARE = 0.1

# Names of the methods, short enough for titles; (b) is the one that is shown unless asked.
METHOD_NAMES = {"scan": "(b) what in the scan mattered", "branches": "(a) what each branch used"}
METHOD_LETTERS = {"scan": "(b)", "branches": "(a)"}
DEFAULT_METHOD = "scan"
ANSWER_BASELINE = "mean over all references"  # of the map (b) that belongs to the answer

SUPPRESSOR_CAPTION = (
    "A region can matter to the model only because it cancels noise that others carry."
)
# Health over maps, wall-clock: on the demonstration participant (two windows, four references)
# baselines take 0.34 of what the maps take, each of 2 windows 0.08, of 2 token orders 0.16, of
# 2 halves 0.03, of 5 models that know nothing 0.14.
HEALTH_PER_MAPS = 1.6
# There, too: the variants took 22.9 s where the answer took 0.98 s, the summary 17.4 s after them.
VARIANTS_PER_ANSWER = 24.0
SUMMARY_SECONDS = 20.0
NOT_JUDGED = "Stability over repeats is not computed yet."
KIND_WORDS = {
    "baselines": "Baselines",
    "windows": "Windows",
    "token orders": "Token orders",
    "split halves": "Split halves",
    RANDOM_WEIGHTS: "Models with random weights",
    SHUFFLED_LABELS: "Models fitted on shuffled labels",
}
VARIANTS_NOTE = (
    "Marked variants of one choice each, before calibration. The model was made with one recipe: "
    "a variant is no answer."
)


def baseline_words(name: str) -> str:
    """What a title, a bar or a column of a map (b) says of another baseline; "" for the answer's.

    Such as "baseline: reference 2 of 4 alone".
    """
    return f"baseline: {name}" if name else ""


def reference_words(attribution: Attribution, baseline: str, *, scan: bool) -> str:
    """What the values of a map are relative to; `scan` for a map (b), `baseline` its own if any."""
    if not scan:
        return reference_of(attribution, "(a)").rstrip(".")
    drawn = reference_of(attribution, "(b)").rstrip(".")
    return f"{drawn}; {baseline or ANSWER_BASELINE}"


def titled(title: str, baseline: str) -> str:
    """A title with the baseline that its map was drawn from, where it is not the answer's."""
    return f"{title}, {baseline_words(baseline)}" if baseline else title


def headed(title: str, baseline: str) -> str:
    """The same for a head line with little room: which baseline it is stands below the view."""
    return f"{title}, other baseline" if baseline else title


def seed_text(title: str) -> str:
    """What must be read above a seed map, such as "Seed: 31pv, left", beside an explanation."""
    return (
        f"Slices and surface show {title}: the Pearson correlation of each parcel's signal with "
        "the seed's, not what the model relied on. The rest speaks of the other views."
    )


def other_baseline_text(name: str) -> str:
    """What must be read above maps that are not the answer's own."""
    return (
        f"Map (b) is drawn from another baseline: {name}. It is not the answer's own map "
        f"({ANSWER_BASELINE}), which the card, the report and the case folder keep."
    )


def agrees_poorly(attribution: Attribution) -> bool:
    """Whether (a) and (b) tell stories too different to rank regions by either of them."""
    apart = attribution.disagreeing
    share = float(apart.sum()) / apart.size if apart.size else 0.0
    correlation = attribution.agreement
    return (
        not math.isfinite(correlation) or correlation < AGREEMENT_LIMIT or share > DISAGREEING_LIMIT
    )


def agreement_text(attribution: Attribution) -> str:
    """Such as "(a) and (b) agree: Spearman +0.83; 3 of 426 parcels disagree (1 %)."."""
    apart = attribution.disagreeing
    share = float(apart.mean()) if apart.size else 0.0
    found = f"Spearman {wording.signed(attribution.agreement)}"
    parcels = f"{int(apart.sum())} of {apart.size} parcels disagree"
    if agrees_poorly(attribution):
        return (
            f"(a) and (b) do not support each other: {found} (limit {AGREEMENT_LIMIT:g}); "
            f"{parcels} (limit {wording.percent(DISAGREEING_LIMIT)})."
        )
    fully = attribution.agreement >= AGREEING_CORRELATION and share <= AGREEING_SHARE
    word = "agree" if fully else "agree only in part"
    return f"(a) and (b) {word}: {found}; {parcels} ({wording.percent(share)})."


def caption(attribution: Attribution) -> str:
    """What must be read with every map of an explanation: not causal, agreement, colours."""
    return (
        f"{wording.NON_CAUSAL_CAPTION} {SUPPRESSOR_CAPTION} {agreement_text(attribution)} "
        f"{wording.ATTRIBUTION_WARNING}"
    )


def convergence_text(branch: BranchAttribution) -> str:
    """Such as "error 0.0004 in a sum of +0.51 log-odds; last two maps differ by 1.2 %; …".

    It is about numbers only and says nothing about faithfulness.
    """
    change = branch.map_change
    maps = "" if change is None else f"last two maps differ by {100 * change:.1f} %; "
    state = "converged" if branch.converged else "not converged"
    return (
        f"error {wording.number(branch.completeness_error, 2)} in a sum of "
        f"{wording.signed(branch.output_difference)} log-odds; {maps}{branch.nodes} nodes, {state}"
    )


def stability_text(health: ExplanationHealth | None) -> str:
    """How many parcels and connections are unstable, and what becomes of them."""
    if health is None:
        return NOT_JUDGED
    parcels, pairs = health.unstable, health.unstable_connections
    upper = np.triu_indices(len(pairs), 1)
    return (
        f"{int(parcels.sum())} of {parcels.size} parcels and {int(pairs[upper].sum())} of "
        f"{upper[0].size} connections are under the stability limit of {health.limit:g}: "
        "hatched, and left out of the lists."
    )


def repeat_rows(health: ExplanationHealth) -> tuple[tuple[str, str], ...]:
    """(kind, agreement in words) of every kind of repeat, then the sanity checks."""
    rows = []
    for kind in REPEAT_KINDS:
        found = health.of_kind(kind)
        if not found:
            continue
        parcels = [one.agreement for one in found]
        pairs = [one.connections_agreement for one in found]
        rows.append(
            (
                f"{KIND_WORDS[kind]} ({len(found)})",
                f"Spearman {wording.signed(float(np.nanmedian(parcels)))} over parcels, lowest "
                f"{wording.signed(float(np.nanmin(parcels)))}; "
                f"{wording.signed(float(np.nanmedian(pairs)))} over connections",
            )
        )
    for check in health.sanity:
        state = "differs, as it should" if check.passed else "too similar: shows the input"
        rows.append(
            (
                f"{KIND_WORDS[check.kind]} ({check.models})",
                f"similarity {wording.signed(check.similarity)} (limit {SANITY_LIMIT:g}); {state}",
            )
        )
    return (*rows, *(("Not computed", text) for text in health.missing))


def health_rows(
    attribution: Attribution, health: ExplanationHealth | None
) -> tuple[tuple[str, str], ...]:
    """Explanation health as (name, text) rows."""
    rows = [
        ("Method (a) branches", attribution.branches.method),
        ("Convergence (a), numerical only", convergence_text(attribution.branches)),
        ("Method (b) scan", attribution.scan.method),
        ("Convergence (b), numerical only", convergence_text(attribution.scan)),
        ("Agreement of (a) and (b)", agreement_text(attribution)),
        ("Stability", stability_text(health)),
    ]
    if health is not None:
        rows += repeat_rows(health)
    return (*rows, ("Reference", references_text(attribution)))


def brief_health_rows(
    attribution: Attribution, health: ExplanationHealth | None
) -> tuple[tuple[str, str], ...]:
    """The same in four short rows, where methods and repeats stand elsewhere."""
    apart = attribution.disagreeing
    stability = NOT_JUDGED
    if health is not None:
        upper = np.triu_indices(len(health.connection_stability), 1)
        stability = (
            f"{int(health.unstable.sum())} of {health.unstable.size} parcels, "
            f"{int(health.unstable_connections[upper].sum())} of {upper[0].size} connections "
            f"unstable (limit {health.limit:g}): hatched, in no list"
        )
    return (
        ("Convergence (a)", convergence_text(attribution.branches)),
        ("Convergence (b)", convergence_text(attribution.scan)),
        (
            "(a) and (b)",
            f"Spearman {wording.signed(attribution.agreement)} (limit {AGREEMENT_LIMIT:g}); "
            f"{int(apart.sum())} of {apart.size} parcels disagree",
        ),
        ("Stability", stability),
    )


def method_text(attribution: Attribution) -> str:
    """Both methods and what they start from, in one line."""
    return (
        f"Method (a) branches: {attribution.branches.method}. Method (b) scan: "
        f"{attribution.scan.method}; the map is the {ANSWER_BASELINE}. "
        f"{references_text(attribution)} Convergence is numerical "
        "and says nothing about faithfulness."
    )


def health_estimate(stage_seconds: Mapping[str, float]) -> str:
    """How long explanation health will take, judged by what the maps took when they were made."""
    maps = stage_seconds.get("explain", 0.0)
    if maps <= 0.0:
        return "Takes some minutes."
    whole = _rounded(HEALTH_PER_MAPS * maps)
    return f"About {whole}: the maps took {maps:.0f} s where the case was made."


def sensitivity_estimate(stage_seconds: Mapping[str, float]) -> str:
    """How long the variants will take, judged by what one answer took when the case was made."""
    answer = stage_seconds.get("predict", 0.0)
    if answer <= 0.0:
        return "Takes as long as two dozen answers of the model, and the summary after it."
    whole = _rounded(VARIANTS_PER_ANSWER * answer + SUMMARY_SECONDS)
    return f"About {whole}: the answer took {answer:.0f} s where the case was made."


def _rounded(seconds: float) -> str:
    return f"{round(seconds, -1):.0f} s" if seconds < 90 else f"{round(seconds / 60)} min"


def univariate_lines(health: ExplanationHealth, count: int = 5) -> tuple[tuple[str, str], ...]:
    """The features that differ most by themselves."""
    return tuple(
        (
            row.feature,
            f"g {wording.signed(row.difference)}; pattern {wording.signed(row.pattern, 3)}",
        )
        for row in health.univariate[:count]
    )


def sensitivity_text(found: Sensitivity) -> str:
    """How far the log-odds move, and which variants cross the cut-off."""
    values = [one.log_odds for one in found.computed if one.log_odds is not None]
    if not values:
        return "No variant could be computed."
    crossing = "; ".join(f"{one.group.lower()} {one.name}" for one in found.crossing)
    return (
        f"{wording.signed(found.as_made)} as made; {len(values)} variants from "
        f"{wording.signed(min(values))} to {wording.signed(max(values))}; cut-off "
        f"{wording.signed(found.cutoff)}. "
        + (f"On the other side: {crossing}." if crossing else "None crosses the cut-off.")
    )


def card_health_lines(
    attribution: Attribution,
    health: ExplanationHealth | None,
    sensitivity: Sensitivity | None,
    windows: Floats | None,
) -> tuple[str, ...]:
    """Explanation health in a few short lines, for the prediction card."""
    errors = ", ".join(
        f"{letter} {wording.number(branch.completeness_error, 2)}"
        + ("" if branch.converged else " (not converged)")
        for letter, branch in (("(a)", attribution.branches), ("(b)", attribution.scan))
    )
    lines = [
        f"Completeness error, log-odds: {errors}",
        f"(a) and (b): Spearman {wording.signed(attribution.agreement)}; "
        f"{int(attribution.disagreeing.sum())} of {attribution.disagreeing.size} parcels disagree",
    ]
    if health is None:
        lines.append(NOT_JUDGED)
    else:
        each = [
            f"{KIND_WORDS[kind].lower()} "
            + wording.signed(float(np.nanmedian([one.agreement for one in health.of_kind(kind)])))
            for kind in REPEAT_KINDS
            if health.of_kind(kind)
        ]
        lines.append(f"Repeats, Spearman: {', '.join(each)}")
        lines.append(f"{int(health.unstable.sum())} of {health.unstable.size} parcels unstable")
    lines += _spread_lines(sensitivity, windows)
    if sensitivity is not None and sensitivity.computed:
        lines.append(_crossing_line(sensitivity))
    return tuple(lines)


def _crossing_line(found: Sensitivity) -> str:
    """How many variants name the other class, and which; such as "1 of 17 variants crosses …"."""
    count, total = len(found.crossing), len(found.computed)
    if not count:
        return f"None of {total} variants crosses the cut-off"
    named = "; ".join(f"{one.group.lower()} {one.name}" for one in found.crossing)
    verb = "crosses" if count == 1 else "cross"
    return f"{count} of {total} variants {verb} the cut-off: {named}"


def _spread_lines(sensitivity: Sensitivity | None, windows: Floats | None) -> list[str]:
    """Log-odds over windows and token orders, as far as they are known."""
    groups: dict[str, list[float]] = {}
    if windows is not None and np.size(windows) > 1:
        groups["windows"] = np.asarray(windows, float).tolist()
    for one in () if sensitivity is None else sensitivity.computed:
        if one.group == "Token order" and one.log_odds is not None:
            groups.setdefault("token orders", []).append(one.log_odds)
    told = [
        f"{name} {wording.signed(min(values))} to {wording.signed(max(values))}"
        for name, values in groups.items()
    ]
    return [f"Log-odds: {'; '.join(told)}"] if told else []


def frames_map(branch: BranchAttribution, first: int, last: int) -> Floats:
    """(parcel,) what frames `first` to `last` of the series moved; connections have no time."""
    frames = np.asarray(branch.per_parcel_frame)
    if not 0 <= first <= last < frames.shape[1]:
        raise ValueError(f"frames {first} to {last} are not within 0 to {frames.shape[1] - 1}")
    return np.asarray(frames[:, first : last + 1].sum(axis=1))


def frames_text(attribution: Attribution, signals: CleanSignals, first: int, last: int) -> str:
    """Which frames a series map is of, and how coarse it is."""
    start = signals.first_frame
    text = (
        f"Time series only, frames {start + first} to {start + last} (first = 0); connections "
        "have no time axis and are left out."
    )
    patch = attribution.patch_frames
    if patch:
        seconds = patch * signals.repetition_time_s
        text += (
            f" No finer than the model's patches of {patch} frames ({seconds:g} s), and the "
            "filter before them."
        )
    return text


def limits_text(model: ModelSummary | None) -> str:
    """From how many people the model was made, and where its limits stand in full."""
    if model is None:
        return ""
    return f"Limits: n = {model.training_count}; all on the prediction card."
