"""The base rate for everybody: what is known before anyone is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor

from app.core.arrays import Bools
from app.core.progress import Progress
from app.models.baselines.people import People
from app.models.baselines.rival import Rival
from app.models.baselines.storage import Stored, to_tensor


@dataclass(frozen=True, slots=True)
class MajoritySettings:
    """Nothing to set."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Majority(Rival):
    """log(responders / non-responders) of the training people."""

    kind = "majority"

    def __init__(self) -> None:
        super().__init__()
        self.settings = MajoritySettings()
        self.base_log_odds: float | None = None

    @property
    def fitted(self) -> bool:
        """Whether there is anything to ask."""
        return self.base_log_odds is not None

    def _learn(self, people: People, labels: Bools, seed: int, progress: Progress) -> None:
        self.base_log_odds = float(np.log(labels.sum() / (~labels).sum()))
        self.told = {"base_rate": float(labels.mean())}

    def _log_odds(self, person: People) -> float:
        assert self.base_log_odds is not None
        return self.base_log_odds

    def _tensors(self) -> Mapping[str, Tensor]:
        return {"base_log_odds": to_tensor([self.base_log_odds])}

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        stored.settings_as(MajoritySettings)
        return cls()

    def _restore(self, stored: Stored) -> None:
        arrays = stored.arrays({"base_log_odds": ((1,), torch.float64)})
        self.base_log_odds = float(arrays["base_log_odds"][0])
