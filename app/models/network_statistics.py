"""Architecture ``fmm-tc-network-statistics``: the demonstration model's way from scan to answer.

A frozen series encoder and a connectivity encoder, both pooled by network (`fmm_tc.py`,
`features.py`), one linear head on both, its spread over resampled people, Platt calibration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, frozen
from app.core.progress import Progress
from app.core.results import CleanSignals, Connectome, Novelty
from app.models.altered_arrays import altered_arrays
from app.models.answer import MODALITIES, Answer, as_numpy, calibrated, filled_correlation
from app.models.card import Calibration, Card
from app.models.device import fixed_threads
from app.models.differentiable import DifferentiableModel
from app.models.features import prepared_series
from app.models.fmm_tc import FmmTc
from app.models.novelty import novelty_of


@dataclass(frozen=True, slots=True)
class NetworkStatistics:
    """The model on one device; head, calibration and novelty in float64 on the CPU."""

    card: Card
    tensors: Mapping[str, Tensor]
    model: FmmTc
    device: torch.device

    @classmethod
    def build(
        cls, card: Card, tensors: Mapping[str, Tensor], device: torch.device
    ) -> NetworkStatistics:
        """From checked arrays; `ModelError` as `FmmTc.from_tensors`."""
        return cls(card, tensors, FmmTc.from_tensors(card, tensors, device), device)

    def answer(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        covariates: Floats,
        batch: int,
        progress: Progress,
    ) -> Answer:
        """One scan's numbers; covariates play no part in this model."""
        return self._combine(*self._features(signals, connectome, batch, progress))

    def likeness(self, signals: CleanSignals, connectome: Connectome, batch: int) -> Novelty:
        """As `ScanModel.likeness`: the features alone, the head is not asked."""
        _, _, novel = self._features(signals, connectome, batch, Progress())
        return novelty_of(self.card, self.tensors, novel)

    def _features(
        self, signals: CleanSignals, connectome: Connectome, batch: int, progress: Progress
    ) -> tuple[Floats, Floats, Floats]:
        """Of every window's series, of the matrix, and what novelty is judged by."""
        model = self.model
        scale = self.card.contract.series_scale_percent
        prepared, covered = prepared_series(signals.cleaned, scale)
        series, present = prepared.to(self.device), covered.to(self.device)
        correlation = filled_correlation(connectome.matrix, model.tensors["mean_correlation"])
        progress.step(0.1, "series encoder")
        rows = model.series_features(series, present, batch)
        progress.step(0.9, "connectivity encoder and head")
        pairs = model.connectivity_features(correlation, present)
        novel = model.novelty_features(series, present, rows.mean(dim=0), pairs)
        return as_numpy(rows), as_numpy(pairs), as_numpy(novel)

    def scan_functions(
        self, signals: CleanSignals, connectome: Connectome, *, sparing: bool = False
    ) -> DifferentiableModel:
        """The model as functions of this scan's series and matrix."""
        return DifferentiableModel.of(
            self.model,
            signals.cleaned,
            signals.good_frames,
            connectome.matrix,
            self.card.contract.series_scale_percent,
            self.device,
            sparing=sparing,
        )

    def canary(self) -> float:
        """Log-odds that the model gives to one fixed, made-up scan."""
        return canary(self.model)

    def altered(self, kind: str, number: int) -> NetworkStatistics | None:
        """As `alterations.Alterable`: head and encoder, or the token order, replaced."""
        changes, encoder = altered_arrays(self, kind, number)
        if changes is None:
            return None
        model = replace(
            self.model,
            encoder=encoder or self.model.encoder,
            tensors={**self.model.tensors, **changes},
        )
        return replace(self, tensors={**self.tensors, **changes}, model=model)

    def _combine(self, rows: Floats, pairs: Floats, novel: Floats) -> Answer:
        """Linear head, calibration and interval from features; float64, fixed order of sums."""
        t = {key: as_numpy(value) for key, value in self.tensors.items() if _is_head(key)}
        rows, pairs = rows - t["head.series_mean"], pairs - t["head.connectivity_mean"]
        windows = (rows * t["head.series"]).sum(axis=1)
        series, matrix = float(windows.mean()), float((pairs * t["head.connectivity"]).sum())
        bias = float(t["head.bias"][0])
        log_odds = bias + series + matrix
        heads = (
            (rows[:, None, :] * t["bootstrap.series"][None]).sum(axis=2)
            + (pairs[None] * t["bootstrap.connectivity"]).sum(axis=1)
            + t["bootstrap.bias"]
        )  # (window, head): resampled people and windows spread the interval alike
        calibration = self.card.calibration
        low, high = interval_of(calibration, heads, t.get("bootstrap.calibration"))
        probability = float(calibrated(calibration, np.array([log_odds]))[0])
        return Answer(
            log_odds=log_odds,
            windows=frozen(bias + windows + matrix),
            probability=probability,
            interval=(min(float(low), probability), max(float(high), probability)),
            contributions={MODALITIES[0]: series, MODALITIES[1]: matrix, "bias": bias},
            novelty=novelty_of(self.card, self.tensors, novel),
        )


def interval_of(
    calibration: Calibration, heads: Floats, refitted: Floats | None
) -> tuple[float, float]:
    """2.5 and 97.5 % of what models refitted on resampled people say of the windows.

    Parameters
    ----------
    calibration
        The delivered one, used where the bundle has no `refitted`.
    heads
        (window, head) log-odds of the refitted heads.
    refitted
        (head, 2) slope and intercept, fitted with each head on the same resampled people.
    """
    if refitted is None:
        low, high = calibrated(calibration, np.percentile(heads, [2.5, 97.5]))
    else:
        scaled = np.clip(heads * refitted[:, 0] + refitted[:, 1], -700, 700)
        low, high = np.percentile(1.0 / (1.0 + np.exp(-scaled)), [2.5, 97.5])
    return float(low), float(high)


def canary(model: FmmTc) -> float:
    """Log-odds that the model gives to one fixed, made-up scan of exactly one window."""
    parcels = len(model.tensors["network_of_parcel"])
    series, matrix = made_up_scan(model.window_frames, parcels)
    mean = model.tensors["mean_correlation"]
    present = torch.ones(parcels, dtype=torch.bool, device=mean.device)
    blended = 0.9 * mean + 0.1 * matrix.to(mean.device)
    with fixed_threads(), torch.no_grad():
        score = (
            model.tensors["head.bias"][0]
            + model.series_log_odds(series.to(mean.device), present).mean()
            + model.connectivity_log_odds(blended, present)
        )
    return float(score)


def made_up_scan(frames: int, parcels: int) -> tuple[Tensor, Tensor]:
    """A (frame, parcel) series of waves and a smooth (parcel, parcel) matrix, float32, CPU."""
    frame = torch.arange(frames, dtype=torch.float64)[:, None]
    parcel = torch.arange(parcels, dtype=torch.float64)[None, :]
    wave = torch.sin(0.05 * frame * (1 + parcel % 7) + 0.7 * parcel)
    series = (wave + 0.5 * torch.cos(0.21 * frame + 0.013 * parcel**2)).float()
    return series, torch.cos(parcel.T - parcel).float()


def _is_head(key: str) -> bool:
    return key.startswith(("head.", "bootstrap."))
