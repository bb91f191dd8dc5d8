"""Whether two attributions of the same scan tell the same story, parcel by parcel."""

from __future__ import annotations

import numpy as np

from app.core.arrays import Bools, Floats

RANK_SHARE = 0.25  # ranks further apart than this share of all parcels disagree


def average_ranks(values: Floats) -> Floats:
    """Ranks from 1, ties get their mean rank."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(1, len(values) + 1)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, weights=ranks)
    return np.asarray(sums[inverse] / counts[inverse])


def spearman(first: Floats, second: Floats) -> float:
    """Spearman rank correlation; NaN when one of them is constant."""
    a, b = average_ranks(first), average_ranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def agreement_of(first: Floats, second: Floats, present: Bools) -> tuple[float, Bools]:
    """Spearman correlation over present parcels, and which parcels disagree.

    Parameters
    ----------
    first, second
        (parcel,) signed log-odds.
    present
        (parcel,) False where not covered; such parcels neither count nor disagree.

    Returns
    -------
    correlation, disagreeing (parcel,)
        A parcel disagrees when the two values have opposite signs, or when their ranks differ
        by more than a quarter of all parcels.
    """
    a, b = first[present], second[present]
    apart = np.abs(average_ranks(a) - average_ranks(b)) > RANK_SHARE * len(a)
    disagreeing = np.zeros(len(first), bool)
    disagreeing[present] = (a * b < 0) | apart
    return spearman(a, b), disagreeing
