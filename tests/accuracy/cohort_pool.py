"""A pool of simulated people at parcel level, reduced to what a small model reads of each.

Thousands of people are made once, one after the other, and kept as network figures in one file;
cohorts are drawn from them. `app/cohort/experiments/simulated.py` says what the noise was fitted
to. Nothing here knows how a cohort is judged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.experiments.simulated import correlation, fitted_series, network_pairs
from app.simulation.cohort import CohortSettings, ParticipantTruth, draw_participant
from app.simulation.signature import (
    FAST_BAND_HZ,
    SLOW_BAND_HZ,
    oracle_traits,
    parcel_table,
)

FRAMES, REPETITION_TIME_S = 204, 2.0
CHUNK = 250
VERSION = 1  # raise when a feature is defined anew


@dataclass(frozen=True)
class Pool:
    """One row a person."""

    responder: np.ndarray  # (person,) bool
    connectivity: np.ndarray  # (person, pair of networks) mean Fisher z
    dynamics: np.ndarray  # (person, network) log slow over fast power
    oracle: np.ndarray  # (person, 2) both traits, read off the same noisy series
    traits: np.ndarray  # (person, 2) as drawn
    age_years: np.ndarray
    female: np.ndarray
    baseline_pain: np.ndarray
    mean_fd_mm: np.ndarray
    site: np.ndarray  # (person,) str

    def __len__(self) -> int:
        return len(self.responder)

    @property
    def fused(self) -> np.ndarray:
        """Both blocks side by side."""
        return np.hstack([self.connectivity, self.dynamics])

    def rows(self, index: np.ndarray) -> Pool:
        """Some of them."""
        return Pool(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def network_dynamics(series: np.ndarray) -> np.ndarray:
    """(network,) mean over parcels of log(slow power / fast power)."""
    table = parcel_table()
    power = np.abs(np.fft.rfft(series * np.hanning(len(series))[:, None], axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(series), REPETITION_TIME_S)
    slow = (hertz >= SLOW_BAND_HZ[0]) & (hertz <= SLOW_BAND_HZ[1])
    fast = (hertz >= FAST_BAND_HZ[0]) & (hertz <= FAST_BAND_HZ[1])
    ratio = np.log(power[slow].mean(0) / power[fast].mean(0))
    sums = np.bincount(table.network_of, ratio)
    return sums / np.bincount(table.network_of)


def features_of(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Network pairs and network dynamics of one person's series."""
    pairs = network_pairs(correlation(series)[None], parcel_table().network_of)[0]
    return pairs, network_dynamics(series)


def _one(truth: ParticipantTruth) -> tuple[object, ...]:
    series = fitted_series(truth, FRAMES, REPETITION_TIME_S).astype(float)
    pairs, dynamics = features_of(series)
    return (
        bool(truth.responder), pairs, dynamics, np.array(oracle_traits(series, REPETITION_TIME_S)),
        np.array([truth.trait_connectivity, truth.trait_dynamics]), truth.age_years,
        truth.sex == "F", truth.baseline_pain, 0.13 * truth.motion_level, truth.site,
    )  # fmt: skip


def pool_of(settings: CohortSettings, count: int, folder: Path) -> Pool:
    """People 0 to `count`; chunks that are on disk are read back."""
    folder.mkdir(parents=True, exist_ok=True)
    name = (
        f"v{VERSION}-{settings.seed}-{settings.connectivity_strength:g}-"
        f"{settings.dynamics_strength:g}-{settings.suppressor_strength:g}-{int(settings.null)}-"
        f"{settings.confound}-{settings.confound_strength:g}"
    )
    chunks = []
    for start in range(0, count, CHUNK):
        path = folder / f"{name}-{start}.npz"
        if not path.exists():
            rows = [_one(draw_participant(settings, start + i)) for i in range(CHUNK)]
            columns = [np.array(column) for column in zip(*rows, strict=True)]
            partial = path.with_suffix(f".{os.getpid()}.partial")
            with partial.open("wb") as handle:
                np.savez(handle, **dict(zip(Pool.__dataclass_fields__, columns, strict=True)))
            partial.replace(path)
        with np.load(path, allow_pickle=False) as archive:
            chunks.append([archive[field] for field in Pool.__dataclass_fields__])
    whole = Pool(*(np.concatenate(column) for column in zip(*chunks, strict=True)))
    return whole.rows(np.arange(count))
