"""Does the attribution name what was planted? Ranking of planted parcels and connections.

For held-out simulated people the answer key is known. Attributions are averaged in magnitude
over people (one person's map also shows where that person happens to lie on each trait) and
ranked; an AUROC of 1 means that every planted parcel ranks before every other. Beside it stand
models trained on shuffled labels, and the ranking of maps divided by theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.attribution.explain import explain
from app.cohort.evaluation import Contender
from app.cohort.metrics import auroc
from app.cohort.prepared import PreparedParticipant
from app.cohort.training import Head, fit_head
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress
from app.core.results import Attribution, BranchAttribution
from app.models.bundle import Bundle
from app.models.differentiable import DifferentiableModel
from app.models.fmm_tc import FmmTc
from app.simulation.signature import PlantedSignature


@dataclass(frozen=True, slots=True)
class Ranking:
    """AUROC of the planted among all, of one view."""

    series_parcels: float
    connectivity_parcels: float
    connections: float
    series_parcels_per_person: float
    connectivity_parcels_per_person: float
    connections_per_person: float
    suppressor_share_series: float  # mean |attribution| of suppressor parcels / of planted ones
    suppressor_share_connections: float


def explain_people(
    bundle: Bundle, people: Sequence[PreparedParticipant], progress: Progress
) -> tuple[Attribution, ...]:
    """Both attributions of some people."""
    fmm_tc = FmmTc.from_tensors(bundle.card, bundle.tensors)
    found = []
    for number, person in enumerate(people, start=1):
        model = DifferentiableModel.of(
            fmm_tc,
            person.cleaned,
            person.good_frames,
            person.connectivity,
            bundle.contract.series_scale_percent,
            "cpu",
        )
        found.append(explain(model))
        progress.step(number / len(people), f"attribution {number} of {len(people)}")
    return tuple(found)


def ranking(branches: Sequence[BranchAttribution], truth: PlantedSignature) -> Ranking:
    """Rank by magnitude, averaged over people first, and person by person."""
    series = np.abs(np.stack([one.per_parcel_series for one in branches]))
    pairs = np.abs(np.stack([one.per_connection for one in branches]))
    parcels = np.abs(np.stack([0.5 * one.per_connection.sum(axis=1) for one in branches]))
    upper = np.triu_indices(pairs.shape[1], 1)
    edges = np.asarray(truth.connectivity_edges)[upper]
    flat = pairs[:, upper[0], upper[1]]
    dynamics, coupled = np.asarray(truth.dynamics_parcels), np.asarray(truth.connectivity_parcels)
    suppressors = np.asarray(truth.suppressor_parcels)
    only = suppressors & ~dynamics
    suppressed_edges = np.asarray(truth.suppressor_edges)[upper]
    return Ranking(
        series_parcels=auroc(series.mean(axis=0), dynamics),
        connectivity_parcels=auroc(parcels.mean(axis=0), coupled),
        connections=auroc(flat.mean(axis=0), edges),
        series_parcels_per_person=_mean_auroc(series, dynamics),
        connectivity_parcels_per_person=_mean_auroc(parcels, coupled),
        connections_per_person=_mean_auroc(flat, edges),
        suppressor_share_series=float(series[:, only].mean() / series[:, dynamics].mean()),
        suppressor_share_connections=float(
            flat[:, suppressed_edges].mean() / flat[:, edges].mean()
        ),
    )


def _mean_auroc(rows: Floats, truth: Bools) -> float:
    return float(np.mean([auroc(row, truth) for row in rows]))


@dataclass(frozen=True, slots=True)
class PermutedMaps:
    """Mean attribution magnitudes of models trained on shuffled labels."""

    parcels: Floats  # (repeat, parcel), series branch
    connections: Floats  # (repeat, pair), upper triangle

    def series_reference(self) -> Floats:
        """What each parcel gets when there is nothing to learn, (parcel,)."""
        return np.asarray(self.parcels.mean(axis=0))

    def connection_reference(self) -> Floats:
        """The same of each connection, (pair,)."""
        return np.asarray(self.connections.mean(axis=0))


def permuted_maps(
    contender: Contender,
    labels: Bools,
    strengths: Sequence[float],
    network_of_parcel: Ints,
    *,
    repeats: int,
    seed: int,
) -> PermutedMaps:
    """Maps of heads trained on shuffled labels, held-out people.

    Uses the exact decomposition of the linear head over networks, each network's share spread
    evenly over its parcels (or pairs): the resolution that the features have.
    """
    rng = np.random.default_rng(seed)
    series, pairs = [], []
    for _ in range(repeats):
        head = fit_head(contender.training, rng.permutation(labels), strengths)
        parcels, edges = feature_maps(head, contender, network_of_parcel)
        series.append(parcels)
        pairs.append(edges[np.triu_indices(len(edges), 1)].astype(np.float32))
    return PermutedMaps(np.stack(series), np.stack(pairs))


def permuted_figures(maps: PermutedMaps, truth: PlantedSignature) -> dict[str, float]:
    """Mean AUROC of planted parcels and connections for models with nothing to learn.

    Plain magnitudes exceed 0.5 even then: the planted traits (and their suppressors) make the
    planted features differ more between people, and any weight on a feature that differs more
    moves people more. ``…_relative`` divides each map by the mean map of all other shuffles,
    which takes that advantage away.
    """
    dynamics = np.asarray(truth.dynamics_parcels)
    edges = np.asarray(truth.connectivity_edges)
    planted = edges[np.triu_indices(len(edges), 1)]
    return {
        "series_parcels": _mean_auroc(maps.parcels, dynamics),
        "connections": _mean_auroc(maps.connections, planted),
        "series_parcels_relative": _mean_auroc(_relative(maps.parcels), dynamics),
        "connections_relative": _mean_auroc(_relative(maps.connections), planted),
        "repeats": float(len(maps.parcels)),
    }


def _relative(rows: Floats) -> Floats:
    others = (rows.sum(axis=0) - rows) / (len(rows) - 1)
    return np.asarray(np.divide(rows, others, out=np.zeros_like(rows), where=others > 0))


def relative_figures(
    branches: Sequence[BranchAttribution], maps: PermutedMaps, truth: PlantedSignature
) -> dict[str, float]:
    """Ranking of the model's maps divided by what models with nothing to learn give."""
    series = np.abs(np.stack([one.per_parcel_series for one in branches])).mean(axis=0)
    pairs = np.abs(np.stack([one.per_connection for one in branches])).mean(axis=0)
    upper = np.triu_indices(len(pairs), 1)
    reference = maps.connection_reference()
    between = reference > 0  # pairs within a network have no feature of their own
    return {
        "series_parcels": auroc(
            series / maps.series_reference(), np.asarray(truth.dynamics_parcels)
        ),
        "connections": auroc(
            pairs[upper][between] / reference[between],
            np.asarray(truth.connectivity_edges)[upper][between],
        ),
    }


def feature_maps(
    head: Head, contender: Contender, network_of_parcel: Ints
) -> tuple[Floats, Floats]:
    """Mean magnitude of each network's share over held-out people: (parcel,), (parcel, parcel)."""
    sizes = np.bincount(network_of_parcel)
    count = len(sizes)
    first, second = contender.held_out
    terms = (first.values - head.means[0]) * head.weights[0]
    share = np.abs(terms.reshape(len(terms), count, -1).sum(axis=2)).mean(axis=0) / sizes
    between = np.abs((second.values - head.means[1]) * head.weights[1]).mean(axis=0)
    matrix = np.zeros((count, count))
    upper = np.triu_indices(count, 1)
    matrix[upper] = between / (sizes[upper[0]] * sizes[upper[1]])
    matrix = matrix + matrix.T
    return share[network_of_parcel], matrix[np.ix_(network_of_parcel, network_of_parcel)]
