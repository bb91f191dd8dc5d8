"""Permutation test over the whole loop: what the protocol finds where outcomes mean nothing.

Outcomes are exchanged among people of the same arm, site and outer fold, then every fit and every
choice of a penalty is done again (Ojala and Garriga 2010, JMLR 11). The test asks for *any*
association, confounds included: a model that reads age where age goes with response is significant.

One exchange serves both outcomes. Labels move as they are. Of the improvement, what the score
before treatment leaves moves, and is added to the receiver's own line (Freedman and Lane 1983, J
Bus Econ Stat 1; Winkler et al. 2014, NeuroImage 92), so that baseline and improvement go together
as before; lines and penalties are then fitted again in every fold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.cohort.learn.contender import Contender, Inputs, LinearContender
from app.cohort.learn.continuous import Adjustment, Regressions, known_rows
from app.cohort.learn.evaluate import fold_seed
from app.cohort.learn.figures import Scores, value_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.reduced import Reduced
from app.cohort.learn.result_folder import ResultFolder
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Bools, Floats, Ints
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.provenance import record_sha256

WORDS = "tests any association, confounds included"
AUROC, R_SQUARED, R_OF_LOG_ODDS = "auroc", "r_squared", "r"
KEEP_EVERY_S = 20.0
LABEL_FIXED = "No label can be exchanged within arm, site and fold: each has one class only."
CHANGE_FIXED = " Nor can a change: no two people with one share an arm, a site and a fold."


@dataclass(frozen=True, slots=True)
class PermutationResult:
    """AUROC of one repeat beside those of permuted labels, where labels can be permuted."""

    auroc: float | None  # None: no stratum holds both classes
    permuted: Floats  # (permutation,); (0,) where labels cannot be permuted
    p_value: float | None  # (b + 1) / (m + 1), Phipson and Smyth 2010
    exchangeable: int  # people in strata that hold both classes: the others can never move
    change: ChangePermutation | None = None  # of the continuous outcome, where there is one


@dataclass(frozen=True, slots=True)
class ChangePermutation:
    """The continuous outcome's figure of one repeat beside those of exchanged people."""

    statistic: str  # "r_squared", or "r" of log-odds for models that regress nothing
    value: float
    permuted: Floats  # (permutation,)
    p_value: float


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
    return np.asarray(labels[exchanged_rows(people, strata, rng)], np.bool_)


def exchanged_rows(people: Sequence[str], strata: Sequence[str], rng: np.random.Generator) -> Ints:
    """(row,) the row whose outcome each row receives; people of one stratum exchange theirs.

    All rows of a person receive one person's outcome, that of the giver's first row.
    """
    first: dict[str, int] = {}
    for index, name in enumerate(people):
        first.setdefault(name, index)
    own = np.array(list(first.values()))
    place = np.array([strata[index] for index in own])
    giver = own.copy()
    for stratum in np.unique(place):
        members = np.flatnonzero(place == stratum)
        giver[members] = own[rng.permutation(members)]
    received = dict(zip(first, giver, strict=True))
    return np.array([received[name] for name in people])


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


def movable_change(cohort: LabelledCohort, strata: Sequence[str]) -> int:
    """How many rows lie in strata where the improvement can be exchanged: two people or more.

    Only people whose improvement is known count; 0 where no improvement is.
    """
    inputs = Inputs.of(cohort)
    if inputs.improvement is None:
        return 0
    known, place = known_rows(inputs.improvement, inputs.baseline), np.asarray(strata)
    names = np.asarray(cohort.identifiers)
    return int(
        sum(
            (known & (place == one)).sum()
            for one in np.unique(place)
            if len(np.unique(names[known & (place == one)])) > 1
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

    Where no label can move (each arm, site and fold has one class) but improvements can, the
    continuous outcome alone is tested.

    Calibration by the inner folds is left out: it cannot change an AUROC.

    Raises
    ------
    AppError
        ``cohort.permutation`` when neither outcome can be exchanged.
    """
    strata = strata_of(cohort, splits)
    movable = exchangeable(cohort.labels, strata)
    change_moves = movable_change(cohort, strata) > 0
    if movable == 0 and not change_moves:
        raise AppError(
            LABEL_FIXED + CHANGE_FIXED,
            "Arm or site carries the label, or there are too few people.",
            code="cohort.permutation",
        )
    inputs = Inputs.of(cohort)
    loop = _Loop.of(contender, inputs, splits, progress)
    tested = tuple(
        name for name in loop.figures if (movable > 0 if name == AUROC else change_moves)
    )
    key = ["within folds", cohort.sha256(), splits.sha256, contender.identity, seed]
    path = result.private / "permutations" / f"{contender.id}-{record_sha256(key)[:16]}.npz"
    found = {name: np.full(permutations, np.nan) for name in tested}
    known = result.read_arrays(path) or {}
    for name in found:
        there = known.get(name, np.empty(0))[:permutations]
        found[name][: len(there)] = there
    true = loop.asked(np.arange(len(cohort)), tested)
    kept = time.monotonic()
    missing = ~np.all([np.isfinite(one) for one in found.values()], axis=0)
    for number in np.flatnonzero(missing):
        rng = np.random.default_rng([seed, int(number), 404])
        rows = exchanged_rows(cohort.identifiers, strata, rng)
        wanted = [name for name, one in found.items() if not np.isfinite(one[number])]
        for name, value in loop.asked(rows, wanted).items():
            found[name][number] = value
        if time.monotonic() - kept > KEEP_EVERY_S:
            result.write_arrays(path, found)
            kept = time.monotonic()
        progress.step((number + 1) / permutations, f"permutation {number + 1} of {permutations}")
    result.write_arrays(path, found)
    change = next((name for name in tested if name != AUROC), None)
    told = None if change is None else ChangePermutation(
        change, true[change], found[change], p_value(true[change], found[change])
    )  # fmt: skip
    if AUROC not in tested:
        return PermutationResult(None, np.empty(0), None, movable, told)
    auroc = found[AUROC]
    return PermutationResult(true[AUROC], auroc, p_value(true[AUROC], auroc), movable, told)


@dataclass(frozen=True, slots=True)
class _Loop:
    """One repeat of one contender, asked for many outcomes of the same people."""

    contender: Contender
    inputs: Inputs
    folds: tuple[Fold, ...]
    seeds: tuple[int, ...]
    prepared: tuple[Reduced, ...]  # of a linear contender; outcomes have no part in them
    regressions: tuple[Regressions, ...]  # of the same, where change is known of everybody
    figures: tuple[str, ...]

    @classmethod
    def of(cls, contender: Contender, inputs: Inputs, splits: Splits, progress: Progress) -> _Loop:
        folds = splits.of_repeat(0)
        seeds = tuple(fold_seed(splits.seed, one) for one in folds)
        prepared: tuple[Reduced, ...] = ()
        regressions: tuple[Regressions, ...] = ()
        figures: tuple[str, ...] = (AUROC,)
        if isinstance(contender, LinearContender):
            prepared = tuple(contender.prepared(inputs, one, progress) for one in folds)
        if inputs.improvement is not None:
            figures = (AUROC, R_SQUARED if prepared else R_OF_LOG_ODDS)
            if known_rows(inputs.improvement, inputs.baseline).all():
                regressions = tuple(
                    _regressions(rows, one, np.ones(len(one.training), np.bool_))
                    for rows, one in zip(prepared, folds, strict=False)
                )
        return cls(contender, inputs, folds, seeds, prepared, regressions, figures)

    def asked(self, rows: Ints, names: Sequence[str]) -> dict[str, float]:
        """The named figures, each row with the outcome of another; all fits are done again."""
        found: dict[str, float] = {}
        labels = np.asarray(self.inputs.labels[rows], np.bool_)
        if AUROC in names or R_OF_LOG_ODDS in names:
            scores, tested = self._scores(labels)
            own = Scores(scores[None], scores[None], tested[None])
            found[AUROC] = value_of("auroc", own, labels, 0.5)
            if R_OF_LOG_ODDS in names:
                left = self._left()[rows]
                there = np.isfinite(left)
                found[R_OF_LOG_ODDS] = _correlation(scores[there], left[there])
        if R_SQUARED in names:
            found[R_SQUARED] = self._r_squared(rows)
        return {name: found[name] for name in names}

    def _scores(self, labels: Bools) -> tuple[Floats, Ints]:
        """(row,) out-of-fold log-odds of models of these labels, and the fold of each row."""
        scores, tested = np.full(len(labels), np.nan), np.full(len(labels), -1)
        for place, fold in enumerate(self.folds):
            tested[fold.test] = fold.number
            if isinstance(self.contender, LinearContender):
                rows = self.prepared[place]
                scores[fold.test], _ = self.contender.fitted(
                    rows, rows.training, labels[fold.training], rows.test, self.seeds[place]
                )
            else:
                bare = Fold(fold.repeat, fold.number, fold.training, fold.test, ())
                answer = self.contender.answer(
                    self.inputs.relabelled(labels), bare, self.seeds[place], Progress()
                )
                scores[fold.test] = answer.test
        return scores, tested

    def _left(self) -> Floats:
        """(row,) improvement that the score before treatment leaves, over everybody."""
        improvement, baseline = self.inputs.improvement, self.inputs.baseline
        assert improvement is not None
        return Adjustment.fit(improvement, baseline).left(improvement, baseline)

    def _r_squared(self, rows: Ints) -> float:
        """Share of what the score before treatment leaves, one repeat, out of fold."""
        assert self.inputs.improvement is not None
        left = self._left()
        moved = replace(self.inputs, improvement=self.inputs.improvement - left + left[rows])
        off, whole = 0.0, 0.0
        for place, fold in enumerate(self.folds):
            change = moved.change(fold)
            ready = (
                self.regressions[place]
                if self.regressions
                else _regressions(self.prepared[place], fold, known_rows(change[0], change[2]))
            )
            answer = ready.answer(*change)
            off += float(np.nansum((answer.predicted - answer.target) ** 2))
            whole += float(np.nansum(answer.target**2))
        return 1.0 - off / max(whole, 1e-12)


def _regressions(rows: Reduced, fold: Fold, known: Bools) -> Regressions:
    return Regressions.of(
        rows.training, rows.test, fold.inner_places(), known, standardise=rows.standardise
    )


def _correlation(one: Floats, other: Floats) -> float:
    x, y = one - one.mean(), other - other.mean()
    size = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / size) if size > 1e-12 else 0.0


def permutation_figures(found: PermutationResult) -> dict[str, Any] | None:
    """What may be shown of the labels' test; None where labels could not be permuted."""
    if found.p_value is None:
        return None
    low, high = np.percentile(found.permuted, [2.5, 97.5])
    return {
        "p_value": found.p_value,
        "permutations": len(found.permuted),
        "auroc_one_repeat": found.auroc,
        "permuted_mean": float(found.permuted.mean()),
        "permuted_range": [float(low), float(high)],
        "exchangeable_people": found.exchangeable,
        "within": "arm, site and fold",
        "words": WORDS,
    }


def change_figures(found: PermutationResult) -> dict[str, Any] | None:
    """What may be shown of the continuous outcome's test; None where there was none."""
    change = found.change
    if change is None:
        return None
    low, high = np.percentile(change.permuted, [2.5, 97.5])
    return {
        "p_value": change.p_value,
        "permutations": len(change.permuted),
        "statistic": change.statistic,
        "value_one_repeat": change.value,
        "permuted_mean": float(change.permuted.mean()),
        "permuted_range": [float(low), float(high)],
        "within": "arm, site and fold",
        "words": WORDS,
    }


def p_value(true: float, permuted: Floats) -> float:
    """Share of exchanges that reach the true figure, itself counted."""
    return float((1 + (permuted >= true - 1e-12).sum()) / (1 + len(permuted)))
