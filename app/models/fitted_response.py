"""Any `ResponseModel` - FMM_TC's trainable variants, every rival - behind the same bundle.

The model's own file (`weights.safetensors`) is read by the model itself, strictly. What a
bundle adds lies in `statistics.safetensors`: the training mean of the matrix, which network a
parcel belongs to, novelty statistics and the covariate-only rival. The interval comes from heads
refitted on resampled people (`refits`) where the model is linear in features of its own, as FMM_TC
is behind a frozen encoder, or from small networks stored whole; else, and in older bundles, it is
the card's ``uncertainty.log_odds_sd`` (spread over such refits), the same for everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, frozen
from app.core.progress import Progress
from app.core.results import CleanSignals, Connectome, Novelty
from app.models.answer import Answer, as_numpy, calibrated, filled_correlation
from app.models.card import Card, card_error
from app.models.device import fixed_threads
from app.models.features import correlation_of
from app.models.interface import (
    DetailedResponse,
    DifferentiableResponse,
    ExplainedResponse,
    ResponseModel,
)
from app.models.network_statistics import made_up_scan
from app.models.novelty import novelty_of, novelty_shapes
from app.models.novelty_depths import EncodedResponse, novelty_feature_count, novelty_vector
from app.models.refits import (
    RefittableResponse,
    WholeRefits,
    refit_interval,
    refit_shapes,
    whole_interval,
)
from app.models.scan_functions import ScanFunctions

NORMAL_95 = 1.959964
Load = Callable[[Card, Path, str], ResponseModel]  # card, weights file, device


def statistics_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of `statistics.safetensors`."""
    parcels, covariates = card.contract.parcel_count, len(card.covariates)
    novelty, expected = card.fields.sizes["novelty_features"], novelty_feature_count(card)
    if novelty != expected:
        raise card_error(f"sizes.novelty_features must be {expected} (found {novelty})")
    return {
        "mean_correlation": (parcels, parcels),
        "network_of_parcel": (parcels,),
        "covariates.mean": (covariates,),
        "covariates.weight": (covariates,),
        "covariates.bias": (1,),
        **novelty_shapes(card),
        **refit_shapes(card),
    }


def check_sizes(card: Card) -> None:
    """What these architectures need of a card; `ModelError` naming the field."""
    for name in ("networks", "novelty_features", "novelty_quantiles"):
        if card.fields.sizes.get(name, 0) < 1:
            raise card_error(f"sizes.{name} is missing")
    if card.fields.uncertainty.log_odds_sd is None and not card.fields.sizes.get("refits", 0):
        raise card_error(
            "uncertainty.log_odds_sd is missing, and sizes.refits; the interval is made from one "
            "of them"
        )


@dataclass(frozen=True, slots=True)
class FittedResponse:
    """One fitted model, asked for one scan; it computes on the CPU unless it says otherwise."""

    card: Card
    statistics: Mapping[str, Tensor]
    model: Any  # a `ResponseModel`
    branch: str  # the one input that can be explained; "" = the model says itself, or none

    @classmethod
    def build(
        cls,
        load: Load,
        card: Card,
        statistics: Mapping[str, Tensor],
        weights: Path,
        branch: str = "",
        device: str = "cpu",
    ) -> FittedResponse:
        """Let the model read its own file, encoder and all."""
        return cls(card, statistics, load(card, weights, device), branch)

    def answer(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        covariates: Floats,
        batch: int,
        progress: Progress,
    ) -> Answer:
        """One scan's numbers."""
        progress.step(0.1, "model")
        detail = None
        if isinstance(self.model, DetailedResponse):
            detail = self.model.detail(signals.cleaned, connectome.matrix)
            log_odds = detail.log_odds
        else:
            log_odds = self._log_odds(signals.cleaned, connectome.matrix, covariates)
        progress.step(0.9, "novelty")
        low, middle, high = self._interval(log_odds, signals.cleaned, connectome.matrix, covariates)
        return Answer(
            log_odds=log_odds,
            windows=frozen(np.array([log_odds]) if detail is None else detail.window_log_odds),
            probability=middle,
            interval=(low, high),
            contributions=None if detail is None else detail.contributions,
            contributions_exact=detail is None or detail.exact_contributions,
            novelty=self.likeness(signals, connectome, batch),
        )

    def likeness(self, signals: CleanSignals, connectome: Connectome, batch: int) -> Novelty:
        """As `ScanModel.likeness`; one scan at a time, whatever the batch."""
        del batch
        return novelty_of(self.card, self.statistics, self._novelty(signals, connectome))

    def scan_functions(
        self, signals: CleanSignals, connectome: Connectome, *, sparing: bool = False
    ) -> ScanFunctions | None:
        """This scan as functions with gradients; None where the model has none or no baseline."""
        if isinstance(self.model, ExplainedResponse):
            return self.model.scan_functions(
                signals.cleaned, connectome.matrix, signals.good_frames
            )
        if getattr(self.model, "self_scaled", False):
            return None
        if not self.branch or not isinstance(self.model, DifferentiableResponse):
            return None
        return OneInput.of(self, self.branch, signals, connectome)

    def canary(self) -> float:
        """Log-odds of one fixed, made-up scan, with no covariate known."""
        contract = self.card.contract
        series, waves = made_up_scan(contract.minimum_frames, contract.parcel_count)
        matrix = as_numpy(0.9 * self.statistics["mean_correlation"] + 0.1 * waves)
        np.fill_diagonal(matrix, 0.0)
        unknown = np.full(len(self.card.covariates), np.nan)
        with fixed_threads(), torch.no_grad():
            return self._log_odds(as_numpy(series), matrix, unknown)

    def _log_odds(self, cleaned: Floats, matrix: Floats, covariates: Floats) -> float:
        found = self.model.predict_log_odds([cleaned], matrix[None], covariates[None])
        return float(np.asarray(found, np.float64)[0])

    def _interval(
        self, log_odds: float, cleaned: Floats, matrix: Floats, covariates: Floats
    ) -> tuple[float, float, float]:
        """Low end, probability, high end."""
        spread = NORMAL_95 * (self.card.fields.uncertainty.log_odds_sd or 0.0)
        ends = np.array([log_odds - spread, log_odds, log_odds + spread])
        low, middle, high = (float(one) for one in calibrated(self.card.calibration, ends))
        if self.card.fields.sizes.get("refit_values", 0):
            if not isinstance(self.model, WholeRefits):
                raise card_error("sizes.refit_values is above 0 for a model that is never whole")
            low, high = whole_interval(self.statistics, self.model, cleaned, matrix, covariates)
        elif self.card.fields.sizes.get("refits", 0):
            if not isinstance(self.model, RefittableResponse):
                raise card_error("sizes.refits is above 0 for a model that has no linear head")
            features = self.model.centred_features(cleaned, matrix, covariates)
            low, high = refit_interval(self.statistics, features)
        return min(low, middle), middle, max(high, middle)

    def _novelty(self, signals: CleanSignals, connectome: Connectome) -> Floats:
        """This scan at every depth that the card's sizes name."""
        sizes = self.card.fields.sizes
        encoded = None
        if sizes.get("novelty_encoded", 0):
            if not isinstance(self.model, EncodedResponse):
                raise card_error("sizes.novelty_encoded is above 0 for a model without encoder")
            encoded = self.model.encoded(signals.cleaned)
        return novelty_vector(
            signals.cleaned,
            connectome.matrix,
            self.statistics,
            sizes["networks"],
            self.card.contract.series_scale_percent,
            in_time=bool(sizes.get("novelty_in_time", 0)),
            encoded=encoded,
        )


@dataclass(frozen=True, slots=True)
class OneInput:
    """`ScanFunctions` of a model that looks at the series alone or at the matrix alone."""

    model: DifferentiableResponse
    branch: str
    series: Tensor
    correlation: Tensor
    present: Tensor
    good_frames: Tensor
    baseline_series: Tensor
    baseline_correlation: Tensor
    references: Tensor
    reference_text: str

    @classmethod
    def of(
        cls, fitted: FittedResponse, branch: str, signals: CleanSignals, connectome: Connectome
    ) -> OneInput:
        """Prepare one scan; series stay in percent, as the model was fitted on them."""
        values = np.asarray(signals.cleaned, np.float64)
        present: Bools = np.asarray(np.isfinite(values).all(axis=0), np.bool_)
        series = torch.from_numpy(np.where(present, values, 0.0).astype(np.float32))
        mean = fitted.statistics["mean_correlation"].float()
        return cls(
            fitted.model,
            branch,
            series,
            filled_correlation(connectome.matrix, mean),
            torch.from_numpy(present.copy()),
            torch.from_numpy(np.asarray(signals.good_frames, np.bool_).copy()),
            torch.zeros_like(series),
            mean,
            torch.zeros_like(series)[None],
            "zero series and mean matrix of the training participants",
        )

    def series_log_odds(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> scalar; 0 where the model does not look at the series."""
        if self.branch != "series":
            return 0.0 * series.sum()
        return self.model.log_odds_of(series, self.correlation)

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        """(parcel, parcel) -> scalar; 0 where the model does not look at the matrix."""
        if self.branch != "connectivity":
            return 0.0 * correlation.sum()
        return self.model.log_odds_of(self.series, correlation)

    def correlation_of(self, series: Tensor) -> Tensor:
        """Connectivity recomputed from a series over the scan's good frames."""
        return correlation_of(series, self.good_frames, self.present)
