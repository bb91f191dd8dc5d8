"""Two labelled cohorts as one, with splits that train on one and test on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.cohort.learn.definition import Outcome
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.person import Person
from app.cohort.learn.plan_lock import Deviation
from app.cohort.learn.primary_words import CONTINUOUS
from app.cohort.learn.splits import Fold, Splits, deal, refuse_overlap
from app.core.arrays import Bools, Ints, frozen
from app.core.errors import AppError
from app.core.provenance import record_sha256
from app.models.baselines.people import MINIMUM_PER_CLASS

NOT_COMPUTED = "the primary outcome (change) was not computed in this experiment"
PERCENT = "improvement, percent"  # as `Outcome.continuous` names it
KIND = "train on one data set, test on the other"


def joined(first: LabelledCohort, second: LabelledCohort, names: Sequence[str]) -> LabelledCohort:
    """Both, the first's people first; names of data sets go before people and sites.

    Raises
    ------
    AppError
        ``experiment.transfer``: the definitions differ, the scans were prepared in two ways, or
        one scan is in both.
    """
    _refuse_differences(first, second)
    people = tuple(
        _renamed(person, name)
        for cohort, name in zip((first, second), names, strict=True)
        for person in cohort.people
    )
    labels: Bools = np.concatenate([first.labels, second.labels])
    values = frozen(labels.astype(float))
    why = why_no_change(first, second, names)
    lower = first.outcome.lower_is_better
    outcome = Outcome("label", values, None, lower) if why else _change(first, second)
    planned = CONTINUOUS in (first.plan.primary, second.plan.primary)
    lost = [Deviation("outcome.primary", CONTINUOUS, NOT_COMPUTED, why)] if why and planned else []
    return LabelledCohort(
        people,
        frozen(labels),
        {first.plan.definition.text: values},
        outcome,
        (*first.excluded, *second.excluded),
        first.locked,
        (*_named(first, names[0]), *_named(second, names[1]), *lost),
    )


def _named(cohort: LabelledCohort, name: str) -> list[Deviation]:
    """The deviations of one data set, which stand beside the other's."""
    return [replace(one, what=f"{name}: {one.what}") for one in cohort.deviations]


def why_no_change(first: LabelledCohort, second: LabelledCohort, names: Sequence[str]) -> str:
    """Why change cannot be predicted from one data set to the other; "" where it can."""
    one, other = first.change, second.change
    if one is None or other is None:
        lacking = " and ".join(
            name for name, found in zip(names, (one, other), strict=True) if found is None
        )
        return f"the columns of {lacking} tell no change, or tell it of too few people"
    if one[0] != other[0]:
        return f"the data sets tell '{one[0]}' and '{other[0]}'"
    scales = first.plan.outcome.scale.strip(), second.plan.outcome.scale.strip()
    if scales[0].casefold() != scales[1].casefold():
        return f"the scales differ: '{scales[0][:40]}' and '{scales[1][:40]}'"
    if (first.outcome.baseline is None) is not (second.outcome.baseline is None):
        return "one data set has the score before treatment and the other has not"
    return ""


def _change(first: LabelledCohort, second: LabelledCohort) -> Outcome:
    """The change of both, where `why_no_change` found nothing against it."""
    one, other = first.change, second.change
    assert one is not None
    assert other is not None
    before = first.outcome.baseline, second.outcome.baseline
    baseline = None
    if before[0] is not None and before[1] is not None:
        baseline = frozen(np.concatenate([before[0], before[1]]))
    return Outcome(
        "percent_improvement" if one[0] == PERCENT else "points_improvement",
        frozen(np.concatenate([one[1], other[1]])),
        baseline,
        first.outcome.lower_is_better,
    )


def transfer_splits(
    cohort: LabelledCohort, first_count: int, *, inner_folds: int, seed: int
) -> Splits:
    """Two folds: trained on the first, tested on the second, and the reverse.

    Inner folds lie within the training data set, so calibration and choices never see the other.
    """
    rows: Ints = np.arange(len(cohort))
    halves = rows[:first_count], rows[first_count:]
    folds = []
    for number, (training, test) in enumerate((halves, halves[::-1])):
        inner = _inner(cohort, training, inner_folds, seed + number)
        folds.append(Fold(0, number, frozen(training), frozen(test), inner))
        refuse_overlap(folds[-1], cohort.identifiers)
    digest = record_sha256([KIND, list(cohort.identifiers), first_count, inner_folds, seed])
    return Splits(tuple(folds), 1, seed, KIND, digest)


def _inner(
    cohort: LabelledCohort, training: Ints, folds: int, seed: int
) -> tuple[tuple[Ints, Ints], ...]:
    """Inner folds by person, stratified by label and site.

    Raises
    ------
    AppError
        ``cohort.too_few`` when a fold would leave too few of a class to be trained on.
    """
    rows: dict[str, list[int]] = {}
    for row in training:
        rows.setdefault(cohort.identifiers[int(row)], []).append(int(row))
    people = list(rows)
    labels: Bools = np.array([bool(cohort.labels[rows[name][0]]) for name in people])
    smallest = int(min(labels.sum(), (~labels).sum()))
    if smallest - -(-smallest // folds) < MINIMUM_PER_CLASS:
        raise AppError(
            f"A data set has {int(labels.sum())} responders and {int((~labels).sum())} "
            f"non-responders; {folds} inner folds need at least {MINIMUM_PER_CLASS} of each to "
            "train on.",
            "Use a larger data set, or plan fewer inner folds.",
            code="cohort.too_few",
        )
    sites = [cohort.sites[rows[name][0]] for name in people]
    dealt = deal(labels, sites, folds, np.random.default_rng([seed, 707]))

    def of(chosen: Bools) -> Ints:
        found = [row for name, take in zip(people, chosen, strict=True) if take
                 for row in rows[name]]  # fmt: skip
        return frozen(np.sort(np.array(found)))

    return tuple((of(dealt != number), of(dealt == number)) for number in range(folds))


def _renamed(person: Person, name: str) -> Person:
    scan = replace(person.scan, participant=f"{name}:{person.scan.participant}")
    return replace(person, scan=scan, site=f"{name}: {person.site}")


def _refuse_differences(first: LabelledCohort, second: LabelledCohort) -> None:
    one, other = first.plan.definition, second.plan.definition
    if (one.direction, one.threshold, one.unit) != (other.direction, other.threshold, other.unit):
        raise _refused(
            f"the responder definitions differ: '{one.text[:60]}' and '{other.text[:60]}'",
            "Declare one definition in both plans; figures across definitions mean nothing.",
        )
    for what, values in (
        ("atlas", (first.people[0].scan.atlas, second.people[0].scan.atlas)),
        ("preset", (first.people[0].scan.preset, second.people[0].scan.preset)),
    ):
        if len(set(values)) > 1:
            raise _refused(
                f"the scans were prepared with the {what} '{values[0]}' and '{values[1]}'",
                "Prepare both data sets in one way.",
            )
    times = first.repetition_time_s, second.repetition_time_s
    if abs(times[0] - times[1]) > 0.01 * max(times):
        raise _refused(
            f"the repetition times differ: {times[0]:g} and {times[1]:g} s",
            "A model of frames does not know seconds; use data sets of one repetition time.",
        )
    if {first.plan.recipe.harmonise, second.plan.recipe.harmonise} != {"none"}:
        raise _refused(
            "a plan asks for ComBat, which cannot serve a site that it was not fitted on",
            "Plan recipe.harmonise = 'none' for both.",
        )
    both = _scans(first) & _scans(second)
    if both:
        raise _refused(
            f"{len(both)} scans are in both data sets",
            "Remove them from one: nobody is trained on and tested on.",
        )


def _scans(cohort: LabelledCohort) -> set[str]:
    return {person.scan.content_sha256 for person in cohort.people}


def _refused(what: str, hint: str) -> AppError:
    return AppError(
        f"These data sets cannot be compared: {what}.", hint, code="experiment.transfer"
    )
