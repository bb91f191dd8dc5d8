"""How far a participant lies from those a model was made from; summary statistics only."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from app.core.arrays import Floats
from app.core.results import Novelty, Verdict
from app.models.answer import as_numpy
from app.models.card import Card


def novelty_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the stored statistics, from the card's sizes."""
    features, quantiles = (
        card.fields.sizes["novelty_features"],
        card.fields.sizes["novelty_quantiles"],
    )
    return {
        "novelty.mean": (features,),
        "novelty.precision": (features, features),
        "novelty.quantiles": (quantiles,),
        "novelty.site_means": (len(card.site_names), features),
    }


def novelty_of(card: Card, statistics: Mapping[str, Tensor], features: Floats) -> Novelty:
    """Mahalanobis distance against the training participants' own (leave-one-out) distances.

    Parameters
    ----------
    card
        Holds the limit and how many people trained.
    statistics
        As `novelty_shapes`.
    features
        (feature,) of this participant.

    Returns
    -------
    Novelty
        Its percentile never lies beyond ``1 - 1 / (n + 1)``.
    """
    mean, precision = as_numpy(statistics["novelty.mean"]), statistics["novelty.precision"]
    step = features - mean
    weighted = (as_numpy(precision) * step[:, None]).sum(axis=0)
    distance = float(np.sqrt(max((weighted * step).sum(), 0.0)))
    quantiles = as_numpy(statistics["novelty.quantiles"])
    limit = card.fields.novelty.limit_percentile
    count = card.fields.training.count
    percent = np.linspace(0.0, 100.0, quantiles.size)
    below = float(np.interp(distance, quantiles, percent))
    percentile = min(below, 100.0 * count / (count + 1))
    outside = not distance <= float(np.interp(limit, percent, quantiles))
    sites = as_numpy(statistics["novelty.site_means"])
    nearest = int(((sites - features) ** 2).sum(axis=1).argmin())
    return Novelty(
        percentile=percentile,
        limit=limit,
        nearest=card.site_names[nearest],
        verdict=Verdict.WITHHELD if outside else Verdict.PASS,
    )
