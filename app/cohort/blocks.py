"""How features are weighed against each other before any head is fitted: fixed, one place."""

from __future__ import annotations

import numpy as np

from app.cohort.training import Block
from app.core.arrays import Floats, Ints


def series_block(values: Floats, network_of_parcel: Ints) -> Block:
    """Series features weighed by the square root of their network's number of parcels."""
    sizes = np.bincount(network_of_parcel)
    return Block("series", values, np.repeat(np.sqrt(sizes), values.shape[1] // len(sizes)))


def connectivity_block(values: Floats, network_of_parcel: Ints) -> Block:
    """Network correlations weighed by the square root of their number of parcel pairs."""
    sizes = np.bincount(network_of_parcel)
    first, second = np.triu_indices(len(sizes), 1)
    return Block("connectivity", values, np.sqrt(sizes[first] * sizes[second]))


def covariate_block(values: Floats, training_count: int) -> Block:
    """Covariates, missing ones replaced by the training mean, divided by the training spread."""
    mean = np.nanmean(values[:training_count], axis=0)
    filled = np.where(np.isfinite(values), values, mean)
    return Block("covariates", filled, 1.0 / (filled[:training_count].std(axis=0) + 1e-9))
