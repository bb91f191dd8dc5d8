"""Platt scaling: two numbers that turn log-odds into probabilities (Platt 1999)."""

from __future__ import annotations

import numpy as np

from app.cohort.logistic import sigmoid
from app.core.arrays import Bools, Floats
from app.models.card import Calibration


def fit_platt(log_odds: Floats, labels: Bools) -> Calibration:
    """Fit slope and intercept on out-of-fold log-odds.

    Platt's smoothed targets, (n+ + 1) / (n+ + 2) and 1 / (n- + 2), keep the slope finite when
    the classes separate. A negative slope (ranking no better than chance) is set to 0: the
    probability is then the base rate for everybody.

    Parameters
    ----------
    log_odds
        (person,), each from a model that did not see the person.
    labels
        (person,).
    """
    positive, negative = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (positive + 1) / (positive + 2), 1 / (negative + 2))
    spread = float(log_odds.std()) or 1.0
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
        rate = float(target.mean())
        return Calibration(0.0, float(np.log(rate / (1 - rate))))
    return Calibration(float(weights[0] / spread), float(weights[1]))


def calibrated(calibration: Calibration, log_odds: Floats) -> Floats:
    """Probability of log-odds."""
    return sigmoid(calibration.slope * np.asarray(log_odds, float) + calibration.intercept)
