"""Logistic, ridge or linear SVM on Pearson connectivity: the default competitor, no straw man."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from pydantic import ConfigDict
from torch import Tensor

from app.core.arrays import Floats
from app.core.progress import Progress
from app.models.baselines.connections import fisher_pairs, fisher_pairs_of, missing_parcels
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People
from app.models.baselines.rival import parcels_of
from app.models.baselines.storage import Stored


@dataclass(frozen=True, slots=True)
class PearsonSettings:
    """The classifier, and the number of parcels once fitted."""

    classifier: str
    parcels: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class PearsonLinear(LinearRival):
    """Fisher z of the upper triangle, centred by the training mean, one common scale."""

    kind = "pearson"
    standardise = False

    def __init__(self, classifier: str = "logistic") -> None:
        super().__init__(classifier)
        self.settings = PearsonSettings(classifier)

    def _learn_features(self, people: People, progress: Progress) -> Floats:
        self.settings = PearsonSettings(self.classifier.name, parcels_of(people))
        return fisher_pairs(people.connectivity)

    def _features(self, person: People) -> Floats:
        parcels_of(person, self.settings.parcels)
        return np.asarray(fisher_pairs(person.connectivity)[0])

    def _told_features(self, people: People) -> dict[str, float]:
        return {"imputed_parcels": float(missing_parcels(people.connectivity))}

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the matrix, the series plays no part."""
        self._refuse_unfitted()
        return self._linear_log_odds(fisher_pairs_of(connectivity))

    def _feature_count(self, stored: Stored) -> int:
        parcels: int = self.settings.parcels
        return parcels * (parcels - 1) // 2

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        found = stored.settings_as(PearsonSettings)
        model = cls(found.classifier)
        model.settings = found
        return model
