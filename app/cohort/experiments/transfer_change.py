"""The primary outcome, change, of the transfer experiment: both ways, in figures and in words.

What is predicted is the change that the training data set's line on the score before treatment
leaves; R² is the share of it that a model explains in the other data set, so whoever knows that
line alone stands at 0. One way has one test set: its intervals are a bootstrap over persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from app.cohort.experiments.record_parts import estimate_of
from app.cohort.learn.continuous_figures import continuous_figures
from app.cohort.learn.evaluate import Evaluation, ModelScores
from app.cohort.learn.figures import Scores, draws_of
from app.cohort.learn.primary_words import (
    BASELINE_ONLY,
    above_zero,
    below_zero,
    reaches_zero,
    spread,
)
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Ints, frozen
from app.reporting.evaluation.facts import BASELINE, Competitor, Estimate, Headline, PlainTable

Change = Mapping[str, Any]  # as `continuous_figures`
NAMES = (("r_squared", "r2"), ("r", "correlation"), ("absolute_error", "mae"))
METHOD = (
    "paired bootstrap over persons of the test data set, the model held fixed; change as the "
    "training data set's line on the score before treatment leaves it"
)


def change_of(across: Evaluation, fold: Fold) -> Change | None:
    """Figures of change on one way's test people; None where the outcomes tell none."""
    cohort = across.cohort.rows(fold.test)
    if across.cohort.change is None or cohort.change is None:
        return None
    protocol = cohort.plan.protocol
    alone = Fold(0, 0, fold.training, frozen(np.arange(len(cohort))), ())
    splits = Splits((alone,), 1, across.splits.seed, across.splits.kind, across.splits.sha256)
    own = replace(
        across,
        cohort=cohort,
        splits=splits,
        models={key: rows_of(one, fold.test) for key, one in across.models.items()},
        by_site={},
        site_splits=None,
    )
    draws = draws_of(cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
    return continuous_figures(own, draws)


def rows_of(one: ModelScores, rows: Ints) -> ModelScores:
    """Answers about some people."""
    scores = Scores(one.scores.log_odds[:, rows], one.scores.probability[:, rows])
    return replace(
        one,
        scores=scores,
        predicted=None if one.predicted is None else one.predicted[:, rows],
        target=None if one.target is None else one.target[:, rows],
    )


def change_headline(change: Change, way: str) -> Headline:
    """The headline model beyond the score before treatment alone, one way."""
    one, alone = change["models"][change["headline"]], change["models"][BASELINE_ONLY]
    found = change["comparisons"][BASELINE_ONLY]["r_squared"]
    difference = estimate_of(found["difference"], found["interval"])
    return Headline(
        "r2",
        f"{one['label']}, {way}",
        f"{alone['label']}, {way}",
        difference,
        f"{way}; {METHOD}.",
        sentence=_sentence(difference, one["label"], _small(alone["label"]), way),
        label=f"{way}, beyond the {_small(alone['label'])}, 95 % interval",
    )


def _sentence(difference: Estimate, name: str, alone: str, way: str) -> str:
    if above_zero(difference.low):
        return f"{way}: {name} says more about the change than the {alone}."
    if below_zero(difference.high):
        return f"{way}: {name} predicts the change worse than the {alone}."
    return (
        f"{way}: the interval {reaches_zero(difference.low, difference.high)}: that {name} says "
        f"anything about the change beyond the {alone} is not shown."
    )


def change_line(change: Change, way: str) -> str:
    """One way in one sentence: R², correlation, absolute error beside that of the score alone."""
    one, alone = change["models"][change["headline"]], change["models"][BASELINE_ONLY]
    gained = change["comparisons"][BASELINE_ONLY]
    explained, error = gained["r_squared"], gained["absolute_error"]
    shown = explained["interval"] and above_zero(explained["interval"][0])
    beyond = _small(alone["label"]) + ("" if shown else ", which shows nothing beyond it")
    words = (
        f"{way}: R² {spread(explained['difference'], explained['interval'], '+.2f')} beyond the "
        f"{beyond}; correlation {spread(one['r'], one['r_interval'], '+.2f')}; "
        f"mean absolute error {spread(one['absolute_error'], one['absolute_error_interval'])} "
        f"against {alone['absolute_error']:.2f}, difference "
        f"{spread(error['difference'], error['interval'], '+.2f')}; {change['known']} people."
    )
    return _signs(words)


def change_estimates(change: Change | None, key: str) -> dict[str, Estimate]:
    """Figures of one model as the report names them; {} where none were computed."""
    own = {} if change is None else change["models"].get(key, {})
    return {
        name: estimate_of(own[figure], own[f"{figure}_interval"])
        for figure, name in NAMES
        if own.get(figure) is not None
    }


def change_difference(change: Change, key: str) -> Estimate | None:
    """R² of the headline minus this one's; None for the headline itself."""
    found = change["comparisons"].get(key)
    if found is None:
        return None
    return estimate_of(found["r_squared"]["difference"], found["r_squared"]["interval"])


def baseline_competitor(change: Change, way: str, *, leads: bool) -> Competitor:
    """The score before treatment alone, one way."""
    return Competitor(
        f"{BASELINE_ONLY} {way}",
        f"{change['models'][BASELINE_ONLY]['label']}, {way}",
        BASELINE,
        change_estimates(change, BASELINE_ONLY),
        change_difference(change, BASELINE_ONLY) if leads else None,
    )


def change_table(
    labels: Mapping[str, str],
    ways: Sequence[tuple[str, Change]],
    within: Sequence[Evaluation],
    names: Sequence[str],
) -> PlainTable:
    """R² of each model: both ways, and within each data set."""
    inside = []
    for one in within:
        protocol = one.cohort.plan.protocol
        draws = draws_of(one.cohort.identifiers, protocol.bootstrap_repeats, protocol.seed)
        inside.append(continuous_figures(one, draws))
    rows = tuple(
        (label, *(_r_squared(found, key) for found in (*(way for _, way in ways), *inside)))
        for key, label in labels.items()
    )
    return PlainTable(
        "Change across and within data sets",
        ("Model or baseline", *(name for name, _ in ways), *(f"within {n}" for n in names)),
        rows,
        "R² of the change beyond the score before treatment alone. Across: model and line on that "
        "score trained on all people of one data set; bootstrap over persons, the model held "
        "fixed. Within: nested cross-validation; the wider of bootstrap and corrected test.",
        widths=(2.0, 1.3, 1.3, 1.3, 1.3),
    )


def _r_squared(found: Change | None, key: str) -> str:
    one = {} if found is None else found["models"].get(key, {})
    if one.get("r_squared") is None:
        return "–"
    return _signs(spread(one["r_squared"], one["r_squared_interval"], "+.2f"))


def _small(label: str) -> str:
    return label[:1].lower() + label[1:]


def _signs(words: str) -> str:
    if words.startswith("-"):
        words = "\N{MINUS SIGN}" + words[1:]
    return words.replace("(-", "(\N{MINUS SIGN}").replace(" -", " \N{MINUS SIGN}")
