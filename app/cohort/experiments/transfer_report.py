"""The transfer experiment's tables and facts for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.cohort.calibration import WORDS
from app.cohort.experiments.record_parts import estimate_of
from app.cohort.experiments.record_words import NO_CONTROL_ARM, few_people, question_rows
from app.cohort.experiments.reliance import BranchReliance, GradientReliance
from app.cohort.experiments.running import Run, finished_utc
from app.cohort.experiments.transfer_change import (
    Change,
    baseline_competitor,
    change_difference,
    change_estimates,
    change_headline,
    change_line,
    change_table,
)
from app.cohort.experiments.two_cohorts import NOT_COMPUTED
from app.cohort.learn.contenders import VARIANTS
from app.cohort.learn.evaluate import Evaluation
from app.cohort.learn.figures import draws_of, figures_of
from app.cohort.learn.primary_words import CONTINUOUS
from app.core.wording import counted
from app.reporting.evaluation.facts import (
    BASELINE,
    METRICS,
    MODEL,
    Competitor,
    EvaluationFacts,
    Headline,
    PlainTable,
    Plan,
)

NOT_SHOWN = ("learning", "groups", "confounds", "permutation", "screening", "conformal")


@dataclass(frozen=True, slots=True)
class Direction:
    """One way: figures of every model on people of the other data set."""

    name: str  # "A -> B"
    figures: Mapping[str, Mapping[str, Any]]  # model -> metric -> value, interval
    differences: Mapping[str, Mapping[str, Any]]  # headline minus this one, AUROC
    change: Change | None = None  # the continuous outcome; None where the data sets tell none


def reliance_tables(
    shares: Sequence[tuple[str, BranchReliance]], gradients: Sequence[tuple[str, GradientReliance]]
) -> list[PlainTable]:
    """Contributions of everybody, and integrated gradients of some, as tables."""
    kind = "exact" if all(one.exact for _, one in shares) else "Shapley values"
    found = [
        PlainTable(
            "How far the model leans on each input",
            ("Trained on", "Asked about", "Input", "People", "Mean", "Spread", "Share of variance"),
            tuple(
                (
                    trained, one.dataset, _words(one.branch), str(one.people),
                    _signed(one.mean), f"{one.spread:.2f}",
                    "–" if np.isnan(one.variance_share) else _signed(one.variance_share),
                )
                for trained, one in shares
            ),
            f"Contributions in log-odds ({kind}), against the mean training participant. Share of "
            "variance: covariance with the sum over the variance of the sum; shares add to 1 and "
            "may be negative. What the model used, never a cause.",
            align="lllrrrr",
            widths=(1.2, 1.2, 1.1, 0.7, 0.8, 0.8, 1.2),
        )
    ]  # fmt: skip
    if gradients:
        found.append(
            PlainTable(
                "The same from integrated gradients",
                ("Trained on", "Asked about", "Input", "People", "Mean", "Spread", "Converged"),
                tuple(
                    (
                        trained, one.dataset, _words(one.branch), str(one.people),
                        _signed(one.mean), f"{one.spread:.2f}", f"{one.converged}",
                    )
                    for trained, one in gradients
                ),
                "Signed attributions summed over an input, log-odds against a baseline scan "
                "(zero series, mean matrix of the training participants). Converged: people whose "
                "sum is the difference of the outputs.",
                align="lllrrrr",
                widths=(1.2, 1.2, 1.1, 0.7, 0.8, 0.8, 1.2),
            )
        )  # fmt: skip
    return found


def _words(branch: str) -> str:
    return {"series": "time series", "structural": "volumes"}.get(branch, branch)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


def refused_table(refused: Mapping[str, str]) -> list[PlainTable]:
    if not refused:
        return []
    return [
        PlainTable("Models that could not be judged", ("Model", "Why"), tuple(refused.items()),
                   align="ll", widths=(1.0, 3.0))
    ]  # fmt: skip


def transfer_facts(
    across: Evaluation,
    within: Sequence[Evaluation],
    directions: Sequence[Direction],
    names: Sequence[str],
    run: Run,
    tables: Sequence[PlainTable],
) -> EvaluationFacts:
    """Everything that the report says."""
    cohort = across.cohort
    roles = {
        key: MODEL if key in VARIANTS or key == across.headline.id else BASELINE
        for key in across.models
    }
    ways = [(way.name, way.change) for way in directions if way.change is not None]
    planned_change = any(one.cohort.plan.primary == CONTINUOUS for one in within)
    leads = planned_change and len(ways) == len(directions)
    competitors = [
        _competitor(key, across, way, roles[key], leads=leads)
        for way in directions
        for key in way.figures
    ]
    competitors += [baseline_competitor(found, name, leads=leads) for name, found in ways]
    more: list[PlainTable] = []
    if ways:
        labels = {key: one.label for key, one in across.models.items()}
        more = [change_table(labels, ways, within, names)]
    responder = _headline(across, directions[0], roles)
    drugs = sorted({one.cohort.plan.treatment.drug for one in within})
    limits = [
        "A data set is one site, one protocol and one population at once: what does not carry "
        "over cannot be told apart."
    ]
    if len(drugs) > 1:
        limits.append(
            f"The data sets differ in treatment ({', '.join(drugs)}): what carries over is not the "
            "effect of one drug."
        )
    limits += [NO_CONTROL_ARM, *few_people(min(len(one.cohort) for one in within), "Models of ")]
    return EvaluationFacts(
        title="experiment: transfer",
        subject=f"{names[0]} and {names[1]}, {len(cohort)} participants",
        simulated=all(one.cohort.simulated for one in within),
        question=joint_question(within, names),
        base_rates="; ".join(
            f"{name}: {int(one.cohort.labels.sum())} of {len(one.cohort)}"
            for name, one in zip(names, within, strict=True)
        ),
        people=len(set(cohort.identifiers)),
        responders=int(cohort.labels.sum()),
        competitors=tuple(competitors),
        command=run.command,
        answers=_answers(within, names),
        headline=change_headline(ways[0][1], ways[0][0]) if leads else responder,
        primary=_primary_words(across) if leads else "",
        primary_lines=tuple(change_line(found, name) for name, found in ways) if leads else (),
        responder=responder if leads else None,
        responder_metric="auroc",
        summary=(
            *_lost(across, planned_change and not leads),
            *(_auroc_line(across, way, roles) for way in directions),
            *(_people(name, one) for name, one in zip(names, within, strict=True)),
            *_deviations(len(across.deviations)),
        ),
        tables=(*more, across_table(across, within, directions, names), *tables),
        plan=Plan(
            cohort.locked.sha256,
            cohort.locked.locked_utc,
            tuple(f"{one.what}: planned {one.planned}, done {one.done}"
                  + (f" ({one.reason})" if one.reason else "")
                  for one in across.deviations),
        ),
        protocol=(
            ("Across", across.splits.kind),
            ("Within", within[0].splits.kind),
            ("Seed", str(across.splits.seed)),
            ("Calibration", f"{WORDS[cohort.plan.protocol.calibration]} on inner folds of the "
             "training data set"),
        ),
        provenance=tuple(
            row
            for name, one in zip(names, within, strict=True)
            for row in (
                (f"{name}, SHA-256", one.cohort.sha256()),
                (f"{name}, plan", one.cohort.locked.sha256),
                (f"{name}, locked", one.cohort.locked.locked_utc),
            )
        ),
        limitations=tuple(limits),
        missing=dict.fromkeys(NOT_SHOWN, "See the reports of the single data sets."),
        finished_utc=finished_utc(),
    )  # fmt: skip


def joint_question(
    within: Sequence[Evaluation], names: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """What is asked in both data sets; each for itself where they differ."""
    asked = [question_rows(one.cohort.plan.model_dump(mode="json")) for one in within]
    return tuple(
        (title, one if one == other else f"{names[0]}: {one}; {names[1]}: {other}")
        for (title, one), (_, other) in zip(*asked, strict=True)
    )


def _competitor(
    key: str, across: Evaluation, way: Direction, role: str, *, leads: bool
) -> Competitor:
    """One model, one way: change first, where it was computed."""
    one = way.figures[key]
    found = way.differences.get(key)
    by_auroc = None if found is None else estimate_of(found["difference"], found["interval"])
    by_change = change_difference(way.change, key) if leads and way.change is not None else None
    return Competitor(
        f"{key} {way.name}",
        f"{across.models[key].label}, {way.name}",
        role,
        change_estimates(way.change, key)
        | {
            metric.id: estimate_of(one[metric.id], one[f"{metric.id}_interval"])
            for metric in METRICS
            if metric.id in one
        },
        by_change if leads else by_auroc,
        responder_difference=by_auroc if leads else None,
    )


def _people(name: str, one: Evaluation) -> str:
    count, responders = len(one.cohort), int(one.cohort.labels.sum())
    return (
        f"{name}: {counted(count, 'participant')}, {counted(responders, 'responder')} "
        f"({100 * responders / count:.0f} %)."
    )


def _deviations(count: int) -> tuple[str, ...]:
    """That both plans' deviations are listed."""
    if not count:
        return ()
    listed = "is" if count == 1 else "are"
    return (f"{counted(count, 'deviation')} from the locked plans {listed} listed.",)


def _primary_words(across: Evaluation) -> str:
    cohort = across.cohort
    assert cohort.change is not None
    adjusted = (
        "" if cohort.outcome.baseline is None else ", adjusted for the score before treatment"
    )
    return f"{cohort.change[0]} ({cohort.plan.outcome.scale}){adjusted}, in the other data set"


def _lost(across: Evaluation, lost: bool) -> tuple[str, ...]:
    """That the plans' primary outcome has no figure here, and why."""
    if not lost:
        return ()
    why = next((one.reason for one in across.deviations if one.done == NOT_COMPUTED), "")
    words = NOT_COMPUTED[:1].upper() + NOT_COMPUTED[1:]
    return (f"{words}: {why}." if why else f"{words}.",)


def _auroc_line(across: Evaluation, way: Direction, roles: Mapping[str, str]) -> str:
    """One way's AUROC and its difference to the best baseline, for the first page."""
    own = f"{way.name}: AUROC {_auroc(way.figures[across.headline.id])}"
    head = _headline(across, way, roles)
    if head is None:
        return f"{own}; no baseline to compare it with."
    found = head.difference
    interval = "" if found.low is None or found.high is None else (
        f" ({_signed(found.low)} to {_signed(found.high)})"
    )  # fmt: skip
    return f"{own}; {_signed(found.value)}{interval} against the best baseline, {head.baseline}."


def across_table(
    across: Evaluation,
    within: Sequence[Evaluation],
    directions: Sequence[Direction],
    names: Sequence[str],
) -> PlainTable:
    """AUROC of each model: both ways, and within each data set."""
    inside = []
    for one in within:
        protocol = one.cohort.plan.protocol
        draws = draws_of(one.cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
        inside.append(
            {
                key: figures_of(model.scores, one.cohort.labels, draws, ["auroc"], protocol.cutoff)
                for key, model in one.models.items()
            }
        )
    rows = tuple(
        (
            model.label,
            *(_auroc(way.figures[key]) for way in directions),
            *(_auroc(found[key]) if key in found else "–" for found in inside),
        )
        for key, model in across.models.items()
    )
    return PlainTable(
        "AUROC across and within data sets",
        ("Model or baseline", *(way.name for way in directions), *(f"within {n}" for n in names)),
        rows,
        "Across: trained on all people of one data set. Within: nested cross-validation.",
        widths=(2.0, 1.3, 1.3, 1.3, 1.3),
    )


def _headline(across: Evaluation, way: Direction, roles: Mapping[str, str]) -> Headline | None:
    rivals = {
        key: one["auroc"]
        for key, one in way.figures.items()
        if roles[key] == BASELINE and one["auroc"] is not None
    }
    if not rivals:
        return None
    best = max(rivals, key=lambda key: float(rivals[key]))
    found = way.differences[best]
    if found["difference"] is None:
        return None
    return Headline(
        "auroc",
        f"{across.headline.label}, {way.name}",
        f"{across.models[best].label}, {way.name}",
        estimate_of(found["difference"], found["interval"]),
        f"{way.name}; paired bootstrap over persons of the test data set; both ways stand below",
    )


def _answers(within: Sequence[Evaluation], names: Sequence[str]) -> dict[str, str]:
    counts = "; ".join(
        f"{name}: {len(one.cohort)} people, {int(one.cohort.labels.sum())} responders"
        for name, one in zip(names, within, strict=True)
    )
    return {
        "1": "External evaluation of models of response in another data set, both ways.",
        "4": "To see what carries over from one data set to another.",
        "12": "Trained on one data set, tested on the other; nothing of the test data set is used "
        "before.",
        "16": "The data sets' own tables; differences in population, scanner and treatment are not "
        "told apart.",
        "20": counts,
        "21": counts,
        "24": "Not applicable: no model was updated.",
    }


def _auroc(one: Mapping[str, Any]) -> str:
    if one["auroc"] is None:
        return "–"
    interval = one["auroc_interval"]
    tail = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"{one['auroc']:.2f}{tail}"
