"""Does the novelty test catch what shifts an answer? Corruptions of new people's series.

A small fused model is fitted on simulated people at parcel level and refitted on resampled ones;
its interval of a person's log-odds is the middle 95 % of the refits. The novelty statistics are
fitted by the program's own code on the same people; limit, number of quantiles and decision are
those of a bundle that `train` writes. A corruption counts where the corrupted
log-odds leave the interval of the clean ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from app.cohort.experiments.simulated import correlation, fitted_series
from app.cohort.learn.fast_logistic import fit_fast, solve_logistic
from app.cohort.learn.train import NOVELTY_LIMIT
from app.cohort.novelty import NoveltyFit, fit_novelty, quantile_count, stopped
from app.models.baselines.linear import LOGISTIC, Scaling
from app.models.novelty_depths import novelty_vector
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.signature import parcel_table
from tests.accuracy.cohort_pool import features_of
from tests.accuracy.corruptions import KINDS, SEVERITIES

REFITS = 60
Record = dict[str, Any]


@dataclass(frozen=True)
class Guarded:
    """A fitted model, its refits, and the novelty statistics of the same people."""

    scaling: Scaling
    weights: np.ndarray  # (refit, feature), the first on everybody once
    bias: np.ndarray
    statistics: dict[str, torch.Tensor]
    fit: NoveltyFit
    count: int  # people

    def log_odds(self, series: np.ndarray) -> np.ndarray:
        """(refit,) of one person."""
        row = self.scaling.apply(np.concatenate(_blocks(series))[None])[0]
        return self.weights @ row + self.bias

    def novel(self, series: np.ndarray) -> bool:
        """Whether the novelty test withholds this person's number."""
        found = vector_of(series, self.statistics)
        return stopped(self.fit, found, self.count, NOVELTY_LIMIT)


def _blocks(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs, dynamics = features_of(series)
    return pairs / (0.15 * np.sqrt(len(pairs))), dynamics / (0.45 * np.sqrt(len(dynamics)))


def vector_of(series: np.ndarray, statistics: dict[str, torch.Tensor]) -> np.ndarray:
    """The program's own vector of a person."""
    networks = int(parcel_table().network_of.max()) + 1
    return novelty_vector(series, correlation(series), statistics, networks, 1.0, in_time=True)


def people(count: int, seed: int, frames: int = 204) -> tuple[list[np.ndarray], np.ndarray]:
    """Series and labels of new people."""
    settings = CohortSettings(seed=seed, frames=frames)
    truths = [draw_participant(settings, index) for index in range(count)]
    series = [fitted_series(one, frames).astype(float) for one in truths]
    return series, np.array([bool(one.responder) for one in truths])


def guarded(count: int, seed: int) -> Guarded:
    """Fit everything on `count` people."""
    series, labels = people(count, seed)
    mean = np.mean([correlation(one) for one in series], axis=0)
    statistics = {
        "mean_correlation": torch.from_numpy(mean),
        "network_of_parcel": torch.from_numpy(np.array(parcel_table().network_of)),
    }
    rows = np.stack([np.concatenate(_blocks(one)) for one in series])
    fit = fit_fast(rows, labels, LOGISTIC, standardise=False, seed=seed)
    scaled, rng = fit.scaling.apply(rows), np.random.default_rng([seed, 7])
    weights, bias = [fit.weights], [fit.bias]
    while len(weights) <= REFITS:
        counts = np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
        if counts[labels].sum() < 4 or counts[~labels].sum() < 4:
            continue
        head, shift = solve_logistic(scaled, labels, fit.strength, None, counts)
        weights.append(head)
        bias.append(shift)
    novelty = fit_novelty(
        np.stack([vector_of(one, statistics) for one in series]), quantile_count(count)
    )
    return Guarded(fit.scaling, np.stack(weights), np.array(bias), statistics, novelty, count)


def false_alarms(model: Guarded, count: int, seed: int) -> float:
    """Share of new, clean people that the novelty test stops."""
    series, _ = people(count, seed)
    return float(np.mean([model.novel(one) for one in series]))


def corruption_record(model: Guarded, seed: int, kinds: int | None = None) -> Record:
    """All kinds and severities in one new person: [kind, severity, shifted, caught]."""
    (clean,), _ = people(1, 50_000 + seed)
    odds = model.log_odds(clean)
    low, high = np.percentile(odds[1:], [2.5, 97.5])
    rows = []
    for kind in KINDS[:kinds]:
        for severity in SEVERITIES:
            rng = np.random.default_rng([seed, severity, KINDS.index(kind)])
            series = kind(clean, severity, rng)
            moved = float(model.log_odds(series)[0])
            shifted = not min(low, odds[0]) <= moved <= max(high, odds[0])
            rows.append([kind.__name__, severity, bool(shifted), model.novel(series)])
    return {"seed": seed, "rows": rows, "width": float(high - low)}


def summarise_corruptions(records: list[Record], alarms: float, count: int) -> list[str]:
    """Caught among those that shift the answer, over all and by kind."""
    rows = [row for record in records for row in record["rows"]]
    kinds = list(dict.fromkeys(row[0] for row in rows))
    moved = [row for row in rows if row[2]]
    caught = sum(row[3] for row in moved)
    lines = [
        f"{len(kinds)} kinds, {len(SEVERITIES)} severities, {len(records)} people: {len(moved)} of "
        f"{len(rows)} corruptions shift the log-odds beyond their interval (median width "
        f"{np.median([r['width'] for r in records]):.2f}); {caught} of them are caught "
        f"({100 * caught / max(len(moved), 1):.1f} %); false alarms among {count} clean newcomers "
        f"{100 * alarms:.1f} %"
    ]
    for kind in kinds:
        own = [row for row in moved if row[0] == kind]
        if own and sum(row[3] for row in own) < 0.9 * len(own):
            lines.append(f"  {kind}: {sum(row[3] for row in own)} of {len(own)} caught")
    return lines
