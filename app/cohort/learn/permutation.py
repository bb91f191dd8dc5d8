"""Permutation test over the whole loop: what the protocol finds where labels mean nothing.

Labels are exchanged among people of the same arm and site, then every fit and every choice of a
penalty is done again (Ojala and Garriga 2010, JMLR 11). The test asks for *any*
association, confounds included: a model that reads age where age goes with response is significant.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.learn.contender import Contender, Inputs, LinearContender
from app.cohort.learn.evaluate import fold_seed
from app.cohort.learn.figures import Scores, value_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.reduced import Reduced
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Bools, Floats
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.provenance import record_sha256

WORDS = "tests any association, confounds included"
KEEP_EVERY_S = 20.0


@dataclass(frozen=True, slots=True)
class PermutationResult:
    """AUROC of one repeat beside those of permuted labels."""

    auroc: float
    permuted: Floats  # (permutation,)
    p_value: float  # (b + 1) / (m + 1), Phipson and Smyth 2010
    exchangeable: int  # people in strata that hold both classes: the others can never move


def strata_of(cohort: LabelledCohort, splits: Splits) -> tuple[str, ...]:
    """Arm, site and outer fold of each row.

    Exchanges stay inside a fold of the first repeat, so that permuted labels are spread over the
    folds exactly as the true ones are; folds are drawn within label and site at random, so that
    this restricted group of exchanges is as exact as any, and nothing but labels changes.
    """
    fold = np.zeros(len(cohort), int)
    for one in splits.of_repeat(0):
        fold[one.test] = one.number
    return tuple(
        f"{one.arm} / {one.site} / {number}"
        for one, number in zip(cohort.people, fold, strict=True)
    )


def permuted_labels(
    labels: Bools, people: Sequence[str], strata: Sequence[str], rng: np.random.Generator
) -> Bools:
    """Labels exchanged among people of one stratum; rows of one person keep one label."""
    first: dict[str, int] = {}
    for index, name in enumerate(people):
        first.setdefault(name, index)
    own = np.array([bool(labels[index]) for index in first.values()])
    place = np.array([strata[index] for index in first.values()])
    for stratum in np.unique(place):
        members = np.flatnonzero(place == stratum)
        own[members] = own[rng.permutation(members)]
    value = dict(zip(first, own, strict=True))
    return np.array([bool(value[name]) for name in people])


def exchangeable(labels: Bools, strata: Sequence[str]) -> int:
    """How many rows lie in strata with both classes."""
    place = np.asarray(strata)
    return int(
        sum(
            (place == one).sum()
            for one in np.unique(place)
            if 0 < labels[place == one].sum() < (place == one).sum()
        )
    )


def permutation_test(
    contender: Contender,
    cohort: LabelledCohort,
    splits: Splits,
    result: ResultFolder,
    progress: Progress,
    *,
    permutations: int,
    seed: int,
) -> PermutationResult:
    """One repeat of the whole loop on `permutations` exchanges; resumed where it was stopped.

    Calibration by the inner folds is left out: it cannot change an AUROC.

    Raises
    ------
    AppError
        ``cohort.permutation`` when no two people can be exchanged.
    """
    strata = strata_of(cohort, splits)
    movable = exchangeable(cohort.labels, strata)
    if movable == 0:
        raise AppError(
            "No label can be exchanged within arm, site and fold: each has one class only.",
            "Arm or site carries the label, or there are too few people.",
            code="cohort.permutation",
        )
    inputs = Inputs.of(cohort)
    loop = _Loop.of(contender, inputs, splits, progress)
    key = ["within folds", cohort.sha256(), splits.sha256, contender.identity, seed]
    path = result.private / "permutations" / f"{contender.id}-{record_sha256(key)[:16]}.npz"
    found = np.full(permutations, np.nan)
    known = result.read_arrays(path)
    if known is not None:
        there = known["auroc"][:permutations]
        found[: len(there)] = there
    true = loop.auroc(inputs.labels)
    kept = time.monotonic()
    for number in np.flatnonzero(~np.isfinite(found)):
        rng = np.random.default_rng([seed, int(number), 404])
        found[number] = loop.auroc(permuted_labels(cohort.labels, cohort.identifiers, strata, rng))
        if time.monotonic() - kept > KEEP_EVERY_S:
            result.write_arrays(path, {"auroc": found})
            kept = time.monotonic()
        progress.step((number + 1) / permutations, f"permutation {number + 1} of {permutations}")
    result.write_arrays(path, {"auroc": found})
    return PermutationResult(true, found, p_value(true, found), movable)


@dataclass(frozen=True, slots=True)
class _Loop:
    """One repeat of one contender, asked for many labels of the same people."""

    contender: Contender
    inputs: Inputs
    folds: tuple[Fold, ...]
    seeds: tuple[int, ...]
    prepared: tuple[Reduced, ...]  # of a linear contender; labels have no part in them

    @classmethod
    def of(cls, contender: Contender, inputs: Inputs, splits: Splits, progress: Progress) -> _Loop:
        folds = splits.of_repeat(0)
        prepared: tuple[Reduced, ...] = ()
        if isinstance(contender, LinearContender):
            prepared = tuple(contender.prepared(inputs, one, progress) for one in folds)
        bare = tuple(Fold(one.repeat, one.number, one.training, one.test, ()) for one in folds)
        seeds = tuple(fold_seed(splits.seed, one) for one in folds)
        return cls(contender, inputs, bare, seeds, prepared)

    def auroc(self, labels: Bools) -> float:
        """Out-of-fold AUROC, everything that needs labels fitted again."""
        scores, tested = np.full(len(labels), np.nan), np.full(len(labels), -1)
        for place, fold in enumerate(self.folds):
            tested[fold.test] = fold.number
            if isinstance(self.contender, LinearContender):
                rows = self.prepared[place]
                scores[fold.test], _ = self.contender.fitted(
                    rows, rows.training, labels[fold.training], rows.test, self.seeds[place]
                )
            else:
                answer = self.contender.answer(
                    self.inputs.relabelled(labels), fold, self.seeds[place], Progress()
                )
                scores[fold.test] = answer.test
        return value_of("auroc", Scores(scores[None], scores[None], tested[None]), labels, 0.5)


def p_value(true: float, permuted: Floats) -> float:
    """Share of exchanges that reach the true figure, itself counted."""
    return float((1 + (permuted >= true - 1e-12).sum()) / (1 + len(permuted)))
