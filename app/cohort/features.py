"""Frozen features of prepared participants, computed once and kept beside them.

The cache's key holds everything that a feature depends on: the participant's arrays, the
encoder's weights, the token order, the pooling and the scale. A change of any of them computes
again instead of silently reusing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from app.cohort.prepared import PreparedParticipant
from app.core.arrays import Floats, Ints
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.brainlm import BrainLM
from app.models.device import fixed_threads
from app.models.features import (
    VARIANCE_FLOOR,
    Z_LIMIT,
    connectivity_features,
    pooling_weights,
    prepared_series,
    series_features,
    window_starts,
)

CODE_VERSION = 1  # raise when the features themselves are defined anew


@dataclass(frozen=True, slots=True)
class FeatureExtractor:
    """What turns a participant into features; everything here is frozen."""

    encoder: BrainLM
    centroids_mm: Floats  # (parcel, 3)
    network_of_parcel: Ints  # (parcel,)
    network_count: int
    token_order: Ints  # (token,)
    series_scale_percent: float

    def sha256(self) -> str:
        """Hash over weights, order, pooling, scale and definitions."""
        state = self.encoder.state_dict()
        arrays = array_sha256(
            *(state[key].numpy() for key in sorted(state) if not key.startswith("decoder.")),
            np.asarray(self.centroids_mm, np.float32),
            np.asarray(self.network_of_parcel, np.int64),
            np.asarray(self.token_order, np.int64),
        )
        return record_sha256(
            [arrays, self.series_scale_percent, VARIANCE_FLOOR, Z_LIMIT, CODE_VERSION]
        )

    def series(self, person: PreparedParticipant) -> Floats:
        """Series features, mean over windows, float64 (feature,)."""
        series, present = prepared_series(person.cleaned, self.series_scale_percent)
        pooling = pooling_weights(self.network_of_parcel, self.network_count, present)
        window = self.encoder.config.num_timepoints_per_voxel
        places = torch.from_numpy(np.asarray(self.centroids_mm, np.float32))
        order = torch.from_numpy(np.asarray(self.token_order, np.int64))
        with fixed_threads(), torch.no_grad():
            rows = [
                series_features(
                    self.encoder,
                    series[start : start + window].T.unsqueeze(0).contiguous(),
                    places,
                    order,
                    pooling,
                )
                for start in window_starts(len(series), window)
            ]
        return np.asarray(torch.cat(rows).mean(dim=0).numpy(), np.float64)

    def spread(self, person: PreparedParticipant) -> Floats:
        """Log variance of each network's normalised series, (network,); see `FmmTc`."""
        series, present = prepared_series(person.cleaned, self.series_scale_percent)
        pooling = pooling_weights(self.network_of_parcel, self.network_count, present)
        return np.asarray((pooling @ series.var(dim=0, correction=0) + 1e-6).log().numpy(), float)

    def connectivity(self, person: PreparedParticipant, mean_correlation: Floats) -> Floats:
        """Connectivity features, float64 (pair,); missing rows from the training mean."""
        _, present = prepared_series(person.cleaned, self.series_scale_percent)
        pooling = pooling_weights(self.network_of_parcel, self.network_count, present)
        matrix = np.where(
            np.isfinite(person.connectivity), person.connectivity, mean_correlation
        ).astype(np.float32)
        with fixed_threads(), torch.no_grad():
            features = connectivity_features(torch.from_numpy(matrix), pooling)
        return np.asarray(features.numpy(), np.float64)


def cached_series_features(
    extractor: FeatureExtractor,
    people: Sequence[PreparedParticipant],
    folder: Path,
    progress: Progress,
) -> Floats:
    """Series features of all people, (person, feature), from the cache where it fits."""
    folder.mkdir(parents=True, exist_ok=True)
    extractor_key = extractor.sha256()
    rows = []
    for number, person in enumerate(people, start=1):
        key = record_sha256([extractor_key, array_sha256(person.cleaned)])
        path = folder / f"{key}.npy"
        if path.exists():
            rows.append(np.load(path, allow_pickle=False))
        else:
            rows.append(extractor.series(person))
            partial = folder / f"{key}.{os.getpid()}.partial"
            with partial.open("wb") as handle:
                np.save(handle, rows[-1])
            os.replace(partial, path)
        progress.step(number / len(people), f"features of participant {number} of {len(people)}")
    return np.stack(rows)


def mean_correlation_of(people: Sequence[PreparedParticipant]) -> Floats:
    """Mean matrix of training people over those in whom a pair is covered, float64."""
    total = np.zeros(people[0].connectivity.shape)
    count = np.zeros(total.shape)
    for person in people:
        known = np.isfinite(person.connectivity)
        total += np.where(known, person.connectivity, 0.0)
        count += known
    return np.asarray(total / np.maximum(count, 1))
