"""Two labelled cohorts as one, with splits that train on one and test on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from app.cohort.learn.definition import Outcome
from app.cohort.learn.labelled import LabelledCohort, Person
from app.cohort.learn.splits import Fold, Splits, nested_splits, refuse_overlap
from app.core.arrays import Bools, Ints, frozen
from app.core.errors import AppError
from app.core.provenance import record_sha256

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
    return LabelledCohort(
        people,
        frozen(labels),
        {first.plan.definition.text: values},
        Outcome("label", values, None, first.outcome.lower_is_better),
        (*first.excluded, *second.excluded),
        first.locked,
        (*first.deviations, *second.deviations),
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
    """The outer folds of a plain split inside the training people."""
    split = nested_splits(
        [cohort.identifiers[int(i)] for i in training],
        cohort.labels[training],
        [cohort.sites[int(i)] for i in training],
        outer_folds=folds,
        inner_folds=2,
        repeats=1,
        seed=seed,
    )
    return tuple((frozen(training[one.training]), frozen(training[one.test])) for one in split)


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
