"""Parcel series as models take them: missing parcels borrowed, one unit, windows.

A missing parcel (any value not finite, or never varying) borrows the series of the present parcel
with which it correlates most on average over the *training* people. Zeros would be a signal that
no scan produces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.models.baselines.connections import mean_correlation
from app.models.baselines.people import People
from app.models.baselines.storage import to_tensor
from app.models.features import present_parcels, window_starts


def missing_in(series: Floats) -> Bools:
    """(parcel,) True where a (frame, parcel) series is unusable."""
    return np.asarray(~present_parcels(series))


@dataclass(frozen=True, slots=True)
class SeriesInput:
    """Training statistics of series."""

    neighbours: Floats  # (parcel, parcel) mean training correlation
    scale: Floats  # (parcel,) root mean square of training people's demeaned series

    @classmethod
    def fit(cls, people: People) -> SeriesInput:
        """From training people.

        Raises
        ------
        ModelError
            ``model.people`` when a parcel is missing in all of them.
        """
        squares = np.zeros(people.connectivity.shape[1])
        count = np.zeros(len(squares))
        for one in people.series:
            missing = missing_in(one)
            squares += np.where(missing, 0.0, np.var(np.where(missing, 0.0, one), axis=0))
            count += ~missing
        if not count.all():
            raise ModelError(
                f"{int((count == 0).sum())} parcels are missing in all training people.",
                "Use an atlas that these scans cover.",
                code="model.people",
            )
        return cls(mean_correlation(people.connectivity), np.sqrt(squares / count))

    @staticmethod
    def shapes(parcels: int) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the stored arrays."""
        return {"neighbours": (parcels, parcels), "scale": (parcels,)}

    def tensors(self) -> dict[str, Tensor]:
        """The arrays to store, float64."""
        return {"neighbours": to_tensor(self.neighbours), "scale": to_tensor(self.scale)}

    @classmethod
    def of(cls, arrays: Mapping[str, Tensor]) -> SeriesInput:
        """From checked arrays of a file."""
        return cls(arrays["neighbours"].numpy(), arrays["scale"].numpy())

    def sources(self, missing: Bools) -> Ints:
        """(parcel,) from which parcel each series is taken.

        Raises
        ------
        ModelError
            ``model.people`` when no parcel is usable.
        """
        if missing.all():
            raise ModelError(
                "No parcel of the scan has a usable series.",
                "Check the scan's coverage.",
                code="model.people",
            )
        likeness = np.where(missing, -np.inf, self.neighbours)
        return np.where(missing, likeness.argmax(axis=1), np.arange(len(missing)))

    def filled(self, series: Floats) -> Floats:
        """(frame, parcel) with missing parcels borrowed; own units."""
        return np.asarray(series[:, self.sources(missing_in(series))])

    def filled_of(self, series: Tensor) -> Tensor:
        """The same of a tensor; only what is not finite counts as missing, since the point of a
        path may well be constant."""
        missing = ~torch.isfinite(series).all(dim=0).cpu().numpy()
        return series[:, torch.from_numpy(self.sources(missing)).to(series.device)]

    def scaled(self, filled: Tensor) -> Tensor:
        """Filled (frame, parcel) over each parcel's training scale."""
        return filled / torch.from_numpy(self.scale).to(filled)


def windows_of(series: Tensor, window: int) -> Tensor:
    """(frame, parcel) -> (window, parcel, frame): half overlapping, the last flush right."""
    starts = window_starts(len(series), window)
    return torch.stack([series[start : start + window].T for start in starts])
