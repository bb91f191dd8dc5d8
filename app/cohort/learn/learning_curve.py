"""How the answer grows with the number of people: the same test people, fewer who train."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.cohort.learn.contender import Contender, Inputs
from app.cohort.learn.evaluate import fold_seed
from app.cohort.learn.figures import Scores, drawn_of, interval_of, value_of
from app.cohort.learn.labelled import LabelledCohort
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Bools, Ints
from app.core.progress import Progress
from app.models.baselines.people import MINIMUM_PER_CLASS

SHARES = (0.25, 0.4, 0.6, 0.8, 1.0)
MOST_REPEATS = 3


def learning_curve(
    contender: Contender,
    cohort: LabelledCohort,
    splits: Splits,
    draws: Ints,
    progress: Progress,
    shares: tuple[float, ...] = SHARES,
) -> list[dict[str, Any]]:
    """Mean out-of-fold AUROC at growing shares of each fold's training people.

    Training people of one share are drawn anew in each fold and repeat, the classes in proportion.
    Shares that leave fewer than four of a class are left out. Up to three repeats.
    """
    inputs, rows = Inputs.of(cohort).relabelled(cohort.labels), []
    repeats = min(splits.repeats, MOST_REPEATS)
    folds = [fold for fold in splits if fold.repeat < repeats]
    tested = np.full((repeats, len(cohort)), -1)
    for fold in folds:
        tested[fold.repeat, fold.test] = fold.number
    for place, share in enumerate(shares):
        scores = np.full((repeats, len(cohort)), np.nan)
        sizes = []
        for number, fold in enumerate(folds):
            kept = subsample(fold, cohort.labels, share, splits.seed)
            there = cohort.labels[kept]
            if min(there.sum(), (~there).sum()) < MINIMUM_PER_CLASS:
                break
            bare = Fold(fold.repeat, fold.number, kept, fold.test, ())
            answer = contender.answer(inputs, bare, fold_seed(splits.seed, fold), Progress())
            scores[fold.repeat, fold.test] = answer.test
            sizes.append(len(kept))
            progress.step((place + (number + 1) / len(folds)) / len(shares), f"share {share:g}")
        else:
            own = Scores(scores, scores, tested)
            drawn = drawn_of("auroc", own, cohort.labels, draws, 0.5)
            rows.append(
                {
                    "share": share,
                    "training_people": float(np.mean(sizes)),
                    "auroc": value_of("auroc", own, cohort.labels, 0.5),
                    "auroc_interval": interval_of(drawn),
                    "repeats": repeats,
                }
            )
    return rows


def subsample(fold: Fold, labels: Bools, share: float, seed: int) -> Ints:
    """A share of a fold's training rows, the classes in proportion; larger shares hold smaller."""
    rng = np.random.default_rng([seed, fold.repeat, fold.number, 606])
    kept = []
    for value in (True, False):
        members = rng.permutation(fold.training[labels[fold.training] == value])
        kept.append(members[: max(1, round(share * len(members)))])
    return np.sort(np.concatenate(kept))
