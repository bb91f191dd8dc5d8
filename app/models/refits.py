"""Models refitted on resampled training people: where a person's own interval comes from.

A bundle stores the heads alone - weights, bias and calibration of each refit - and nobody's
features. All that training changes in a linear model, or in FMM_TC behind a frozen encoder with a
summed fusion, is such a row (`fmm_tc_head.py`); small networks are stored whole. The interval
holds 2.5 to 97.5 % of what the refits say of the scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from app.core.arrays import Floats
from app.models.card import Card, card_error
from app.models.interface import ResponseModel

WEIGHTS, BIAS, CALIBRATION = "refits.weights", "refits.bias", "refits.calibration"
VALUES = "refits.values"  # of whole small models


@runtime_checkable
class RefittableResponse(Protocol):
    """A model that is linear in features of its own, so that a refit is one row of weights."""

    def centred_features(self, series: Floats, connectivity: Floats, covariates: Floats) -> Floats:
        """(feature,) of one person minus the training mean; unknown values are 0."""


@runtime_checkable
class WholeRefits(Protocol):
    """A model that is small enough to be stored whole, many times over."""

    def trained_values(self) -> Floats:
        """(value,) all that training changes, float32, in a fixed order."""

    def with_trained_values(self, values: Floats) -> ResponseModel:
        """The same model as another training left it."""


def refit_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the stored refits; empty where the card has none."""
    sizes = card.fields.sizes
    count, features = sizes.get("refits", 0), sizes.get("refit_features", 0)
    if not count:
        return {}
    if values := sizes.get("refit_values", 0):
        return {VALUES: (count, values), CALIBRATION: (count, 2)}
    return {WEIGHTS: (count, features), BIAS: (count,), CALIBRATION: (count, 2)}


def refit_interval(statistics: Mapping[str, Tensor], features: Floats) -> tuple[float, float]:
    """2.5 and 97.5 % of the refits' probabilities for one person's centred features.

    Raises
    ------
    ModelError
        ``model.card`` when the refits are of another number of features than the model's.
    """
    weights = statistics[WEIGHTS].double().numpy()
    if weights.shape[1] != len(features):
        raise card_error(
            f"sizes.refit_features is {weights.shape[1]}, the model has {len(features)} features"
        )
    bias = statistics[BIAS].double().numpy()
    # a fixed order of sums: the same bits at every number of threads
    log_odds = np.array([float((row * features).sum()) for row in weights]) + bias
    return _ends(statistics, log_odds)


def whole_interval(
    statistics: Mapping[str, Tensor],
    model: WholeRefits,
    cleaned: Floats,
    matrix: Floats,
    covariates: Floats,
) -> tuple[float, float]:
    """The same of models that are stored whole, each asked for the scan.

    Raises
    ------
    ModelError
        ``model.card`` when the stored values are not those of such a model.
    """
    stored = statistics[VALUES].numpy()
    if stored.shape[1] != len(model.trained_values()):
        raise card_error(
            f"sizes.refit_values is {stored.shape[1]}, the model has "
            f"{len(model.trained_values())} values"
        )
    found = [
        float(
            model.with_trained_values(row).predict_log_odds(
                [cleaned], matrix[None], covariates[None]
            )[0]
        )
        for row in stored
    ]
    return _ends(statistics, np.array(found))


def _ends(statistics: Mapping[str, Tensor], log_odds: Floats) -> tuple[float, float]:
    calibration = statistics[CALIBRATION].double().numpy()
    scaled = np.clip(log_odds * calibration[:, 0] + calibration[:, 1], -700.0, 700.0)
    low, high = np.percentile(1.0 / (1.0 + np.exp(-scaled)), [2.5, 97.5])
    return float(low), float(high)
