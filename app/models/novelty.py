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


def newcomer_percentile(distance: float, quantiles: Floats, count: int) -> float:
    """Place of a newcomer among `count` training participants, in percent.

    Rank k of n counts as ``100 k / (n + 1)``: a newcomer like the others is as likely in each of
    the n + 1 gaps between their distances (Vovk et al. 2005, conformal p value), so at most
    ``1 - limit`` of such newcomers lie beyond a limit. Ranks as percentiles of the n themselves
    would stop more than that.

    Parameters
    ----------
    quantiles
        (quantile,) of leave-one-out training distances, 0 to 100 %.
    """
    ranks = np.linspace(1.0, float(count), quantiles.size)
    return 100.0 * float(np.interp(distance, quantiles, ranks, left=0.0)) / (count + 1)


def is_beyond(percentile: float, distance: float, quantiles: Floats, limit: float) -> bool:
    """Whether a newcomer gets no number.

    Whoever is farther out than every training participant is beyond any limit: where these are too
    few for the limit's rank (39 for 97.5 %), one newcomer in n + 1 is stopped for nothing.
    """
    return not (percentile <= limit and distance <= float(quantiles[-1]))


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
    percentile = newcomer_percentile(distance, quantiles, card.fields.training.count)
    outside = is_beyond(percentile, distance, quantiles, limit)
    sites = as_numpy(statistics["novelty.site_means"])
    nearest = int(((sites - features) ** 2).sum(axis=1).argmin())
    return Novelty(
        percentile=percentile,
        limit=limit,
        nearest=card.site_names[nearest],
        verdict=Verdict.WITHHELD if outside else Verdict.PASS,
    )
