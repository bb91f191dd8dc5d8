"""Encoders of one connectivity matrix: a plain linear reading, a compact one, the released one.

* `LinearConnectivity`: the standardised upper triangle itself; the fusion layer weighs it. The
  default: linear models on connectivity are the field's hardest competitor.
* `CompactConnectivity`: ``A^T Z A`` with a trainable (parcel, rank) A, upper triangle, GELU,
  one linear layer: some 4,000 parameters for 426 parcels.
* `ResNet18` (own file): the released encoder, for faithful mode.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

COMPACT_RANK = 8
COMPACT_WIDTH = 32


class Standardised(nn.Module):
    """Centred by training means and divided by one number, the training spread.

    One number, not one a feature: a feature that hardly varies is not blown up. A person's row
    then has a mean square sum of 1, so that 90,000 connections and 64 values of an encoder move
    the log-odds at the same pace.
    """

    mean: Tensor
    multiplier: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("multiplier", torch.ones(1))

    def fit(self, rows: Tensor) -> None:
        """Statistics of training people, (person, width)."""
        exact = rows.double()
        mean = exact.mean(dim=0)
        spread = (exact - mean).square().mean().sqrt()
        self.mean.copy_(mean)
        self.multiplier.fill_(1.0 / (len(mean) ** 0.5 * max(float(spread), 1e-12)))

    def level(self) -> None:
        """For rows of unit variance by construction (after a LayerNorm): no statistics."""
        self.multiplier.fill_(len(self.mean) ** -0.5)

    def forward(self, rows: Tensor) -> Tensor:
        """(person, width) -> same shape."""
        return (rows - self.mean) * self.multiplier


class LinearConnectivity(nn.Module):
    """Standardised upper triangle, (person, pair)."""

    rows: Tensor
    columns: Tensor

    def __init__(self, parcels: int) -> None:
        super().__init__()
        upper = torch.triu_indices(parcels, parcels, offset=1)
        self.register_buffer("rows", upper[0].clone(), persistent=False)
        self.register_buffer("columns", upper[1].clone(), persistent=False)
        self.standardised = Standardised(len(upper[0]))
        self.width = len(upper[0])

    def upper(self, matrices: Tensor) -> Tensor:
        """(person, parcel, parcel) -> (person, pair); both halves count the same.

        What is (person, pair) already stays as it is: training takes the triangle once.
        """
        if matrices.dim() == 2:
            return matrices
        both = matrices[:, self.rows, self.columns] + matrices[:, self.columns, self.rows]
        return 0.5 * both

    def fit(self, matrices: Tensor) -> None:
        """Statistics of training people."""
        self.standardised.fit(self.upper(matrices))

    def forward(self, matrices: Tensor) -> Tensor:
        """(person, parcel, parcel) -> (person, width)."""
        answer: Tensor = self.standardised(self.upper(matrices))
        return answer


class CompactConnectivity(nn.Module):
    """A low-rank bilinear reading of the standardised matrix."""

    rows: Tensor
    columns: Tensor

    def __init__(self, parcels: int) -> None:
        super().__init__()
        self.parcels, self.width = parcels, COMPACT_WIDTH
        self.scale: float = COMPACT_WIDTH**-0.5
        self.standardised = Standardised(parcels * parcels)
        self.parcel_weights = nn.Linear(parcels, COMPACT_RANK, bias=False)
        upper = torch.triu_indices(COMPACT_RANK, COMPACT_RANK)
        self.register_buffer("rows", upper[0].clone(), persistent=False)
        self.register_buffer("columns", upper[1].clone(), persistent=False)
        self.inner = nn.Linear(len(upper[0]), COMPACT_WIDTH)

    def fit(self, matrices: Tensor) -> None:
        """Statistics of training people."""
        self.standardised.fit(matrices.flatten(1))

    def forward(self, matrices: Tensor) -> Tensor:
        """(person, parcel, parcel) -> (person, width)."""
        even = self.standardised(matrices.flatten(1)).view(-1, self.parcels, self.parcels)
        half = self.parcel_weights(self.parcels * even)
        small = self.parcel_weights(half.transpose(1, 2))
        small = 0.5 * (small + small.transpose(1, 2))
        answer: Tensor = functional.gelu(self.inner(small[:, self.rows, self.columns]))
        return answer * self.scale
