"""`experiment transfer`: trained on one data set, tested on another, both ways.

Nothing of the test data set is looked at before it is asked: choices, calibration and scaling come
from inner folds of the training data set. Beside both ways stands what the same models reach within
each data set by nested cross-validation, and how far the fused model leans on either input in each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.experiments.record_words import question_rows
from app.cohort.experiments.reliance import (
    BranchReliance,
    GradientReliance,
    gradient_reliance,
    reliance_of,
)
from app.cohort.experiments.running import (
    DataSet,
    Run,
    contenders_of,
    finished_utc,
    labelled,
    part,
    reported,
    workshop_of,
)
from app.cohort.experiments.two_cohorts import joined, transfer_splits
from app.cohort.learn.comparison import paired_difference
from app.cohort.learn.contender import Contender
from app.cohort.learn.contenders import VARIANTS
from app.cohort.learn.evaluate import Evaluation, ModelScores, evaluate
from app.cohort.learn.figures import Scores, draws_of, figures_of
from app.cohort.learn.labelled import LabelledCohort
from app.core.arrays import Ints
from app.core.progress import Progress
from app.models.fmm_tc_network import FmmTcNetwork
from app.reporting.evaluation.facts import (
    BASELINE,
    METRICS,
    MODEL,
    Competitor,
    Estimate,
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


def run_transfer(
    sets: tuple[DataSet, DataSet],
    names: tuple[str, str],
    models: Sequence[str],
    run: Run,
    progress: Progress,
    *,
    explained: int = 4,
) -> tuple[Path, ...]:
    """Judge both ways and write everything.

    Parameters
    ----------
    sets
        Both data sets, each with its own table and plan; both plans are locked.
    names
        Of the data sets, for people.
    models
        The headline first; empty = those of the first plan.
    run
        Result folder and command.
    progress
        Stages by model, then "reliance" and "report".
    explained
        People a data set whose integrated gradients are computed; 0 = none.
    """
    wanted = tuple(models) or sets[0].plan.models.names
    cohorts = tuple(
        labelled(data, run.out / f"plan-{number + 1}", progress) for number, data in enumerate(sets)
    )
    both = joined(cohorts[0], cohorts[1], names)
    count = len(cohorts[0])
    protocol = both.plan.protocol
    splits = transfer_splits(both, count, inner_folds=protocol.inner_folds, seed=protocol.seed)
    workshop = workshop_of(both, wanted, run)
    contenders, refused = contenders_of(workshop, wanted)
    across = evaluate(_without_sites(both), contenders, run.out, progress, splits=splits)
    within = [
        evaluate(_without_sites(one), contenders, run.out / f"within-{number + 1}", progress)
        for number, one in enumerate(cohorts)
    ]
    directions = tuple(
        direction(across, splits.folds[number].test, words)
        for number, words in enumerate((f"{names[0]} → {names[1]}", f"{names[1]} → {names[0]}"))
    )
    with progress.stage("reliance"):
        tables = _reliance_tables(contenders[0], cohorts, names, explained, progress)
    facts = transfer_facts(
        across, within, directions, names, run, [*tables, *_refused_table(refused)]
    )
    return reported(facts, run, progress)


def _without_sites(cohort: LabelledCohort) -> LabelledCohort:
    """Leaving sites out of the joint cohort would repeat the question."""
    plan = cohort.plan
    protocol = plan.protocol.model_copy(update={"leave_one_site_out": False})
    locked = replace(cohort.locked, plan=plan.model_copy(update={"protocol": protocol}))
    return replace(cohort, locked=locked)


def direction(across: Evaluation, rows: Ints, name: str) -> Direction:
    """Figures of all models on the test rows of one way."""
    cohort = across.cohort
    labels, protocol = cohort.labels[rows], cohort.plan.protocol
    draws = draws_of(
        [cohort.identifiers[int(i)] for i in rows], protocol.bootstrap_repeats, protocol.seed
    )
    own = {key: _rows(one, rows) for key, one in across.models.items()}
    first = own[across.headline.id]
    return Direction(
        name,
        {
            key: figures_of(one.scores, labels, draws, protocol.metrics, protocol.cutoff)
            for key, one in own.items()
        },
        {
            key: paired_difference("auroc", first, one, labels, draws, protocol.cutoff)
            for key, one in own.items()
            if key != across.headline.id
        },
    )


def _rows(one: ModelScores, rows: Ints) -> ModelScores:
    return replace(
        one, scores=Scores(one.scores.log_odds[:, rows], one.scores.probability[:, rows])
    )


def _reliance_tables(
    contender: Contender,
    cohorts: Sequence[LabelledCohort],
    names: Sequence[str],
    explained: int,
    progress: Progress,
) -> list[PlainTable]:
    """The headline, fitted on each data set in turn, asked about both; empty for one input."""
    probe = contender.fresh()
    if not isinstance(probe, FmmTcNetwork) or len(probe.settings.branches) < 2:
        return []
    shares: list[tuple[str, BranchReliance]] = []
    gradients: list[tuple[str, GradientReliance]] = []
    for number, trained in enumerate(cohorts):
        model = contender.fresh()
        assert isinstance(model, FmmTcNetwork)
        inner = part(progress, number, len(cohorts))
        model.fit(
            trained.series, trained.connectivity, trained.covariates, trained.labels,
            seed=trained.plan.protocol.seed, progress=part(inner, 0, 2),
        )  # fmt: skip
        for asked, name in zip(cohorts, names, strict=True):
            found = reliance_of(model, asked, name, part(inner, 1, 2))
            shares += [(names[number], one) for one in found]
            if explained:
                more = gradient_reliance(model, asked, name, explained, part(inner, 1, 2))
                gradients += [(names[number], one) for one in more]
    return reliance_tables(shares, gradients)


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


def _refused_table(refused: Mapping[str, str]) -> list[PlainTable]:
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
    cohort, plan = across.cohort, across.cohort.plan
    roles = {
        key: MODEL if key in VARIANTS or key == across.headline.id else BASELINE
        for key in across.models
    }
    competitors = tuple(
        Competitor(
            f"{key} {way.name}",
            f"{across.models[key].label}, {way.name}",
            roles[key],
            {
                metric.id: _estimate(one[metric.id], one[f"{metric.id}_interval"])
                for metric in METRICS
                if metric.id in one
            },
            None
            if key not in way.differences
            else _estimate(way.differences[key]["difference"], way.differences[key]["interval"]),
        )
        for way in directions
        for key, one in way.figures.items()
    )
    planned = plan.model_dump(mode="json")
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
    return EvaluationFacts(
        title="experiment: transfer",
        subject=f"{names[0]} and {names[1]}, {len(cohort)} participants",
        simulated=all(one.cohort.simulated for one in within),
        question=question_rows(planned),
        people=len(set(cohort.identifiers)),
        responders=int(cohort.labels.sum()),
        competitors=competitors,
        command=run.command,
        answers=_answers(within, names),
        headline=_headline(across, directions[0], roles),
        summary=tuple(
            f"{name}: {len(one.cohort)} participants, {int(one.cohort.labels.sum())} responders "
            f"({100 * float(one.cohort.labels.mean()):.0f} %)."
            for name, one in zip(names, within, strict=True)
        ),
        tables=(across_table(across, within, directions, names), *tables),
        plan=Plan(
            cohort.locked.sha256,
            cohort.locked.locked_utc,
            tuple(f"{one.what}: planned {one.planned}, done {one.done}"
                  for one in across.deviations),
        ),
        protocol=(
            ("Across", across.splits.kind),
            ("Within", within[0].splits.kind),
            ("Seed", str(across.splits.seed)),
            ("Calibration", "Platt scaling on inner folds of the training data set"),
        ),
        provenance=tuple(
            (f"{name}, SHA-256", one.cohort.sha256())
            for name, one in zip(names, within, strict=True)
        ),
        limitations=tuple(limits),
        missing=dict.fromkeys(NOT_SHOWN, "See the reports of the single data sets."),
        finished_utc=finished_utc(),
    )  # fmt: skip


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
        _estimate(found["difference"], found["interval"]),
        f"{way.name}; paired bootstrap over persons of the test data set; the other way stands in "
        "the tables",
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


def _estimate(value: float | None, interval: Sequence[float] | None) -> Estimate:
    if value is None:
        return Estimate(float("nan"))
    if interval is None:
        return Estimate(value)
    return Estimate(value, interval[0], interval[1])


def _auroc(one: Mapping[str, Any]) -> str:
    if one["auroc"] is None:
        return "–"
    interval = one["auroc_interval"]
    tail = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    return f"{one['auroc']:.2f}{tail}"
