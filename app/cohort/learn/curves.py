"""Curves of pooled out-of-fold predictions on fixed grids: no point is a person's."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.cohort.learn.figures import Scores
from app.core.arrays import Bools

GRID = tuple(round(0.05 * step, 2) for step in range(21))
BINS = 10
FEWEST_IN_A_BIN = 5  # people a repeat; smaller bins join their neighbour


def roc_points(scores: Scores, labels: Bools) -> list[list[float]]:
    """[false positive rate, mean true positive rate] on a grid, folds and repeats averaged."""
    found = []
    for place, row in enumerate(scores.log_odds):
        fold = np.zeros(len(row), int) if scores.fold is None else scores.fold[place]
        for number in np.unique(fold):
            own, y = row[fold == number], labels[fold == number]
            if y.all() or not y.any():
                continue
            order = np.argsort(-own, kind="stable")
            hits = np.concatenate([[0.0], np.cumsum(y[order]) / y.sum()])
            false = np.concatenate([[0.0], np.cumsum(~y[order]) / (~y).sum()])
            last = np.append(np.diff(own[order]) != 0, True)  # ties move together
            keep = np.concatenate([[True], last])
            found.append(np.interp(GRID, false[keep], hits[keep]))
    if not found:
        return []
    mean = np.mean(found, axis=0)
    return [[x, float(y)] for x, y in zip(GRID, mean, strict=True)]


def calibration_bins(scores: Scores, labels: Bools) -> list[dict[str, Any]]:
    """Mean probability and observed share in bins of equal numbers, pooled over repeats."""
    probability = scores.probability.ravel()
    outcome = np.broadcast_to(labels, scores.probability.shape).ravel()
    count = int(np.clip(len(labels) // (2 * FEWEST_IN_A_BIN), 1, BINS))
    order = np.argsort(probability, kind="stable")
    return [
        {
            "probability": float(probability[part].mean()),
            "observed": float(outcome[part].mean()),
            "people": float(len(part) / len(scores.probability)),
        }
        for part in np.array_split(order, count)
    ]


def histogram(scores: Scores, labels: Bools) -> dict[str, list[float]]:
    """Counts of probabilities by class, mean over repeats."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    repeats = len(scores.probability)

    def counted(rows: Bools) -> list[float]:
        values = scores.probability[:, rows].ravel()
        return [float(v) / repeats for v in np.histogram(values, edges)[0]]

    return {
        "edges": [float(edge) for edge in edges],
        "responder": counted(labels),
        "non_responder": counted(~labels),
    }
