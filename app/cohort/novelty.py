"""How far a participant lies from the training participants: shrunken Mahalanobis distance.

Covariance by Ledoit and Wolf (2004) shrinkage; a training participant's own distance is taken
from mean and covariance of all the others, because in-sample distances make every newcomer
look new.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.core.arrays import Floats
from app.models.card_schema import PEOPLE_PER_QUANTILE
from app.models.novelty import is_beyond, newcomer_percentile

QUANTILES = 201


@dataclass(frozen=True, slots=True)
class NoveltyFit:
    """What a bundle stores; nobody's own features or distance are in it."""

    mean: Floats  # (feature,)
    precision: Floats  # (feature, feature)
    quantiles: Floats  # (quantile,) of leave-one-out training distances, 0..100 %


def fit_novelty(features: Floats, quantiles: int = QUANTILES) -> NoveltyFit:
    """Fit on training participants, (person, feature); so many quantiles are kept."""
    distances = np.empty(len(features))
    for left_out in range(len(features)):
        others = np.delete(features, left_out, axis=0)
        mean, precision = _fit(others)
        distances[left_out] = distance(mean, precision, features[left_out])
    mean, precision = _fit(features)
    percent = np.linspace(0.0, 100.0, quantiles)
    return NoveltyFit(mean, precision, np.percentile(distances, percent))


def quantile_count(people: int) -> int:
    """How many quantiles of so many people a bundle may hold without telling one's distance."""
    return min(QUANTILES, max(PEOPLE_PER_QUANTILE, people // PEOPLE_PER_QUANTILE))


def stopped(fit: NoveltyFit, features: Floats, count: int, limit: float) -> bool:
    """Whether the bundle of `count` people would stop a newcomer, (feature,), at that percentile.

    The decision itself is `app.models.novelty`'s.
    """
    far = distance(fit.mean, fit.precision, features)
    percentile = newcomer_percentile(far, fit.quantiles, count)
    return is_beyond(percentile, far, fit.quantiles, limit)


def distance(mean: Floats, precision: Floats, features: Floats) -> float:
    """Mahalanobis distance of one participant."""
    step = features - mean
    return float(np.sqrt(max(float(step @ precision @ step), 0.0)))


def _fit(features: Floats) -> tuple[Floats, Floats]:
    from sklearn.covariance import LedoitWolf

    # features differ in unit and spread: shrink the correlation, not the covariance
    scale = features.std(axis=0) + 1e-9
    estimate = LedoitWolf().fit((features - features.mean(axis=0)) / scale)
    return features.mean(axis=0), np.asarray(estimate.precision_) / np.outer(scale, scale)
