"""Splits by person, the same for every model: nested, shuffled, repeated, stratified, seeded.

Rows are scans; people are never divided. Strata are label x site: shuffled people of one stratum
are dealt to the folds in turn, and the next stratum of the same label goes on where the last one
stopped, so that folds differ by at most one person of each label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.learn.labelled import LabelledCohort
from app.core.arrays import Bools, Ints, frozen
from app.core.errors import AppError
from app.core.provenance import record_sha256
from app.core.wording import counted
from app.models.baselines.people import MINIMUM_PER_CLASS

POOLED = "pooled small sites"


@dataclass(frozen=True, slots=True)
class Fold:
    """One outer fold: positions of rows in the whole cohort, at every level."""

    repeat: int
    number: int
    training: Ints
    test: Ints
    inner: tuple[tuple[Ints, Ints], ...]  # (training, validation) of each inner fold

    @property
    def name(self) -> str:
        """For files and messages."""
        return f"r{self.repeat:03d}-f{self.number:02d}"

    def inner_places(self) -> tuple[tuple[Ints, Ints], ...]:
        """The inner folds as positions within the training rows."""
        place = {int(row): number for number, row in enumerate(self.training)}
        return tuple(
            (
                np.array([place[int(row)] for row in inside]),
                np.array([place[int(row)] for row in validation]),
            )
            for inside, validation in self.inner
        )


@dataclass(frozen=True, slots=True)
class Splits:
    """All folds of all repeats."""

    folds: tuple[Fold, ...]
    repeats: int
    seed: int
    kind: str  # "nested cross-validation" or "leave one site out"
    sha256: str

    def of_repeat(self, repeat: int) -> tuple[Fold, ...]:
        """The outer folds of one repeat: everybody is tested once."""
        return tuple(fold for fold in self.folds if fold.repeat == repeat)

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)


def nested_splits(
    people: Sequence[str],
    labels: Bools,
    sites: Sequence[str],
    *,
    outer_folds: int,
    inner_folds: int,
    repeats: int,
    seed: int,
    fewest_at_a_site: int = 2,
) -> Splits:
    """Draw the splits.

    Parameters
    ----------
    people
        Who each row is; rows of one person stay together.
    labels, sites
        (row,).
    outer_folds, inner_folds, repeats, seed
        Of the plan; the same seed gives the same folds whatever the models.
    fewest_at_a_site
        Smaller sites are pooled into one stratum.

    Raises
    ------
    AppError
        ``cohort.too_few``; ``cohort.definition`` when rows of a person differ in label.
    """
    groups = _Groups.of(people, labels, sites, fewest_at_a_site)
    refuse_too_few(groups.labels, outer_folds, inner_folds)
    folds = []
    for repeat in range(repeats):
        rng = np.random.default_rng([seed, repeat, 101])
        outer = deal(groups.labels, groups.strata, outer_folds, rng)
        folds += [
            _fold(groups, outer, repeat, number, inner_folds, seed) for number in range(outer_folds)
        ]
    return _checked(tuple(folds), people, seed, "nested cross-validation", repeats)


def site_splits(
    people: Sequence[str],
    labels: Bools,
    sites: Sequence[str],
    *,
    inner_folds: int,
    seed: int,
    fewest_at_a_site: int = 2,
) -> Splits | None:
    """Leave one site out, in addition; None where there is one site, or too little beside it."""
    groups = _Groups.of(people, labels, sites, 1)
    names = sorted(set(groups.sites))
    if len(names) < 2:
        return None
    outer = np.array([names.index(site) for site in groups.sites])
    folds = []
    for number in range(len(names)):
        rest = groups.labels[outer != number]
        tested = int((outer == number).sum())
        smallest = int(min(rest.sum(), (~rest).sum()))
        if tested < fewest_at_a_site or smallest - -(-smallest // inner_folds) < MINIMUM_PER_CLASS:
            continue
        folds.append(_fold(groups, outer, 0, number, inner_folds, seed))
    if not folds:
        return None
    return _checked(tuple(folds), people, seed, "leave one site out", 1)


def splits_of(cohort: LabelledCohort) -> Splits:
    """The nested splits that the plan asks for."""
    protocol = cohort.plan.protocol
    return nested_splits(
        cohort.identifiers,
        cohort.labels,
        cohort.sites,
        outer_folds=protocol.outer_folds,
        inner_folds=protocol.inner_folds,
        repeats=protocol.repeats,
        seed=protocol.seed,
        fewest_at_a_site=protocol.fewest_at_a_site,
    )


def needed_per_class(outer_folds: int, inner_folds: int) -> int:
    """People of each class that leave `MINIMUM_PER_CLASS` in every innermost training set."""

    def innermost(count: int) -> int:
        outer = count - -(-count // outer_folds)
        return outer - -(-outer // inner_folds)

    needed = MINIMUM_PER_CLASS
    while innermost(needed) < MINIMUM_PER_CLASS or needed < outer_folds:
        needed += 1
    return needed


def refuse_too_few(labels: Bools, outer_folds: int, inner_folds: int) -> None:
    """Every innermost training set must hold enough people of both classes.

    Raises
    ------
    AppError
        ``cohort.too_few`` with how many there are, and how many are needed.
    """
    smallest = int(min(labels.sum(), (~labels).sum()))

    needed = needed_per_class(outer_folds, inner_folds)
    if smallest < needed:
        enough = [
            (outer, inner) for outer in range(2, 11) for inner in range(2, 6)
            if needed_per_class(outer, inner) <= smallest
        ]  # fmt: skip
        advice = "Add people"
        if enough:
            outer, inner = min(enough, key=lambda one: abs(one[0] - 5) + abs(one[1] - 4))
            advice += (
                f", or plan {outer} outer and {inner} inner folds, which so few allow: after the "
                "lock that is listed as a deviation"
            )
        raise AppError(
            f"There are {counted(int(labels.sum()), 'responder')} and "
            f"{counted(int((~labels).sum()), 'non-responder')}; {outer_folds} outer and "
            f"{inner_folds} inner folds need at least {needed} of each.",
            f"{advice}.",
            code="cohort.too_few",
        )


def deal(labels: Bools, strata: Sequence[str], folds: int, rng: np.random.Generator) -> Ints:
    """Fold of each person."""
    found, places = np.empty(len(labels), int), np.asarray(strata)
    offset = int(rng.integers(folds))
    for value in (True, False):
        for stratum in rng.permutation(np.unique(places)):
            members = rng.permutation(np.flatnonzero((labels == value) & (places == stratum)))
            found[members] = (np.arange(len(members)) + offset) % folds
            offset += len(members)
    return found


@dataclass(frozen=True, slots=True)
class _Groups:
    """People, each with the rows that are theirs."""

    rows: tuple[Ints, ...]
    labels: Bools
    sites: tuple[str, ...]
    strata: tuple[str, ...]

    @classmethod
    def of(cls, people: Sequence[str], labels: Bools, sites: Sequence[str], fewest: int) -> _Groups:
        names = list(dict.fromkeys(people))
        place = {name: number for number, name in enumerate(names)}
        index = np.array([place[name] for name in people])
        rows = tuple(np.flatnonzero(index == number) for number in range(len(names)))
        for members in rows:
            if len(set(labels[members].tolist())) > 1:
                raise AppError(
                    "One person is a responder in one row and a non-responder in another.",
                    "Select one session, or correct the table.",
                    code="cohort.definition",
                )
        own = tuple(str(sites[int(members[0])]) for members in rows)
        strata = tuple(site if own.count(site) >= fewest else POOLED for site in own)
        return cls(rows, np.array([bool(labels[int(m[0])]) for m in rows]), own, strata)

    def rows_of(self, people: Ints) -> Ints:
        return frozen(np.sort(np.concatenate([self.rows[int(i)] for i in people])))


def _fold(
    groups: _Groups, outer: Ints, repeat: int, number: int, inner_folds: int, seed: int
) -> Fold:
    inside, outside = np.flatnonzero(outer != number), np.flatnonzero(outer == number)
    rng = np.random.default_rng([seed, repeat, number, 202])
    strata = [groups.strata[int(i)] for i in inside]
    dealt = deal(groups.labels[inside], strata, inner_folds, rng)
    inner = tuple(
        (groups.rows_of(inside[dealt != place]), groups.rows_of(inside[dealt == place]))
        for place in range(inner_folds)
    )
    return Fold(repeat, number, groups.rows_of(inside), groups.rows_of(outside), inner)


def _checked(
    folds: tuple[Fold, ...], people: Sequence[str], seed: int, kind: str, repeats: int
) -> Splits:
    for fold in folds:
        refuse_overlap(fold, people)
    record = [
        [rows.tolist() for pair in ((fold.training, fold.test), *fold.inner) for rows in pair]
        for fold in folds
    ]
    return Splits(folds, repeats, seed, kind, record_sha256([kind, list(people), record]))


def refuse_overlap(fold: Fold, people: Sequence[str]) -> None:
    """Nobody is on two sides of any level, and inner folds see nobody of the outer test.

    Raises
    ------
    ValueError
        Naming the level.
    """

    def who(rows: Ints) -> set[str]:
        return {people[int(i)] for i in rows}

    training, test = who(fold.training), who(fold.test)
    if training & test:
        raise ValueError(f"{len(training & test)} people are in training and test of {fold.name}.")
    for place, (inside, validation) in enumerate(fold.inner):
        if who(inside) & who(validation):
            raise ValueError(f"Inner fold {place} of {fold.name} validates on training people.")
        if (who(inside) | who(validation)) - training:
            raise ValueError(f"Inner fold {place} of {fold.name} holds people from outside.")
