"""Attribution of the model beside that of models which had nothing to learn.

The same people, features and penalties, labels shuffled: whatever still ranks the planted
parcels high in such a model is no knowledge of the label. It exists: the planted traits (and
their suppressors) make the planted features differ more between people, and a weight on a
feature that differs more moves people more. Hence two figures for every kind of map, the
model's and the shuffled models' by the same measure:

* *plain*: parcels ranked by mean magnitude of their attribution;
* *relative*: ranked by how far the logarithm of a parcel's share in the whole map lies from its
  mean under shuffled labels, in standard deviations (the idea of permutation importance of
  Altmann et al. 2010, doi 10.1093/bioinformatics/btq134). Mean and deviation come from one half
  of the shuffled models, and the other half is judged: no model is measured against itself.

A map has the resolution of the features, which are pooled over networks: with two planted
networks of ten, and one planted pair of 45, single shuffled models scatter widely around their
mean. Their standard deviation is reported, and the share that reaches the model's figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.cohort.head_basis import ScanBasis, dual_rows
from app.cohort.logistic import fit_dual_logistic
from app.cohort.training import Block, fused_kernel
from app.core.arrays import Bools, Floats, Ints
from app.simulation.signature import PlantedSignature

FLOOR = 1e-12  # of a share, before its logarithm


@dataclass(frozen=True, slots=True)
class ManyHeads:
    """Heads on the same people: true labels first, then shuffled ones."""

    alpha: Floats  # (head, person), shared by both blocks
    series: Floats  # (head, series feature)
    connectivity: Floats  # (head, network pair)

    def first(self, count: int) -> ManyHeads:
        """The true labels' head and the first of the others, `count` in all."""
        return ManyHeads(self.alpha[:count], self.series[:count], self.connectivity[:count])


@dataclass(frozen=True, slots=True)
class Maps:
    """Mean magnitudes over people of one branch, true labels first."""

    values: Floats  # (head, item)
    sizes: Ints  # (item,), parcels or connections that share the item's value
    planted: Bools  # (item,)
    suppressed: Bools  # (item,), moved by a suppressor only


def fit_many(
    training: Sequence[Block],
    labels: Bools,
    strengths: Sequence[float],
    *,
    repeats: int,
    seed: int,
) -> ManyHeads:
    """Fit once on the true labels and `repeats` times on shuffled ones, penalties as chosen."""
    rng = np.random.default_rng(seed)
    kernel = fused_kernel(training, strengths)
    answers = [labels, *(rng.permutation(labels) for _ in range(repeats))]
    alpha = np.stack([fit_dual_logistic(kernel, some)[0] for some in answers])
    series, connectivity = (
        strength * alpha @ dual_rows(block)
        for block, strength in zip(training, strengths, strict=True)
    )
    return ManyHeads(alpha, series, connectivity)


def contribution_maps(
    heads: ManyHeads,
    training: Sequence[Block],
    people: Sequence[Block],
    network_of_parcel: Ints,
    truth: PlantedSignature,
) -> tuple[Maps, Maps]:
    """What each network, and each pair of networks, adds to the log-odds of `people`.

    Exact for a linear head, against the average training person; series, then connectivity.
    The value of a network is shared evenly by its parcels, that of a pair by its connections;
    connections inside a network have no feature of their own and take no part.
    """
    sizes = np.bincount(network_of_parcel)
    count = len(sizes)
    first, second = np.triu_indices(count, 1)
    pairs = sizes[first] * sizes[second]
    off = [
        block.values - known.values.mean(0) for block, known in zip(people, training, strict=True)
    ]
    by_network = off[0].reshape(len(off[0]), count, -1)
    weights = heads.series.reshape(len(heads.series), count, -1)
    series = np.abs(np.einsum("pnd,hnd->hpn", by_network, weights)).mean(axis=1)
    between = np.abs(heads.connectivity) * np.abs(off[1]).mean(axis=0)
    member = np.array([np.flatnonzero(network_of_parcel == one)[0] for one in range(count)])
    dynamics = np.asarray(truth.dynamics_parcels)
    edges, suppressed = np.asarray(truth.connectivity_edges), np.asarray(truth.suppressor_edges)
    place = (member[first], member[second])
    return (
        Maps(
            series / sizes,
            sizes,
            dynamics[member],
            (np.asarray(truth.suppressor_parcels) & ~dynamics)[member],
        ),
        Maps(between / pairs, pairs, edges[place], suppressed[place]),
    )


def gradient_maps(
    heads: ManyHeads,
    strengths: Sequence[float],
    bases: Sequence[ScanBasis],
    network_of_parcel: Ints,
    truth: PlantedSignature,
) -> tuple[Maps, Maps]:
    """Integrated gradients as the program shows them, per parcel and per connection.

    `bases` were walked with `dual_rows` of the same training people.
    """
    parcels = len(network_of_parcel)
    first, second = np.triu_indices(parcels, 1)
    signed = [strengths[0] * one.series_map(heads.alpha) for one in bases]
    series = np.mean([np.abs(one) for one in signed], axis=0)
    rows = np.zeros((len(heads.alpha), len(first)), np.float32)
    for basis in bases:
        for row, weights in zip(rows, heads.connectivity, strict=True):
            row += np.abs(basis.connection_map(weights, network_of_parcel)[first, second])
    dynamics = np.asarray(truth.dynamics_parcels)
    return (
        Maps(
            series,
            np.ones(parcels, int),
            dynamics,
            np.asarray(truth.suppressor_parcels) & ~dynamics,
        ),
        Maps(
            rows / np.float32(len(bases)),
            np.ones(len(first), int),
            np.asarray(truth.connectivity_edges)[first, second],
            np.asarray(truth.suppressor_edges)[first, second],
        ),
    )


def figures_of(maps: Maps) -> dict[str, float]:
    """AUROC of the planted for the model and for models trained on shuffled labels.

    Returns
    -------
    ``plain`` and ``relative`` of the model; ``…_permuted`` and ``…_permuted_sd`` over shuffled
    models; ``…_permuted_share``, the share of them that reaches the model, itself counted
    ((b + 1) / (m + 1), Phipson and Smyth 2010); ``z_planted``, ``z_suppressors``, ``z_others``:
    the model's mean distance from chance of these items, in standard deviations.
    """
    total = (maps.values * maps.sizes.astype(maps.values.dtype)).sum(axis=1, keepdims=True)
    share = np.log(np.maximum(maps.values / total, FLOOR))
    half = 1 + (len(share) - 1) // 2
    z = (share - share[1:half].mean(axis=0)) / np.maximum(share[1:half].std(axis=0), FLOOR)
    others = ~maps.planted & ~maps.suppressed
    found = _compared("plain", maps.values[0], maps.values[1:], maps)
    found |= _compared("relative", z[0], z[half:], maps)
    for name, which in (
        ("z_planted", maps.planted),
        ("z_suppressors", maps.suppressed),
        ("z_others", others),
    ):
        if which.any():
            found[name] = float(np.average(z[0][which], weights=maps.sizes[which]))
    return found


def _compared(name: str, model: Floats, shuffled: Floats, maps: Maps) -> dict[str, float]:
    value = sized_auroc(model, maps.planted, maps.sizes)
    chance = np.array([sized_auroc(row, maps.planted, maps.sizes) for row in shuffled])
    return {
        name: value,
        f"{name}_permuted": float(chance.mean()),
        f"{name}_permuted_sd": float(chance.std(ddof=1)),
        f"{name}_permuted_share": float((1 + (chance >= value).sum()) / (1 + len(chance))),
    }


def sized_auroc(scores: Floats, labels: Bools, sizes: Ints) -> float:
    """AUROC in which item i stands for `sizes[i]` equal ones, ties counted half."""
    order = np.argsort(scores, kind="stable")
    ranked, counts = np.asarray(scores)[order], np.asarray(sizes, float)[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    positive = np.add.reduceat(counts * labels[order], starts)
    negative = np.add.reduceat(counts * ~labels[order], starts)
    below = np.cumsum(negative) - negative
    total = positive.sum() * negative.sum()
    return float((positive * (below + 0.5 * negative)).sum() / total) if total else float("nan")
