"""Does the attribution name what was planted? Ranking of planted parcels and connections.

For held-out simulated people the answer key is known. Attributions are averaged in magnitude
over people (one person's map also shows where that person happens to lie on each trait) and
ranked; an AUROC of 1 means that every planted parcel ranks before every other. What models
trained on shuffled labels reach by the same measure is told by `permuted_labels`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.attribution.explain import explain
from app.cohort.metrics import auroc
from app.cohort.prepared import PreparedParticipant
from app.core.arrays import Bools, Floats
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
