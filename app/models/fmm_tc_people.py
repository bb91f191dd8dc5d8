"""The people of one `fit`: whether they belong together, and their connectivity statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.core.errors import ModelError
from app.models.connectivity_kinds import (
    connectivity_input,
    filled,
    geometric_mean,
    inverse_root,
    mean_matrix,
    mean_shrinkage,
    shrunk,
)
from app.models.features import present_parcels
from app.models.fmm_tc_settings import FmmTcSettings

SMALLEST_CLASS = 4  # people of each class: one for every inner fold by default


def check_people(
    settings: FmmTcSettings,
    series: Sequence[Floats],
    connectivity: Floats,
    labels: Bools,
    centroids_mm: Floats | None,
) -> int:
    """Number of parcels, when series, matrices and labels belong together.

    Raises
    ------
    ModelError
        ``model.too_few``, ``model.series_shape`` or ``model.people``.
    """
    smallest = SMALLEST_CLASS if settings.mode == "corrected" else 1
    counts = int(labels.sum()), int((~labels).sum())
    if min(counts) < max(smallest, settings.training.inner_folds):
        raise ModelError(
            f"There are {counts[0]} responders and {counts[1]} others; the model needs at least "
            f"{max(smallest, settings.training.inner_folds)} of each.",
            "Train on more people.",
            code="model.too_few",
        )
    parcels = int(series[0].shape[1]) if len(series) and series[0].ndim == 2 else 0
    if centroids_mm is not None and centroids_mm.shape != (parcels, 3):
        raise ModelError(
            f"The series have {parcels} parcels, the coordinates {len(centroids_mm)}.",
            "Use the atlas of the encoder's coordinates.",
            code="model.series_shape",
        )
    uses_matrix = settings.mode == "corrected" and "connectivity" in settings.branches
    if len(series) != len(labels) or (
        uses_matrix and connectivity.shape != (len(labels), parcels, parcels)
    ):
        raise ModelError(
            f"{len(labels)} labels, {len(series)} series and connectivity of shape "
            f"{connectivity.shape} do not belong together.",
            "Give one series, one matrix and one label a person, in one order.",
            code="model.people",
        )
    return parcels


def with_gaps(series: Floats) -> Floats:
    """Float64 series with NaN in every column that is missing or constant."""
    return np.where(present_parcels(series), np.asarray(series, np.float64), np.nan)


@dataclass(frozen=True, slots=True)
class TrainingConnectivity:
    """Connectivity statistics of the training people, and what the encoder sees of each."""

    mean: Floats
    shrinkage: float
    whitening: Floats | None
    inputs: Tensor | None  # (person, parcel, parcel), float32
    missing: int

    @classmethod
    def fit(
        cls, settings: FmmTcSettings, series: list[Floats], matrices: Floats, parcels: int
    ) -> TrainingConnectivity:
        """Statistics of the people given, and nobody else."""
        if settings.mode == "faithful" or "connectivity" not in settings.branches:
            return cls(np.zeros((parcels, parcels)), 0.0, None, None, 0)
        mean = mean_matrix(matrices)
        gaps = [filled(np.asarray(one, np.float64), mean) for one in matrices]
        whole = [one for one, _ in gaps]
        shrinkage, whitening = 0.0, None
        if settings.connectivity in ("partial", "tangent"):
            shrinkage = settings.shrinkage or mean_shrinkage(series)
        if settings.connectivity == "tangent":
            close = [shrunk(torch.from_numpy(one), shrinkage).numpy() for one in whole]
            whitening = inverse_root(geometric_mean(close))
        reference = None if whitening is None else torch.from_numpy(whitening)
        inputs = torch.stack(
            [
                connectivity_input(
                    settings.connectivity, torch.from_numpy(one), shrinkage, reference
                )
                for one in whole
            ]
        )
        return cls(mean, shrinkage, whitening, inputs, sum(count for _, count in gaps))
