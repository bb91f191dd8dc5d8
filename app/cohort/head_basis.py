"""Attribution maps of many heads at the price of one walk along each path.

A head fitted on given training people is a weighted sum of their scaled features,
``w = sum over people of alpha_i * row_i`` (`fit_head`), and every gradient of the log-odds is
linear in ``w``. So the path integral of each ``row_i`` is walked once for a scan; the map of any
head on these people, true labels or shuffled, is then ``alpha`` times what was found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.attribution.integrated_gradients import gauss_legendre
from app.cohort.training import Block, fit_scaling
from app.core.arrays import Floats, Ints
from app.models.differentiable import DifferentiableModel
from app.models.features import (
    connectivity_features,
    pooling_weights,
    series_features,
    window_starts,
)

NODES = 8  # of `integrated_gradients`, where the delivered model's paths converge


@dataclass(frozen=True, slots=True)
class ScanBasis:
    """One scan's integrated gradients of everything a head can be made of."""

    series: Floats  # (row, parcel), summed over frames, mean over windows
    connectivity: Floats  # (feature, network, network), mean gradient of each connection
    step: Floats  # (parcel, parcel), this scan's matrix minus the baseline's

    def series_map(self, alpha: Floats) -> Floats:
        """Signed attribution of each parcel by the series branch, (…, parcel)."""
        return np.asarray(alpha @ self.series)

    def connection_map(self, weights: Floats, network_of_parcel: Ints) -> Floats:
        """Signed attribution of each connection, in full in both places, (parcel, parcel)."""
        blocks = np.tensordot(weights, self.connectivity, 1)
        place = np.ix_(network_of_parcel, network_of_parcel)
        both = (blocks + blocks.T)[place] * self.step
        np.fill_diagonal(both, 0.0)
        return np.asarray(both)

    def save(self, path: Path) -> None:
        """Keep it, single precision, whole or not at all."""
        partial = path.with_suffix(".partial")
        with partial.open("wb") as handle:
            np.savez_compressed(
                handle,
                series=np.asarray(self.series, np.float32),
                connectivity=np.asarray(self.connectivity, np.float32),
                step=np.asarray(self.step, np.float32),
            )
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> ScanBasis:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            return cls(*(archive[name] for name in ("series", "connectivity", "step")))


def dual_rows(block: Block) -> Floats:
    """What a head's weights on `block` are a sum of, at strength 1: (person, feature)."""
    scaling = fit_scaling(block)
    return np.asarray((block.values - scaling.mean) * scaling.multiplier**2)


def scan_basis(
    model: DifferentiableModel,
    rows: Floats,
    *,
    nodes: int = NODES,
    batch: int = 8,
) -> ScanBasis:
    """Walk one scan's paths, from zero series and from the mean matrix.

    Parameters
    ----------
    model
        The scan; only the frozen parts of its model are used.
    rows
        (row, series feature) from `dual_rows`.
    nodes
        Of the Gauss-Legendre rule.
    batch
        Rows at a time; bounds memory.
    """
    return ScanBasis(
        _series_basis(model, rows, nodes, batch),
        _connectivity_basis(model, nodes),
        (model.correlation - model.baseline_correlation).cpu().double().numpy(),
    )


def _series_basis(model: DifferentiableModel, rows: Floats, nodes: int, batch: int) -> Floats:
    frozen, step = model.model, model.series
    directions = torch.as_tensor(rows, dtype=torch.float32, device=step.device)
    pooling = _pooling(model)
    starts = window_starts(len(step), frozen.window_frames)
    total = np.zeros((len(rows), step.shape[1]))
    for place, weight in zip(*gauss_legendre(nodes), strict=True):
        at = place * step
        for start in starts:
            window = slice(start, start + frozen.window_frames)
            moved = step[window].T
            for first in range(0, len(rows), batch):
                some = directions[first : first + batch]
                copies = at[window].T.expand(len(some), -1, -1).contiguous().requires_grad_(True)
                with torch.enable_grad():
                    features = series_features(
                        frozen.encoder,
                        copies,
                        frozen.tensors["centroids_mm"],
                        frozen.tensors["token_order"],
                        pooling,
                    )
                    (gradient,) = torch.autograd.grad((features * some).sum(), copies)
                part = (gradient * moved).double().sum(dim=2).cpu().numpy()
                total[first : first + batch] += weight / len(starts) * part
    return total


def _connectivity_basis(model: DifferentiableModel, nodes: int) -> Floats:
    """Every connection between two networks has the same gradient: one number a block."""
    pooling = _pooling(model)
    member = (pooling > 0).to(torch.float64)
    size = member.sum(dim=1).clamp_min(1.0)
    # diagonal entries are taken as 1 and have no gradient: leave them out of the mean
    pairs = torch.outer(size, size) - torch.diag(size)
    step = model.correlation - model.baseline_correlation
    count = len(pooling) * (len(pooling) - 1) // 2
    total = np.zeros((count, len(pooling), len(pooling)))
    for place, weight in zip(*gauss_legendre(nodes), strict=True):
        at = (model.baseline_correlation + place * step).requires_grad_(True)
        with torch.enable_grad():
            features = connectivity_features(at, pooling)
            for index in range(count):
                (gradient,) = torch.autograd.grad(features[index], at, retain_graph=True)
                block = member @ gradient.double() @ member.T / pairs.clamp_min(1.0)
                total[index] += weight * block.cpu().numpy()
    return total


def _pooling(model: DifferentiableModel) -> Tensor:
    networks = model.model.tensors["network_of_parcel"].cpu().numpy()
    return pooling_weights(networks, model.model.networks, model.present)
