"""BrainNetCNN (Kawahara et al. 2017, NeuroImage 146:1038-1049): convolutions along the matrix.

An edge-to-edge filter answers for the pair (i, j) with a weighted sum over row i plus one over
column j; edge-to-node sums each parcel's row; node-to-graph sums over parcels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from app.models.baselines.training_loop import Network

SLOPE = 0.33  # of the leaky ReLU, as published
DROPOUT = 0.5


class EdgeToEdge(nn.Module):
    """Cross-shaped filter: (batch, in, parcel, parcel) -> (batch, out, parcel, parcel)."""

    def __init__(self, inner: int, outer: int, parcels: int) -> None:
        super().__init__()
        self.row = nn.Conv2d(inner, outer, (1, parcels))
        self.column = nn.Conv2d(inner, outer, (parcels, 1))

    def forward(self, matrix: Tensor) -> Tensor:
        """Row sums (…, parcel, 1) plus column sums (…, 1, parcel), broadcast."""
        answer: Tensor = self.row(matrix) + self.column(matrix)
        return answer


class BrainNetCNN(Network):
    """Two edge-to-edge layers, edge-to-node, node-to-graph, two dense layers.

    Parameters
    ----------
    parcels
        Size of the matrix.
    filters
        Of the edge-to-edge layers (32 as published); the later layers keep its proportions
        (64, 256, 128, 30).
    """

    def __init__(self, parcels: int, filters: int = 32) -> None:
        super().__init__()
        nodes, graph, dense = 2 * filters, 8 * filters, 4 * filters
        self.edge1 = EdgeToEdge(1, filters, parcels)
        self.edge2 = EdgeToEdge(filters, filters, parcels)
        self.node = nn.Conv2d(filters, nodes, (1, parcels))
        self.graph = nn.Conv2d(nodes, graph, (parcels, 1))
        self.dense1 = nn.Linear(graph, dense)
        self.dense2 = nn.Linear(dense, 30)
        self.last = nn.Linear(30, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, matrix: Tensor) -> Tensor:
        """(batch, parcel, parcel) Fisher z, diagonal 0 -> (batch,)."""
        hidden = matrix.unsqueeze(1)
        for layer in (self.edge1, self.edge2, self.node):
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
        hidden = self.dropout(functional.leaky_relu(self.graph(hidden), SLOPE)).flatten(1)
        hidden = self.dropout(functional.leaky_relu(self.dense1(hidden), SLOPE))
        hidden = functional.leaky_relu(self.dense2(hidden), SLOPE)
        answer: Tensor = self.last(hidden).squeeze(1)
        return answer
