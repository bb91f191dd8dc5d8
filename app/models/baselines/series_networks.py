"""Networks on parcel series without pre-training: convolutional, recurrent, transformer.

All take (batch, parcel, frame) in units of the training people's spread and pool over frames, so
that what they learn is when and how strongly patterns come, not at which second.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.models.baselines.training_loop import Network
from app.models.brainlm import sinusoidal_code

DROPOUT = 0.3


class ConvolutionalNetwork(Network):
    """Three temporal convolutions over all parcels; mean and spread over frames."""

    def __init__(self, parcels: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv1d(parcels, width, 7, padding=3)
        self.second = nn.Conv1d(width, width, 5, padding=2)
        self.third = nn.Conv1d(width, width, 3, padding=1)
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(2 * width, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(batch, parcel, frame) -> (batch,)."""
        hidden = series
        for layer in (self.first, self.second, self.third):
            hidden = functional.gelu(layer(hidden))
        # The constant keeps the root's derivative finite for a constant series.
        spread = (hidden.var(dim=2, correction=0) + 1e-6).sqrt()
        pooled = torch.cat([hidden.mean(dim=2), spread], dim=1)
        answer: Tensor = self.last(self.dropout(pooled)).squeeze(1)
        return answer


class RecurrentNetwork(Network):
    """A gated recurrent unit (Cho et al. 2014) over the frames; mean square of its states."""

    def __init__(self, parcels: int, width: int = 32) -> None:
        super().__init__()
        self.recurrent = nn.GRU(parcels, width, batch_first=True)
        self.dropout = nn.Dropout(DROPOUT)
        self.hidden = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(batch, parcel, frame) -> (batch,)."""
        states, _ = self.recurrent(series.transpose(1, 2))
        pooled = functional.gelu(self.hidden(states.square().mean(dim=1)))
        answer: Tensor = self.last(self.dropout(pooled)).squeeze(1)
        return answer


class SeriesTransformer(Network):
    """One token a frame, sinusoidal time code, two layers, mean over frames."""

    code: Tensor

    def __init__(self, parcels: int, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Linear(parcels, width)
        self.register_buffer("code", sinusoidal_code(width), persistent=False)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 4 * width, 0.1, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(2)
        )
        self.dropout = nn.Dropout(DROPOUT)
        self.last = nn.Linear(width, 1)

    def forward(self, series: Tensor) -> Tensor:
        """(batch, parcel, frame) -> (batch,)."""
        tokens = self.embed(series.transpose(1, 2))
        tokens = tokens + self.code[: tokens.shape[1]]
        for layer in self.layers:
            tokens = layer(tokens)
        answer: Tensor = self.last(self.dropout(tokens.mean(dim=1))).squeeze(1)
        return answer
