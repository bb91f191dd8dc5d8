"""Do attributions name what was planted, where the model has learnt it?

A small fused model (network-to-network correlation, slow against fast power of each network) is
fitted on people of the pool by the program's own solver and read as a function of one person's
series and matrix. The program's integrated gradients explain new people; parcels and connections
are ranked by mean magnitude over them. The oracle knows the planted directions and reads them off
the same noisy series.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.attribution.integrated_gradients import integrated_gradients
from app.cohort.experiments.simulated import correlation, fitted_series
from app.cohort.learn.fast_logistic import fit_fast
from app.cohort.metrics import auroc
from app.models.baselines.linear import LOGISTIC
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.signature import (
    FAST_BAND_HZ,
    SLOW_BAND_HZ,
    parcel_table,
    planted_signature,
)
from tests.accuracy.cohort_pool import FRAMES, REPETITION_TIME_S, Pool
from tests.accuracy.cohort_tables import table_contender

Record = dict[str, Any]
REACHED = 0.02  # AUROC below the oracle that still counts as having reached it


@dataclass(frozen=True)
class Readable:
    """The fitted model as two functions of a person's inputs; their sum is its log-odds."""

    pairs: Tensor  # (network, network) weights of mean Fisher z, symmetric
    dynamics: Tensor  # (network,) weights of log slow over fast power
    member: Tensor  # (network, parcel)

    def of_matrix(self, matrix: Tensor) -> Tensor:
        """(parcel, parcel) correlation -> what connectivity adds, scalar."""
        z = torch.atanh(matrix.clamp(-0.999, 0.999))
        z = z - torch.diag(torch.diagonal(z))
        sizes = self.member.sum(1)
        count = torch.outer(sizes, sizes) - torch.diag(sizes)
        return (self.pairs * (self.member @ z @ self.member.T) / count.clamp(min=1.0)).sum()

    def of_series(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> what dynamics add, scalar."""
        window = torch.hann_window(len(series), periodic=False, dtype=series.dtype)
        power = torch.fft.rfft(series * window[:, None], dim=0).abs() ** 2 + 1e-12
        hertz = torch.fft.rfftfreq(len(series), REPETITION_TIME_S)
        slow = (hertz >= SLOW_BAND_HZ[0]) & (hertz <= SLOW_BAND_HZ[1])
        fast = (hertz >= FAST_BAND_HZ[0]) & (hertz <= FAST_BAND_HZ[1])
        ratio = (power[slow].mean(0) / power[fast].mean(0)).log()
        return (self.dynamics * (self.member @ ratio) / self.member.sum(1)).sum()


def readable(pool: Pool, rows: np.ndarray) -> tuple[Readable, np.ndarray]:
    """Fit on some people of the pool; the model, and everybody's log-odds."""
    table = table_contender("fused", pool.connectivity, pool.dynamics).table
    fit = fit_fast(table[rows], pool.responder[rows], LOGISTIC, standardise=False, seed=1)
    scale = table.std(axis=0) / np.hstack([pool.connectivity, pool.dynamics]).std(axis=0)
    weights = fit.weights * fit.scaling.factor * scale
    networks = int(parcel_table().network_of.max()) + 1
    first, second = np.triu_indices(networks)
    pairs = np.zeros((networks, networks))
    pairs[first, second] = weights[: len(first)] * np.where(first == second, 1.0, 0.5)
    pairs[second, first] = pairs[first, second]
    member = parcel_table().network_of[None] == np.arange(networks)[:, None]
    made = Readable(
        torch.tensor(pairs), torch.tensor(weights[len(first) :]), torch.tensor(member.astype(float))
    )
    return made, fit.log_odds(table)


def attribution_record(
    pool: Pool, seed: int, *, people: int, tested: int, explained: int
) -> Record:
    """One model: beside its oracle, and what its attributions rank."""
    rng = np.random.default_rng([seed, 21])
    rows = rng.permutation(len(pool) - tested)[:people]
    model, scores = readable(pool, rows)
    test = np.arange(len(pool) - tested, len(pool))
    truth = planted_signature()
    mean_matrix = None
    series_maps, edge_maps, converged = [], [], 0
    settings = CohortSettings(seed=90_000 + seed, frames=FRAMES)
    scans = [
        fitted_series(draw_participant(settings, index), FRAMES).astype(float)
        for index in range(explained)
    ]
    matrices = [correlation(one).astype(float) for one in scans]
    mean_matrix = torch.tensor(np.mean(matrices, axis=0))
    for series, matrix in zip(scans, matrices, strict=True):
        x = torch.tensor(series)
        # a series without any power has no ratio: the path begins at a hundredth of the scan
        # whose spectrum is flat
        flat = torch.tensor(rng.standard_normal(series.shape) * series.std(0))
        one = integrated_gradients(model.of_series, x, flat.unsqueeze(0))
        other = integrated_gradients(
            model.of_matrix, torch.tensor(matrix), mean_matrix.unsqueeze(0)
        )
        series_maps.append(np.abs(one.values.numpy().sum(axis=0)))
        both = other.values.numpy()
        edge_maps.append(np.abs(both + both.T))
        converged += int(one.converged and other.converged)
    upper = np.triu_indices(len(edge_maps[0]), 1)
    edges = np.mean(edge_maps, axis=0)[upper]
    parcels = np.mean(series_maps, axis=0)
    planted, suppressed = truth.connectivity_edges[upper], truth.suppressor_edges[upper]
    dynamics = np.asarray(truth.dynamics_parcels)
    only = (
        np.asarray(truth.suppressor_parcels) & ~dynamics & ~np.asarray(truth.connectivity_parcels)
    )
    oracle = pool.oracle.sum(axis=1)
    return {
        "seed": seed,
        "people": people,
        "auroc": auroc(scores[test], pool.responder[test]),
        "oracle": auroc(oracle[test], pool.responder[test]),
        "connections": auroc(edges, planted),
        "parcels": auroc(parcels, dynamics),
        "connections_but_suppressors": auroc(edges[~suppressed], planted[~suppressed]),
        "parcels_but_suppressors": auroc(parcels[~only], dynamics[~only]),
        "suppressor_connections": float(edges[suppressed].mean() / edges[planted].mean()),
        "suppressor_parcels": float(parcels[only].mean() / parcels[dynamics].mean()),
        "other_connections": float(edges[~planted & ~suppressed].mean() / edges[planted].mean()),
        "converged": converged,
        "explained": explained,
    }


def summarise_attribution(records: list[Record]) -> list[str]:
    """By number of training people."""
    lines = []
    for people in sorted({r["people"] for r in records}):
        own = [r for r in records if r["people"] == people]

        def mean(name: str, own: list[Record] = own) -> float:
            return float(np.mean([r[name] for r in own]))

        reached = mean("auroc") >= mean("oracle") - REACHED
        lines.append(
            f"trained on {people} ({len(own)} models): AUROC {mean('auroc'):.3f}, oracle "
            f"{mean('oracle'):.3f}{' (reached)' if reached else ''}; planted connections rank "
            f"{mean('connections'):.3f} ({mean('connections_but_suppressors'):.3f} among all but "
            f"suppressors), planted parcels {mean('parcels'):.3f} "
            f"({mean('parcels_but_suppressors'):.3f}); magnitude on suppressors beside "
            f"planted: connections {mean('suppressor_connections'):.2f}, "
            f"parcels {mean('suppressor_parcels'):.2f}; other connections "
            f"{mean('other_connections'):.2f}; converged {sum(r['converged'] for r in own)} of "
            f"{sum(r['explained'] for r in own)}"
        )
    return lines
