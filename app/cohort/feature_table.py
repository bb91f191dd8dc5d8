"""The frozen features of a cohort in one small file: enough to refit and judge, no series.

Series features come out of the encoder in single precision, so nothing is lost in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.cohort.blocks import connectivity_block, series_block
from app.cohort.features import FeatureExtractor, cached_series_features
from app.cohort.prepared import PreparedParticipant
from app.cohort.training import Block
from app.core.arrays import Bools, Floats, Ints
from app.core.progress import Progress


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One row a person, in the order of the identifiers."""

    identifiers: tuple[str, ...]
    labels: Bools  # (person,), True = responder
    series: Floats  # (person, network * width)
    connectivity: Floats  # (person, network pair)
    covariates: Floats  # (person, 4), NaN = not known

    @classmethod
    def of(
        cls,
        people: Sequence[PreparedParticipant],
        extractor: FeatureExtractor,
        mean_correlation: Floats,
        cache: Path,
        progress: Progress,
    ) -> FeatureTable:
        """Compute, or take from the cache; `mean_correlation` fills pairs not covered."""
        ordered = sorted(people, key=lambda person: person.identifier)
        return cls(
            tuple(person.identifier for person in ordered),
            np.array([person.responder for person in ordered]),
            cached_series_features(extractor, ordered, cache, progress),
            np.stack([extractor.connectivity(person, mean_correlation) for person in ordered]),
            np.stack([person.covariates() for person in ordered]),
        )

    def blocks(self, network_of_parcel: Ints) -> tuple[Block, Block]:
        """Both blocks of the fused model: series, then connectivity."""
        return (
            series_block(self.series, network_of_parcel),
            connectivity_block(self.connectivity, network_of_parcel),
        )

    def save(self, path: Path) -> None:
        """One compressed file."""
        with path.open("wb") as handle:
            np.savez_compressed(
                handle,
                identifiers=np.array(self.identifiers),
                labels=self.labels,
                series=self.series.astype(np.float32),
                connectivity=self.connectivity.astype(np.float32),
                covariates=self.covariates,
            )

    @classmethod
    def read(cls, path: Path) -> FeatureTable:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as archive:
            return cls(
                tuple(str(name) for name in archive["identifiers"]),
                archive["labels"],
                archive["series"].astype(np.float64),
                archive["connectivity"].astype(np.float64),
                archive["covariates"],
            )
