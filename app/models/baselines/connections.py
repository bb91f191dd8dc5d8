"""Connections as numbers: Fisher z of the upper triangle, in numpy and, with gradients, in torch.

A missing parcel makes its row and column NaN; it stays NaN here and becomes the training mean of
each connection where the features are scaled.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, Ints
from app.models.features import Z_LIMIT


def upper_triangle(parcels: int) -> tuple[Ints, Ints]:
    """Row and column of each pair, row by row."""
    rows, columns = np.triu_indices(parcels, 1)
    return rows, columns


def fisher_pairs(matrices: Floats) -> Floats:
    """(person, parcel, parcel) correlations -> (person, pair) Fisher z, NaN where unknown."""
    rows, columns = upper_triangle(matrices.shape[1])
    return np.arctanh(np.clip(matrices[:, rows, columns], -Z_LIMIT, Z_LIMIT))


def fisher_pairs_of(matrix: Tensor) -> Tensor:
    """The same of one (parcel, parcel) tensor; the mean of both triangles, so that the gradient
    of a connection falls on both its entries."""
    rows, columns = torch.triu_indices(len(matrix), len(matrix), 1, device=matrix.device)
    pairs = 0.5 * (matrix[rows, columns] + matrix[columns, rows])
    return torch.atanh(pairs.clamp(-Z_LIMIT, Z_LIMIT))


def mean_correlation(matrices: Floats) -> Floats:
    """Mean of (person, parcel, parcel) over those in whom a pair is known; 0 where in nobody."""
    known = np.isfinite(matrices)
    total = np.where(known, matrices, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(known.sum(axis=0), 1))


def missing_parcels(matrices: Floats) -> int:
    """How many (person, parcel) have no connection at all."""
    off_diagonal = ~np.eye(matrices.shape[1], dtype=bool)
    return int((~(np.isfinite(matrices) & off_diagonal).any(axis=2)).sum())
