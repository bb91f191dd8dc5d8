"""People ready for the trainable part: one tensor a branch, picked by person and window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Ints

Inputs = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class TrainingPeople:
    """People ready for the trainable part."""

    windows: Sequence[Tensor] | None  # a person: (window, width), or (window, parcel, frame)
    connectivity: Tensor | None  # (person, parcel, parcel), or (person, pair)
    structural: Tensor | None  # (person, 45)
    labels: Tensor  # (person,), 0 and 1
    places: Tensor | None  # (parcel, 3); only when the encoder is trained too
    orders: Tensor | None  # (order, token)

    def inputs(self, people: Ints, picks: Ints | None) -> Inputs:
        """One row a person: the picked window of each (None = first and only)."""
        found: Inputs = {}
        index = torch.from_numpy(np.asarray(people, np.int64)).to(self.labels.device)
        if self.windows is not None:
            chosen = picks if picks is not None else np.zeros(len(people), int)
            found["series"] = torch.stack(
                [self.windows[i][k] for i, k in zip(people, chosen, strict=True)]
            )
        if self.connectivity is not None:
            found["connectivity"] = self.connectivity[index]
        if self.structural is not None:
            found["structural"] = self.structural[index]
        return found
