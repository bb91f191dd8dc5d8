"""How good predictions are, with intervals over persons; formulas as in scikit-learn's guide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from app.core.arrays import Bools, Floats

Metric = Callable[[Floats, Bools], float]


def auroc(scores: Floats, labels: Bools) -> float:
    """Area under the ROC curve (Mann-Whitney), ties counted half; NaN with one class only."""
    positive, negative = int(labels.sum()), int((~labels).sum())
    if not positive or not negative:
        return float("nan")
    _, place, ties = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - 0.5 * (ties - 1))[place]  # from 1, ties get their mean
    wins = ranks[labels].sum() - 0.5 * positive * (positive + 1)
    return float(wins / (positive * negative))


def balanced_accuracy(probability: Floats, labels: Bools, cutoff: float = 0.5) -> float:
    """Mean of sensitivity and specificity at `cutoff`."""
    called = probability >= cutoff
    return float(0.5 * (called[labels].mean() + (~called[~labels]).mean()))


def matthews(probability: Floats, labels: Bools, cutoff: float = 0.5) -> float:
    """Matthews correlation coefficient at `cutoff`; 0 when a row or column is empty."""
    called = probability >= cutoff
    tp, tn = float((called & labels).sum()), float((~called & ~labels).sum())
    fp, fn = float((called & ~labels).sum()), float((~called & labels).sum())
    scale = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return float((tp * tn - fp * fn) / np.sqrt(scale)) if scale > 0 else 0.0


def brier(probability: Floats, labels: Bools) -> float:
    """Mean squared difference between probability and outcome."""
    return float(np.mean((probability - labels) ** 2))


def log_loss(probability: Floats, labels: Bools) -> float:
    """Mean negative log-likelihood, natural logarithm; probabilities clipped at 1e-12."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(labels, np.log(p), np.log(1 - p))))


def bootstrap_interval(
    metric: Metric,
    values: Floats,
    labels: Bools,
    *,
    seed: int,
    repeats: int = 2000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a metric over resampled persons.

    Resamples that hold one class only are left out.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(repeats):
        rows = rng.integers(0, len(labels), len(labels))
        value = metric(values[rows], labels[rows])
        if np.isfinite(value):
            found.append(value)
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(found, [tail, 100.0 - tail])
    return float(low), float(high)
