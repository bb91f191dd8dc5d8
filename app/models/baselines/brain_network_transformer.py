"""Brain Network Transformer (Kan et al. 2022, NeurIPS, arXiv 2210.06681).

A parcel's features are its row of the connectivity matrix; there is no position code, the row
already says where a parcel is. Two self-attention layers, then the readout by orthonormal
clusters: each parcel is softly assigned to cluster centres that are orthonormal from the start
and stay as they are, and the parcels of a cluster are summed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.models.baselines.training_loop import Network

DROPOUT = 0.1


class BrainNetworkTransformer(Network):
    """Attention among parcels, orthonormal clustering readout, three dense layers.

    Parameters
    ----------
    parcels
        Number of parcels; also the width, as published.
    clusters
        Of the readout (100 as published); at most the width.
    inner
        Width of the feed-forward half of a layer (1024 as published).
    """

    centres: Tensor

    def __init__(self, parcels: int, clusters: int = 100, inner: int = 1024) -> None:
        super().__init__()
        # Four heads as published, where the width allows it.
        heads = next(count for count in (4, 3, 2, 1) if parcels % count == 0)
        self.attention = nn.ModuleList(
            nn.TransformerEncoderLayer(parcels, heads, inner, DROPOUT, batch_first=True)
            for _ in range(2)
        )
        clusters = min(clusters, parcels)
        centres = torch.empty(clusters, parcels)
        nn.init.orthogonal_(centres)
        self.register_buffer("centres", centres)
        self.reduce = nn.Linear(parcels, 8)
        self.dense1 = nn.Linear(8 * clusters, 256)
        self.dense2 = nn.Linear(256, 32)
        self.last = nn.Linear(32, 1)

    def forward(self, matrix: Tensor) -> Tensor:
        """(batch, parcel, parcel) correlations, diagonal 1 -> (batch,)."""
        parcels = matrix
        for layer in self.attention:
            parcels = layer(parcels)
        assigned = (parcels @ self.centres.T).softmax(dim=-1)  # (batch, parcel, cluster)
        clusters = assigned.transpose(1, 2) @ parcels
        hidden = functional.leaky_relu(self.reduce(clusters)).flatten(1)
        hidden = functional.leaky_relu(self.dense1(hidden))
        hidden = functional.leaky_relu(self.dense2(hidden))
        answer: Tensor = self.last(hidden).squeeze(1)
        return answer
