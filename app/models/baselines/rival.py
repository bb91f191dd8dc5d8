"""What all rivals share: checks before, one person at a time, one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.people import People, checked_labels, people_of
from app.models.baselines.storage import Stored, read_stored, write_stored


class Rival(ABC):
    """A `ResponseModel`; a family says how it learns, how it answers for one person, what it keeps.

    `told` holds what the fit has to tell: people, imputed values, the choices made by the inner
    folds.
    """

    kind: ClassVar[str]
    settings: Any

    def __init__(self) -> None:
        self.told: dict[str, float] = {}

    @property
    @abstractmethod
    def fitted(self) -> bool:
        """Whether there is anything to ask."""

    @abstractmethod
    def _learn(self, people: People, labels: Bools, seed: int, progress: Progress) -> None:
        """Fit everything; sets the fitted state and `told` at its very end."""

    @abstractmethod
    def _log_odds(self, person: People) -> float:
        """Answer for exactly one person."""

    @abstractmethod
    def _tensors(self) -> Mapping[str, Tensor]:
        """Fitted arrays."""

    @abstractmethod
    def _restore(self, stored: Stored) -> None:
        """Take fitted arrays from a file, strictly."""

    @classmethod
    @abstractmethod
    def _from_settings(cls, stored: Stored) -> Self:
        """An unfitted model with the stored settings."""

    def fit(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        labels: Bools,
        *,
        structural: Floats | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Self:
        """Learn from people; see `ResponseModel.fit`."""
        people = people_of(series, connectivity, covariates, structural)
        self._learn(people, checked_labels(labels, len(people)), seed, progress or Progress())
        self.told["people"] = float(len(people))
        return self

    def predict_log_odds(
        self,
        series: Sequence[Floats],
        connectivity: Floats,
        covariates: Floats,
        *,
        structural: Floats | None = None,
    ) -> Floats:
        """Uncalibrated log-odds, (person,); one person at a time, so that nobody else matters."""
        self._refuse_unfitted()
        people = people_of(series, connectivity, covariates, structural)
        return np.array([self._log_odds(people.rows(np.array([i]))) for i in range(len(people))])

    def save(self, path: Path) -> None:
        """Write settings and fitted values as one safetensors file."""
        self._refuse_unfitted()
        write_stored(path, self.kind, self.settings, self.told, self._tensors())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote, strictly; `ModelError` when anything does not fit."""
        stored = read_stored(path)
        if stored.kind != cls.kind:
            raise ModelError(
                f"The file holds a '{stored.kind[:40]}' model, not a '{cls.kind}' model.",
                "Open it as what it is.",
                code="model.kind",
            )
        model = cls._from_settings(stored)
        model._restore(stored)
        model.told = stored.told
        return model

    def _refuse_unfitted(self) -> None:
        if not self.fitted:
            raise ModelError(
                "The model was not fitted yet.", "Fit or load it first.", code="model.unfitted"
            )


def parcels_of(people: People, fitted_parcels: int | None = None) -> int:
    """Number of parcels, which must be that of the fit.

    Raises
    ------
    ModelError
        ``model.people`` without any parcel, or with another number than the model was fitted on.
    """
    parcels = int(people.connectivity.shape[1])
    if parcels < 2:
        raise ModelError(
            f"The model needs connectivity or series; there are {parcels} parcels.",
            "Give the people's parcel series and matrices.",
            code="model.people",
        )
    if fitted_parcels is not None and parcels != fitted_parcels:
        raise ModelError(
            f"The scan has {parcels} parcels; the model was fitted on {fitted_parcels}.",
            "Use the atlas that the model was fitted on.",
            code="model.people",
        )
    return parcels
