"""The model as plain functions of one scan's inputs, with gradients, for the attribution room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats
from app.models.answer import filled_correlation
from app.models.features import correlation_of, prepared_series
from app.models.fmm_tc import FmmTc


@dataclass(frozen=True, slots=True)
class DifferentiableModel:
    """One scan's inputs, baselines and the functions that turn inputs into log-odds.

    All tensors lie on one device; series are in the model's normalisation.
    """

    model: FmmTc
    series: Tensor  # (frame, parcel)
    correlation: Tensor  # (parcel, parcel), diagonal 0
    present: Tensor  # (parcel,) bool
    good_frames: Tensor  # (frame,) bool
    baseline_series: Tensor  # zeros
    baseline_correlation: Tensor  # training mean
    references: Tensor  # (reference, frame, parcel), training participants' series
    reference_text: str
    sparing: bool = False  # each window is computed again for its gradient; same bits, less memory

    @classmethod
    def of(
        cls,
        model: FmmTc,
        cleaned: Floats,
        good_frames: Bools,
        matrix: Floats,
        scale_percent: float,
        device: str | torch.device,
        *,
        sparing: bool = False,
    ) -> DifferentiableModel:
        """Prepare one scan; references are cut or mirrored in time to its length."""
        series, present = prepared_series(cleaned, scale_percent)
        series, present = series.to(device), present.to(device)
        mean = model.tensors["mean_correlation"]
        stored = model.tensors["reference.series"]
        frames = _mirrored_frames(len(series), stored.shape[1])
        references = stored[:, frames.to(device)] * present
        return cls(
            model,
            series,
            filled_correlation(matrix, mean),
            present,
            torch.from_numpy(np.asarray(good_frames, np.bool_).copy()).to(device),
            torch.zeros_like(series),
            mean,
            references,
            f"zero series and mean matrix of the training participants; {len(stored)} training "
            "participants' series",
            sparing,
        )

    def series_log_odds(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> mean over windows, scalar."""
        return self.model.series_log_odds(series, self.present, sparing=self.sparing).mean()

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        """(parcel, parcel) -> scalar."""
        return self.model.connectivity_log_odds(correlation, self.present)

    def correlation_of(self, series: Tensor) -> Tensor:
        """Connectivity recomputed from a series over the scan's good frames."""
        return correlation_of(series, self.good_frames, self.present)


def _mirrored_frames(wanted: int, stored: int) -> Tensor:
    """Indices 0, 1, …, stored-1, stored-2, …: the length that is wanted without a jump."""
    there_and_back = np.concatenate([np.arange(stored), np.arange(stored - 2, 0, -1)])
    repeats = -(-wanted // len(there_and_back))
    return torch.from_numpy(np.tile(there_and_back, repeats)[:wanted].copy())
