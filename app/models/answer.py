"""The numbers of one participant before any wording, and what every model of a bundle can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats
from app.core.progress import Progress
from app.core.results import (
    CleanSignals,
    Connectome,
    ModelSummary,
    Novelty,
    Outcome,
    Prediction,
)
from app.models.card import Calibration
from app.models.scan_functions import ScanFunctions

MODALITIES = ("series", "connectivity")


@dataclass(frozen=True, slots=True)
class Answer:
    """The numbers of one participant, before any wording."""

    log_odds: float
    windows: Floats  # (window,)
    probability: float
    interval: tuple[float, float]
    contributions: dict[str, float] | None  # None where the model gives no shares
    novelty: Novelty
    contributions_exact: bool = True  # False: Shapley values, since the inputs interact


class ScanModel(Protocol):
    """A bundle's model in memory, on one device; what an entry of `ARCHITECTURES` builds."""

    def answer(
        self,
        signals: CleanSignals,
        connectome: Connectome,
        covariates: Floats,
        batch: int,
        progress: Progress,
    ) -> Answer:
        """One scan's numbers; `covariates` in the card's order, NaN where unknown."""

    def likeness(self, signals: CleanSignals, connectome: Connectome, batch: int) -> Novelty:
        """How far a scan lies from the training participants, without any number of response."""

    def scan_functions(
        self, signals: CleanSignals, connectome: Connectome, *, sparing: bool = False
    ) -> ScanFunctions | None:
        """The model as differentiable functions of this scan; None where it has no gradients.

        `sparing` computes each window again for its gradient instead of keeping all of them.
        """

    def canary(self) -> float:
        """Log-odds of one fixed, made-up scan."""


def withheld(
    model: ModelSummary, reasons: tuple[str, ...], novelty: Novelty | None = None
) -> Prediction:
    """An answer without any number of response; why, and how unlike the others the scan is."""
    return Prediction(
        outcome=Outcome.WITHHELD,
        reasons=reasons,
        model=model,
        probability=None,
        interval=None,
        log_odds=None,
        log_odds_windows=None,
        covariate_probability=None,
        contributions=None,
        novelty=novelty,
    )


def calibrated(calibration: Calibration, log_odds: Floats) -> Floats:
    """Probabilities of uncalibrated log-odds, same shape."""
    scaled = calibration.slope * log_odds + calibration.intercept
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scaled, -700, 700))))


def filled_correlation(matrix: Floats, mean: Tensor) -> Tensor:
    """The matrix as float32, rows of missing parcels taken from the training mean."""
    values = torch.from_numpy(np.asarray(matrix, np.float32).copy()).to(mean.device)
    return torch.where(torch.isfinite(values), values, mean)


def as_numpy(tensor: Tensor) -> Floats:
    """A tensor's values as float64 on the CPU."""
    return np.asarray(tensor.detach().cpu().numpy(), np.float64)
