"""Sections on what else could explain a result, and on what a score would do to a trial."""

from __future__ import annotations

from app.reporting.blocks import (
    Block,
    Heading,
    Missing,
    Picture,
    Section,
    Table,
    Text,
)
from app.reporting.evaluation.facts import (
    Estimate,
    EvaluationFacts,
    Group,
    LearningCurve,
    Permutation,
    metric_of,
)
from app.reporting.evaluation.parts import WIDTH_MM, estimate_text, nothing_of, plain_blocks, why
from app.reporting.figures.evaluation import (
    groups_figure,
    groups_height_mm,
    learning_figure,
    permutation_figure,
    plain_text,
)

PERMUTATION_MEANING = (
    "A permutation p tests any association between the data and the outcome, confounds included. "
    "It does not say that the brain carries it, nor that a treatment works."
)


def _range_text(found: Permutation) -> str:
    low, high = found.null_range or (float("nan"), float("nan"))
    return (
        f"{found.statistic} as people are {plain_text(found.observed)}; shuffled it lies "
        f"between {plain_text(low)} and {plain_text(high)} in 95 % of shuffles."
    )


def robustness(facts: EvaluationFacts) -> Section:
    """Learning curve, groups, confounds, permutation."""
    nothing = nothing_of(
        facts, "What else could explain it", ("learning", "groups", "confounds", "permutation")
    )
    if nothing is not None:
        return nothing
    change = _change(facts)
    blocks = [*change, *_responder(facts)] if facts.primary else [*_responder(facts), *change]
    blocks.append(
        Heading(f"Could something else carry the {'outcome' if facts.primary else 'label'}?")
    )
    if facts.confounds:
        rows = tuple(
            (one.name, one.figure, "FLAGGED" if one.flagged else "not flagged", one.meaning)
            for one in facts.confounds
        )
        blocks.append(
            Table(
                ("Check", "Figure", "Verdict", "What it means"), rows, (1.5, 1.5, 0.8, 2.6), "lrll"
            )
        )
    else:
        blocks.append(Missing("Confound checks", why(facts, "confounds")))
    blocks.append(Heading("Permutation test"))
    if facts.change_permutation is not None:
        blocks += _permuted(facts.change_permutation, "Primary outcome, the change: ")
    if facts.permutation is None:
        blocks.append(Missing("Permutation test", why(facts, "permutation")))
    else:
        found = facts.permutation
        told = "Responder label: " if facts.change_permutation is not None else ""
        blocks += _permuted(found, told)
        blocks += [
            Text(PERMUTATION_MEANING),
        ]
        if found.null.size:
            blocks.append(
                Picture(
                    permutation_figure(found, WIDTH_MM, 46.0), WIDTH_MM, 46.0,
                    f"Histogram of {found.statistic} under shuffled labels beside the true one.",
                )
            )  # fmt: skip
    return Section("What else could explain it", tuple(blocks), flows=True)


def _permuted(found: Permutation, told: str) -> list[Block]:
    """The p of one outcome, and where its figure lies among the shuffled ones."""
    words = (
        f"{told}p = {found.p:.3g} from {found.repeats} shuffles {found.scheme}, the whole loop "
        f"run again each time; smallest possible p: {1 / (found.repeats + 1):.3g}."
    )
    shown = [] if found.null_range is None else [Text(_range_text(found))]
    return [Text(words, "strong"), *shown]


def _change(facts: EvaluationFacts) -> list[Block]:
    """Learning curve and groups of the continuous outcome."""
    blocks: list[Block] = []
    if facts.change_learning:
        blocks += [Heading("Learning curve of the change"), _learning(facts.change_learning, "r2")]
    elif facts.primary:
        blocks.append(Missing("Learning curve of the change", why(facts, "change_learning")))
    if not facts.change_groups:
        return blocks
    main = facts.main()
    overall = main.estimates.get("r2") if main else None
    blocks.append(Heading("The change by site and sex"))
    blocks += _groups(facts.change_groups, overall, "r2")
    if facts.change_table is not None:
        table = facts.change_table
        blocks.append(Table(table.header, table.rows, table.widths, "lrrrr", table.caption))
    return blocks


def _responder(facts: EvaluationFacts) -> list[Block]:
    """Learning curve and groups of the responder definition, by the headline's own metric."""
    metric = facts.group_metric
    name = metric_of(metric).label
    blocks: list[Block] = [Heading("Responder definition: learning curve")] if facts.primary else []
    if facts.learning:
        blocks.append(_learning(facts.learning, metric))
    else:
        blocks.append(Missing("Learning curve", why(facts, "learning")))
    blocks.append(Heading(f"By site and sex ({name})" if facts.primary else "By site and sex"))
    main = facts.main()
    blocks += _groups(facts.groups, main.estimates.get(metric) if main else None, metric)
    if not facts.groups:
        blocks.append(Missing("Figures by site and sex", why(facts, "groups")))
    return blocks


def _learning(curves: tuple[LearningCurve, ...], metric: str) -> Picture:
    return Picture(
        learning_figure(curves, metric, WIDTH_MM, 56.0), WIDTH_MM, 56.0,
        f"{metric_of(metric).label} by number of training people.",
    )  # fmt: skip


def _groups(groups: tuple[Group, ...], overall: Estimate | None, metric: str) -> list[Block]:
    """A figure of the groups that have one, and why others have none."""
    shown = [one for one in groups if one.estimate is not None]
    blocks: list[Block] = []
    if shown:
        blocks.append(
            Picture(
                groups_figure(groups, overall, metric, WIDTH_MM),
                WIDTH_MM,
                groups_height_mm(groups),
                "; ".join(
                    f"{one.kind} {one.name}: {estimate_text(one.estimate)}"
                    for one in shown
                    if one.estimate is not None
                ),
            )
        )
    return blocks + [
        Text(f"{one.kind} {one.name} (n = {one.people}): {one.remark}", "caption")
        for one in groups
        if one.estimate is None
    ]


def trials(facts: EvaluationFacts) -> Section:
    """Screening figures and conformal sets."""
    nothing = nothing_of(facts, "Screening and prediction sets", ("screening", "conformal"))
    if nothing is not None:
        return nothing
    blocks: list[Block] = []
    for part, name, table in (
        ("screening", "Screening figures for a trial", facts.screening),
        ("conformal", "Conformal sets", facts.conformal),
    ):
        blocks += [Missing(name, why(facts, part))] if table is None else plain_blocks(table)
    return Section("Screening and prediction sets", tuple(blocks), flows=True)
