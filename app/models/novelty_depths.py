"""One participant as one vector at several depths, to be compared with the training participants.

Depths: how large the series are, how they move in time, how they go together, and - where the
model has an encoder - what the encoder makes of them. One shrunken Mahalanobis distance over all
of it is one test with one rate of false alarms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats
from app.models.answer import as_numpy, filled_correlation
from app.models.card import Card, card_error
from app.models.features import connectivity_features, pooling_weights, prepared_series

LAGS = (1, 4)  # frames
IN_TIME = len(LAGS) + 2  # features a network: two lags, heavy tails, coherence
FLOOR = 1e-6


@runtime_checkable
class EncodedResponse(Protocol):
    """A model with an encoder that says what it sees."""

    def encoded(self, series: Floats) -> Floats:
        """(feature,) of one (frame, parcel) series, percent; NaN columns for missing parcels."""


def novelty_feature_count(card: Card) -> int:
    """Length of the vector that a card's sizes describe.

    Raises
    ------
    ModelError
        ``model.card`` for depths that this program does not know.
    """
    sizes = card.fields.sizes
    networks, in_time = sizes["networks"], sizes.get("novelty_in_time", 0)
    if in_time not in (0, IN_TIME):
        raise card_error(f"sizes.novelty_in_time must be 0 or {IN_TIME} (found {in_time})")
    pairs = networks * (networks - 1) // 2
    return pairs + networks * (1 + in_time) + sizes.get("novelty_encoded", 0)


def novelty_vector(
    cleaned: Floats,
    matrix: Floats,
    statistics: Mapping[str, Tensor],
    networks: int,
    scale: float,
    *,
    in_time: bool = False,
    encoded: Floats | None = None,
) -> Floats:
    """What a participant is compared with the training participants by, (feature,).

    Parameters
    ----------
    cleaned
        (frame, parcel), percent of the parcel's mean; NaN columns for missing parcels.
    matrix
        (parcel, parcel) correlations; NaN rows for missing parcels.
    statistics
        Holds ``mean_correlation`` and ``network_of_parcel``.
    networks, scale
        Number of networks; percent that count as 1.
    in_time, encoded
        Further depths: how series move, and what an encoder makes of them.
    """
    series, present = prepared_series(cleaned, scale)
    numbers = as_numpy(statistics["network_of_parcel"]).astype(np.int64)
    pooling = pooling_weights(numbers, networks, present)
    filled = filled_correlation(matrix, statistics["mean_correlation"].float())
    between = connectivity_features(filled, pooling)
    spread = (pooling @ series.var(dim=0, correction=0) + FLOOR).log()
    parts = [as_numpy(torch.cat([between, spread]))]
    if in_time:
        parts.append(_in_time(as_numpy(series), as_numpy(pooling)))
    if encoded is not None:
        parts.append(np.asarray(encoded, np.float64))
    return np.concatenate(parts)


def _in_time(series: Floats, pooling: Floats) -> Floats:
    """By network, logarithms: share of variance in steps of each lag, fourth moment, coherence.

    Coherence is the variance of the network's mean standardised series: 1 where all its parcels do
    the same. Correlations between networks say nothing of parcels that have left their own.
    """
    centred = series - series.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    known = variance > 0
    safe = np.where(known, variance, 1.0)
    rows = [
        np.log(np.where(known, ((centred[lag:] - centred[:-lag]) ** 2).mean(axis=0), safe) / safe
               + FLOOR)
        for lag in LAGS
    ]  # fmt: skip
    rows.append(np.log(np.where(known, (centred**4).mean(axis=0), safe**2) / safe**2 + FLOOR))
    together = pooling @ (centred / np.sqrt(safe)).T
    coherence = np.log((together**2).mean(axis=1) + FLOOR)
    return np.concatenate([*((pooling * row).sum(axis=1) for row in rows), coherence])
