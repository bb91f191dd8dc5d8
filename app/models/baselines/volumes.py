"""Logistic regression on FreeSurfer's 45 subcortical and ventricular volumes (aseg)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from pydantic import ConfigDict

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People
from app.models.baselines.storage import Stored

VOLUME_COUNT = 45


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """How many volumes the table has."""

    volumes: int = VOLUME_COUNT

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class VolumeLogistic(LinearRival):
    """Each volume standardised by the training people; an unknown one counts as their mean."""

    kind = "volumes"

    def __init__(self) -> None:
        super().__init__("logistic")
        self.settings = VolumeSettings()

    def _learn_features(self, people: People, progress: Progress) -> Floats:
        return self._volumes(people)

    def _features(self, person: People) -> Floats:
        return np.asarray(self._volumes(person)[0])

    def _volumes(self, people: People) -> Floats:
        if people.structural is None:
            raise ModelError(
                "This model needs FreeSurfer volumes and there are none.",
                "Give an aseg.stats file or a table of volumes for each person.",
                code="model.people",
            )
        if people.structural.shape[1] != self.settings.volumes:
            raise ModelError(
                f"There are {people.structural.shape[1]} volumes instead of "
                f"{self.settings.volumes}.",
                "Match the volumes by name.",
                code="model.people",
            )
        return people.structural

    def _feature_count(self, stored: Stored) -> int:
        return self.settings.volumes  # type: ignore[no-any-return]

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        found = stored.settings_as(VolumeSettings)
        model = cls()
        model.settings = found
        return model
