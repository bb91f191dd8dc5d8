"""L2-penalised logistic regression in its dual form: few people, many features.

The penalty is ``0.5 * |w|^2`` on features that the caller has scaled; the intercept is free.
With a kernel ``K = X X^T`` the solution is ``w = X^T alpha``, so bootstrap refits and a grid of
penalties cost only (person x person) systems. Newton's method on the convex problem, hence no
seed and no learning rate (Hastie, Tibshirani and Friedman, Elements of Statistical Learning,
sections 4.4 and 12.3).
"""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats

MAX_ITERATIONS = 60
TOLERANCE = 1e-9


def sigmoid(log_odds: Floats) -> Floats:
    """Probability of log-odds, without overflow."""
    clipped = np.clip(log_odds, -700, 700)
    return np.asarray(1.0 / (1.0 + np.exp(-clipped)))


def fit_dual_logistic(
    kernel: Floats, labels: Bools, weights: Floats | None = None
) -> tuple[Floats, float]:
    """Fit one classifier.

    Parameters
    ----------
    kernel
        (person, person) inner products of scaled features.
    labels
        (person,), True = responder.
    weights
        (person,) how often each person counts (bootstrap counts); None = once. A person with
        weight 0 takes no part and gets coefficient 0.

    Returns
    -------
    alpha (person,), intercept
        Log-odds of a new person: ``k @ alpha + intercept`` with their inner products ``k``.

    Raises
    ------
    ValueError
        When only one class is present.
    """
    counts = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    used = np.flatnonzero(counts > 0)
    y = labels[used].astype(float)
    if y.min() == y.max():
        raise ValueError("Logistic regression needs both classes.")
    inner, count = kernel[np.ix_(used, used)], counts[used]
    alpha, intercept = np.zeros(len(used)), float(np.log(y.mean() / (1 - y.mean())))

    def objective(a: Floats, b: float) -> float:
        margins = inner @ a + b
        loss = np.logaddexp(0.0, margins) - y * margins
        return float(count @ loss + 0.5 * a @ inner @ a)

    value = objective(alpha, intercept)
    for _ in range(MAX_ITERATIONS):
        margins = inner @ alpha + intercept
        probability = sigmoid(margins)
        curvature = np.maximum(probability * (1 - probability), 1e-10)
        working = margins + (y - probability) / curvature
        system = np.zeros((len(used) + 1, len(used) + 1))
        system[:-1, :-1] = inner + np.diag(1.0 / (count * curvature))
        system[:-1, -1] = system[-1, :-1] = 1.0
        solved = np.linalg.solve(system, np.append(working, 0.0))
        step = 1.0
        while step > 1e-6:
            trial_alpha = alpha + step * (solved[:-1] - alpha)
            trial_intercept = float(intercept + step * (solved[-1] - intercept))
            trial = objective(trial_alpha, trial_intercept)
            if trial <= value + 1e-12:
                break
            step *= 0.5
        gain, value = value - trial, trial
        alpha, intercept = trial_alpha, trial_intercept
        if abs(gain) <= TOLERANCE * (1.0 + abs(value)):
            break
    result = np.zeros(len(labels))
    result[used] = alpha
    return result, intercept
