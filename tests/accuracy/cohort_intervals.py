"""How often do 95 % intervals leave the truth out where there is nothing to learn?

    python -m tests.accuracy.cohort_intervals [--cohorts 200]

Null cohorts of independent features and a label, or a change, that nothing carries; kernel ridge
in repeated cross-validation; AUROC and correlation with the intervals that reports print. The
truth is 0.5 and 0 for every model, so an interval that leaves it out is wrong; 5 % should.
"""

from __future__ import annotations

import argparse

import numpy as np

from app.cohort.learn.comparison import own_figures
from app.cohort.learn.continuous_figures import correlated
from app.cohort.learn.figures import Scores, draws_of
from app.cohort.learn.splits import Fold, Splits
from app.core.arrays import Floats

SIZES = ((40, 5, 5), (40, 5, 20), (76, 5, 5), (76, 5, 20))  # people, folds, repeats
FEATURES, DRAWS = 2000, 500


def null_splits(labels: np.ndarray, folds: int, repeats: int, seed: int) -> Splits:
    """Stratified, shuffled."""
    from sklearn.model_selection import StratifiedKFold

    made = []
    for repeat in range(repeats):
        splitter = StratifiedKFold(folds, shuffle=True, random_state=1000 * seed + repeat)
        for number, (training, test) in enumerate(splitter.split(labels, labels)):
            made.append(Fold(repeat, number, training, test, ()))
    return Splits(tuple(made), repeats, seed, "null", "")


def predicted(features: Floats, target: Floats, splits: Splits) -> tuple[Floats, np.ndarray]:
    """(repeat, row) out-of-fold answers of kernel ridge, and whose fold each is of."""
    answer = np.full((splits.repeats, len(target)), np.nan)
    fold = np.zeros(answer.shape, int)
    for one in splits:
        own = features[one.training]
        kernel = own @ own.T + 10.0 * len(own) * np.eye(len(own))
        mean = target[one.training].mean()
        weights = np.linalg.solve(kernel, target[one.training] - mean)
        answer[one.repeat, one.test] = mean + features[one.test] @ own.T @ weights
        fold[one.repeat, one.test] = one.number
    return answer, fold


def intervals(people: int, folds: int, repeats: int, seed: int) -> tuple[list[float], list[float]]:
    """(value, low, high) of AUROC and of the correlation in one null cohort."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((people, FEATURES))
    labels = rng.permutation(np.arange(people) < people // 2)
    change = rng.standard_normal(people)
    splits = null_splits(labels, folds, repeats, seed)
    draws = draws_of([str(number) for number in range(people)], DRAWS, 1)
    counts = np.stack([np.bincount(one, minlength=people) for one in draws]).astype(float)
    scores, fold = predicted(features, labels.astype(float), splits)
    ranked = own_figures(
        Scores(scores, np.full(scores.shape, 0.5), fold), labels, draws, ["auroc"], 0.5, splits
    )
    answer, fold = predicted(features, change, splits)
    target = np.broadcast_to(change, answer.shape)
    related = correlated("r", answer, target, fold, counts, 1.0 / (folds - 1))
    return (
        [ranked["auroc"], *ranked["auroc_interval"]],
        [related["r"], *related["r_interval"]],
    )


def main() -> None:
    """Print one line a size and figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=200)
    count = parser.parse_args().cohorts
    for people, folds, repeats in SIZES:
        found = np.array([intervals(people, folds, repeats, seed) for seed in range(count)])
        for name, truth, place in (("AUROC", 0.5, 0), ("correlation", 0.0, 1)):
            value, low, high = found[:, place].T
            print(
                f"{people} people, {folds} x {repeats}, {name}: mean {value.mean():+.3f}, "
                f"below the truth {(high < truth).mean():.3f}, above {(low > truth).mean():.3f}, "
                f"width {(high - low).mean():.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
