"""From frozen features to a linear fusion head: scaling, penalties, bootstrap heads.

A block of features is centred by its training mean and multiplied by fixed factors (the square
root of the number of parcels, or of parcel pairs, behind a feature, so that a parcel weighs the
same in a large network as in a small one) and by one number, its training spread. Nothing is
divided by its own standard deviation: that would blow up features that hardly vary.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.logistic import fit_dual_logistic
from app.cohort.metrics import log_loss
from app.core.arrays import Bools, Floats, Ints

PENALTY_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True)
class Block:
    """One modality's features of many people."""

    name: str
    values: Floats  # (person, feature)
    factors: Floats  # (feature,), fixed beforehand

    def rows(self, people: Ints) -> Block:
        """The same block for some people."""
        return Block(self.name, self.values[people], self.factors)


@dataclass(frozen=True, slots=True)
class Scaling:
    """Training statistics of one block."""

    mean: Floats  # (feature,)
    multiplier: Floats  # (feature,)


@dataclass(frozen=True, slots=True)
class Head:
    """A linear model on raw features: bias + sum over blocks of weight . (value - mean)."""

    bias: float
    weights: tuple[Floats, ...]  # one a block
    means: tuple[Floats, ...]
    strengths: tuple[float, ...]  # inverse penalties, chosen inside the training people

    def log_odds(self, blocks: Sequence[Block]) -> Floats:
        """(person,) of the blocks in the order of training."""
        total = np.full(len(blocks[0].values), self.bias)
        for block, weight, mean in zip(blocks, self.weights, self.means, strict=True):
            total = total + (block.values - mean) @ weight
        return np.asarray(total)


def fit_scaling(block: Block) -> Scaling:
    """Statistics of the training people in `block`."""
    mean = block.values.mean(axis=0)
    spread = float((block.values * block.factors).std(axis=0).mean())
    size = np.sqrt(block.values.shape[1])
    return Scaling(mean, block.factors / (max(spread, 1e-12) * size))


def folds_of(labels: Bools, count: int, seed: int) -> Ints:
    """Fold number of each person, classes spread evenly, order from the seed."""
    rng = np.random.default_rng(seed)
    fold = np.empty(len(labels), int)
    offset = 0
    for value in (True, False):
        members = rng.permutation(np.flatnonzero(labels == value))
        fold[members] = (np.arange(len(members)) + offset) % count
        offset += len(members)
    return fold


def _kernels(blocks: Sequence[Block], scalings: Sequence[Scaling]) -> list[Floats]:
    scaled = [(b.values - s.mean) * s.multiplier for b, s in zip(blocks, scalings, strict=True)]
    return [rows @ rows.T for rows in scaled]


def choose_strengths(
    blocks: Sequence[Block], labels: Bools, folds: int, seed: int
) -> tuple[float, ...]:
    """Inverse penalty of each block with the least cross-validated log-loss.

    Scaling is fitted inside each fold's training people.
    """
    fold = folds_of(labels, folds, seed)
    prepared = []
    for number in range(folds):
        inside = fold != number
        scalings = [fit_scaling(block.rows(np.flatnonzero(inside))) for block in blocks]
        prepared.append((inside, _kernels(blocks, scalings)))
    best: tuple[float, tuple[float, ...]] | None = None
    for strengths in itertools.product(PENALTY_GRID, repeat=len(blocks)):
        scores = np.empty(len(labels))
        for inside, kernels in prepared:
            kernel = _weighted(kernels, strengths)
            alpha, bias = fit_dual_logistic(kernel[np.ix_(inside, inside)], labels[inside])
            scores[~inside] = kernel[np.ix_(~inside, inside)] @ alpha + bias
        loss = log_loss(1.0 / (1.0 + np.exp(-np.clip(scores, -50, 50))), labels)
        if best is None or loss < best[0] - 1e-9:
            best = (loss, strengths)
    assert best is not None
    return best[1]


def _weighted(kernels: Sequence[Floats], strengths: Sequence[float]) -> Floats:
    total = np.zeros_like(kernels[0])
    for kernel, strength in zip(kernels, strengths, strict=True):
        total = total + strength * kernel
    return total


def dual_coefficients(
    blocks: Sequence[Block],
    labels: Bools,
    strengths: Sequence[float],
    counts: Floats | None = None,
) -> tuple[Floats, float]:
    """Each person's coefficient and the bias: weights are sums of the people's scaled features."""
    return fit_dual_logistic(fused_kernel(blocks, strengths), labels, counts)


def fused_kernel(blocks: Sequence[Block], strengths: Sequence[float]) -> Floats:
    """Inner products of the scaled people, blocks weighed by their strengths."""
    scalings = [fit_scaling(block) for block in blocks]
    return _weighted(_kernels(blocks, scalings), strengths)


def fit_head(
    blocks: Sequence[Block],
    labels: Bools,
    strengths: Sequence[float],
    counts: Floats | None = None,
) -> Head:
    """Fit the fusion head on all people given.

    Parameters
    ----------
    blocks, labels
        Training people.
    strengths
        Inverse penalty of each block.
    counts
        How often each person counts (bootstrap); scaling always comes from everyone once.
    """
    alpha, bias = dual_coefficients(blocks, labels, strengths, counts)
    scalings = [fit_scaling(block) for block in blocks]
    weights = tuple(
        strength * scaling.multiplier * (((b.values - scaling.mean) * scaling.multiplier).T @ alpha)
        for b, scaling, strength in zip(blocks, scalings, strengths, strict=True)
    )
    return Head(bias, weights, tuple(s.mean for s in scalings), tuple(strengths))
