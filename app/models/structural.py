"""The structural branch: 45 FreeSurfer volumes, z-scored, through a linear layer of 45.

The released NeuFoM z-scores with statistics of all people, test people among them, and does not
correct for head size. Here the statistics come from the people of `fit`; whoever wants the
released behaviour in faithful mode hands in everybody's volumes by name
(`FmmTcNetwork.use_global_structural_statistics`), and the record says so.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from app.core.arrays import Floats
from app.core.aseg import ASEG_VOLUMES
from app.core.errors import ModelError

WIDTH = len(ASEG_VOLUMES)
SMALLEST_TOTAL_MM3 = 1e4  # of all volumes of a person


class StructuralBranch(nn.Module):
    """(person, 45) volumes -> (person, 45) features; a volume that nobody varies in stays 0.

    `scale` multiplies the features: 1 as released, 1 / sqrt(45) in corrected mode (`Standardised`).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(WIDTH, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(WIDTH, dtype=torch.float64))
        self.linear = nn.Linear(WIDTH, WIDTH)

    def fit(self, volumes: Floats) -> None:
        """Mean and standard deviation of training people over those who have the volume."""
        mean, deviation = structural_statistics(volumes)
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, volumes: Tensor) -> Tensor:
        """Unknown volumes (NaN) take the training mean."""
        exact = volumes.double()
        known = torch.isfinite(exact)
        z = torch.where(known, (exact - self.mean) / self.deviation, 0.0)
        answer: Tensor = self.scale * self.linear(z.float())
        return answer


def structural_statistics(volumes: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation (1 where nobody varies) of each volume, (45,) each.

    Raises
    ------
    ModelError
        ``model.structural`` when a volume is unknown in everybody.
    """
    values = np.asarray(volumes, np.float64)
    known = np.isfinite(values)
    count = known.sum(axis=0)
    if (count == 0).any():
        lost = [ASEG_VOLUMES[i] for i in np.flatnonzero(count == 0)[:3]]
        raise ModelError(
            f"No training person has the volume {', '.join(lost)}.",
            "Use a table in which every volume is known in somebody.",
            code="model.structural",
        )
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / count
    spread = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, np.where(spread > 0, spread, 1.0)


def check_volumes(volumes: Floats | None, people: int, unit: str) -> Floats:
    """The volumes as (person, 45), in the unit that the model was made for.

    Raises
    ------
    ModelError
        ``model.structural``: absent, of another shape or in another unit.
    """
    if volumes is None:
        raise ModelError(
            "The model needs each person's 45 subcortical volumes.",
            "Give FreeSurfer's aseg.stats, or use a model without the structural branch.",
            code="model.structural",
        )
    values = np.asarray(volumes, np.float64)
    if values.shape != (people, WIDTH):
        raise ModelError(
            f"The table of volumes has the shape {values.shape} instead of {(people, WIDTH)}.",
            "Give one line a person, the volumes in the order of ASEG_VOLUMES.",
            code="model.structural",
        )
    totals = np.nansum(values, axis=1)
    if unit == "mm3" and (totals < SMALLEST_TOTAL_MM3).any():
        wrong = "The volumes are not in mm³, as the model was trained with."
    elif unit != "mm3" and (totals > 1.0).any():
        wrong = "The volumes are not fractions of the intracranial volume."
    else:
        return values
    raise ModelError(wrong, "Give the volumes in the model's unit.", code="model.structural")
