"""What a model is to the attribution room: one scan's inputs and two differentiable functions."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class ScanFunctions(Protocol):
    """One scan's inputs and baselines, and the two parts of its log-odds, with gradients.

    What the attribution room asks for; log-odds are the sum of both parts and a constant.
    """

    @property
    def series(self) -> Tensor:
        """(frame, parcel), in the model's normalisation."""

    @property
    def correlation(self) -> Tensor:
        """(parcel, parcel), diagonal 0."""

    @property
    def present(self) -> Tensor:
        """(parcel,) bool."""

    @property
    def baseline_series(self) -> Tensor:
        """(frame, parcel)."""

    @property
    def baseline_correlation(self) -> Tensor:
        """(parcel, parcel)."""

    @property
    def references(self) -> Tensor:
        """(reference, frame, parcel)."""

    @property
    def reference_text(self) -> str:
        """What the baselines of (a) are and, after a semicolon, the references of (b)."""

    def series_log_odds(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> scalar."""

    def connectivity_log_odds(self, correlation: Tensor) -> Tensor:
        """(parcel, parcel) -> scalar."""

    def correlation_of(self, series: Tensor) -> Tensor:
        """(frame, parcel) -> (parcel, parcel), differentiable."""
