"""How the answer grows with the number of people: the same test people, fewer who train."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.cohort.learn.change_groups import figures_of_change
from app.cohort.learn.contender import Contender, Inputs, LinearContender
from app.cohort.learn.continuous import ContinuousAnswer, known_rows
from app.cohort.learn.continuous_figures import MOST_DRAWS
from app.cohort.learn.evaluate import fold_seed
from app.cohort.learn.figures import Scores, drawn_of, draws_of, interval_of, value_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.models.baselines.people import MINIMUM_PER_CLASS

SHARES = (0.25, 0.4, 0.6, 0.8, 1.0)
MOST_REPEATS = 3
FEWEST_TAUGHT = 3  # people with a known change, for a line and a penalty


def learning_curve(
    contender: Contender,
    cohort: LabelledCohort,
    splits: Splits,
    draws: Ints,
    progress: Progress,
    shares: tuple[float, ...] = SHARES,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mean out-of-fold AUROC at growing shares of each fold's training people; the change beside.

    Training people of one share are drawn anew in each fold and repeat, the classes in proportion.
    Shares that leave fewer than four of a class are left out. Up to three repeats. The second list
    holds R^2, correlation and absolute error of the change for contenders that regress it: line,
    penalty and model of the same people; [] for others, and where no change is known.
    """
    inputs, rows, changes = Inputs.of(cohort), list[dict[str, Any]](), list[dict[str, Any]]()
    repeats = min(splits.repeats, MOST_REPEATS)
    folds = [fold for fold in splits if fold.repeat < repeats]
    tested = np.full((repeats, len(cohort)), -1)
    for fold in folds:
        tested[fold.repeat, fold.test] = fold.number
    for place, share in enumerate(shares):
        scores = np.full((repeats, len(cohort)), np.nan)
        predicted, target = np.full_like(scores, np.nan), np.full_like(scores, np.nan)
        sizes = []
        for number, fold in enumerate(folds):
            kept = subsample(fold, cohort.labels, share, splits.seed)
            there = cohort.labels[kept]
            if min(there.sum(), (~there).sum()) < MINIMUM_PER_CLASS:
                break
            part = _part(fold, kept)
            answer, change = _answer(contender, inputs, part, fold_seed(splits.seed, fold))
            scores[fold.repeat, fold.test] = answer
            if change is not None:
                predicted[fold.repeat, fold.test] = change.predicted
                target[fold.repeat, fold.test] = change.target
            sizes.append(len(kept))
            progress.step((place + (number + 1) / len(folds)) / len(shares), f"share {share:g}")
        else:
            own = Scores(scores, scores, tested)
            drawn = drawn_of("auroc", own, cohort.labels, draws, 0.5)
            told = {"share": share, "training_people": float(np.mean(sizes)), "repeats": repeats}
            rows.append(
                told
                | {
                    "auroc": value_of("auroc", own, cohort.labels, 0.5),
                    "auroc_interval": interval_of(drawn),
                }
            )
            known = np.isfinite(target).all(axis=0) & np.isfinite(predicted).all(axis=0)
            if known.sum() >= FEWEST_TAUGHT:
                changes.append(
                    told | _change(cohort, predicted, target, tested, np.flatnonzero(known))
                )
    return rows, changes


def _part(fold: Fold, kept: Ints) -> Fold:
    """A fold whose inner folds hold the kept training rows alone."""
    inner = tuple(
        (np.intersect1d(inside, kept), np.intersect1d(validation, kept))
        for inside, validation in fold.inner
    )
    whole = tuple(one for one in inner if all(len(rows) for rows in one))
    return Fold(fold.repeat, fold.number, kept, fold.test, whole)


def _answer(
    contender: Contender, inputs: Inputs, part: Fold, seed: int
) -> tuple[Floats, ContinuousAnswer | None]:
    """Log-odds of the test rows and, of contenders that regress it, their change."""
    labels = inputs.labels
    if not isinstance(contender, LinearContender):
        bare = Fold(part.repeat, part.number, part.training, part.test, ())
        return contender.answer(inputs.relabelled(labels), bare, seed, Progress()).test, None
    rows = contender.prepared(inputs, part, Progress())
    own = labels[part.training]
    answer, _ = contender.fitted(rows, rows.training, own, rows.test, seed)
    if not _taught(inputs, part):
        return answer, None
    return answer, contender.regressed(rows, inputs, part, part.inner_places())


def _taught(inputs: Inputs, part: Fold) -> bool:
    """Whether there are inner folds, and each knows the change of enough people to learn it."""
    if inputs.improvement is None or len(part.inner) < 2:
        return False
    known = known_rows(inputs.improvement, inputs.baseline)
    return all(known[inside].sum() >= FEWEST_TAUGHT for inside, _ in part.inner)


def _change(
    cohort: LabelledCohort, predicted: Floats, target: Floats, fold: Ints, rows: Ints
) -> dict[str, Any]:
    protocol = cohort.plan.protocol
    names = [cohort.identifiers[int(i)] for i in rows]
    draws = draws_of(names, min(protocol.bootstrap_repeats, MOST_DRAWS), protocol.seed)
    return figures_of_change(predicted[:, rows], target[:, rows], fold[:, rows], draws)


def subsample(fold: Fold, labels: Bools, share: float, seed: int) -> Ints:
    """A share of a fold's training rows, the classes in proportion; larger shares hold smaller."""
    rng = np.random.default_rng([seed, fold.repeat, fold.number, 606])
    kept = []
    for value in (True, False):
        members = rng.permutation(fold.training[labels[fold.training] == value])
        kept.append(members[: max(1, round(share * len(members)))])
    return np.sort(np.concatenate(kept))
