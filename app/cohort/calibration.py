"""From log-odds to probabilities: Platt scaling (Platt 1999) or a temperature (Guo et al. 2017).

Either is fitted on log-odds that inner folds gave of people whom the model did not see, and is
a slope and an intercept in the end, so that one card holds both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from app.cohort.logistic import sigmoid
from app.core.arrays import Bools, Floats
from app.models.card import Calibration

Method = Literal["platt", "temperature"]

NO_SPREAD = 1e-4  # of log-odds, relative to their size or to 1: rounding, not a ranking
STEEPEST = 20.0  # slope; log-odds 0.05 apart are then 1 apart, an odds ratio of 2.7


def fit_platt(log_odds: Floats, labels: Bools) -> Calibration:
    """Fit slope and intercept on out-of-fold log-odds.

    Platt's smoothed targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), keep the slope finite when
    the classes separate. They do not keep it small: log-odds that differ by thousandths rank as
    well as any, and a slope of hundreds fitted to them answers 1.000 to whomever the model tells
    further apart. The likelihood is therefore maximised over slopes of 0 to `STEEPEST`: what is
    implausible beforehand is held back, as Gelman et al. 2008 (Ann Appl Stat 2) do with a prior; a
    bound leaves every fit inside it as it is. At 0 (ranking no better than chance, or log-odds
    that are all but equal, `NO_SPREAD`) everybody gets the base rate; at `STEEPEST` the intercept
    is fitted again.

    Parameters
    ----------
    log_odds
        (person,), each from a model that did not see the person.
    labels
        (person,).
    """
    positive, negative = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))
    spread = float(log_odds.std())
    rate = float(target.mean())
    if spread <= NO_SPREAD * max(1.0, float(np.abs(log_odds).max())):
        return Calibration(0.0, float(np.log(rate / (1 - rate))))
    design = np.stack([log_odds / spread, np.ones(len(log_odds))], axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(100):
        probability = sigmoid(design @ weights)
        gradient = design.T @ (probability - target)
        hessian = (design * (probability * (1 - probability))[:, None]).T @ design
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        weights = weights - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    if weights[0] <= 0:
        return Calibration(0.0, float(np.log(rate / (1 - rate))))
    if weights[0] / spread > STEEPEST:
        return Calibration(STEEPEST, _intercept(STEEPEST * log_odds, rate))
    return Calibration(float(weights[0] / spread), float(weights[1]))


def _intercept(rows: Floats, rate: float) -> float:
    """What is added to `rows` (log-odds) so that the mean probability is `rate`."""
    middle = float(np.log(rate / (1 - rate)))
    low, high = middle - float(rows.max()), middle - float(rows.min())
    for _ in range(200):  # the mean probability rises with the intercept
        half = 0.5 * (low + high)
        low, high = (half, high) if float(sigmoid(rows + half).mean()) < rate else (low, half)
    return 0.5 * (low + high)


def fit_temperature(log_odds: Floats, labels: Bools) -> Calibration:
    """Fit the one number that log-odds are divided by; the base rate is counted, not fitted.

    Every model here weighs both classes the same, so its log-odds are those of a population of
    halves: probability = sigmoid(log-odds / T + logit(base rate)), which for a base rate of one
    half is temperature scaling as published. The base rate is that of the people given. Platt's
    smoothed targets keep T above 0 when the classes separate; where the ranking is no better than
    chance, T is infinite (slope 0) and everybody gets the base rate. The slope 1 / T is at most
    `STEEPEST`, as in `fit_platt`.

    Parameters
    ----------
    log_odds
        (person,), each from a model that did not see the person.
    labels
        (person,), of both classes.
    """
    positive, negative = int(labels.sum()), int((~labels).sum())
    prior = float(np.log(positive) - np.log(negative))
    target = np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))
    spread = float(np.sqrt((log_odds**2).mean())) or 1.0
    rows = log_odds / spread

    def gradient(slope: float) -> float:
        return float((rows * (sigmoid(slope * rows + prior) - target)).sum())

    if gradient(0.0) >= 0.0:
        return Calibration(0.0, prior)
    low, high = 0.0, 1.0
    while gradient(high) < 0.0 and high < 1e6:
        low, high = high, 2.0 * high
    for _ in range(200):  # the gradient rises with the slope: the loss is convex
        middle = 0.5 * (low + high)
        low, high = (middle, high) if gradient(middle) < 0.0 else (low, middle)
    return Calibration(min(0.5 * (low + high) / spread, STEEPEST), prior)


FITS: Mapping[Method, Callable[[Floats, Bools], Calibration]] = {
    "platt": fit_platt,
    "temperature": fit_temperature,
}
WORDS: Mapping[Method, str] = {
    "platt": "Platt scaling (slope and intercept)",
    "temperature": "temperature scaling (one number; the base rate is counted, not fitted)",
}


def calibrated(calibration: Calibration, log_odds: Floats) -> Floats:
    """Probability of log-odds."""
    return sigmoid(calibration.slope * np.asarray(log_odds, float) + calibration.intercept)
