"""FMM_TC, corrected mode: a frozen series encoder, a connectivity encoder, a linear head.

``log-odds = bias + mean over windows of w_ts . (h_ts - m_ts) + w_fc . (h_fc - m_fc)`` with m the
training participants' mean features: because the fusion is linear, what each modality adds to
the log-odds, against the average training participant, is exact and signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from app.models.brainlm import BrainLM
from app.models.card import Card, card_error
from app.models.features import (
    connectivity_features,
    pooling_weights,
    series_features,
    window_starts,
)
from app.models.novelty import novelty_shapes
from app.models.strict_loading import check_tensors, load_module

ENCODER = "encoder."


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of the card's table ``sizes`` that fix the shape of every stored array."""

    networks: int
    bootstrap_heads: int
    references: int
    reference_frames: int
    novelty_features: int
    novelty_quantiles: int
    # Heads fitted on shuffled labels; with them come calibrations of the resampled heads and
    # the features' own differences between the classes. 0 = a bundle without all of this.
    shuffled_heads: int = 0

    @classmethod
    def of(cls, card: Card) -> Sizes:
        """From the card; `ModelError` naming what is missing or too much."""
        given, known = card.fields.sizes, [field.name for field in fields(cls)]
        for name in sorted(set(known) ^ set(given)):
            if name == "shuffled_heads":
                known.remove(name)
                continue
            word = "missing" if name in known else "unknown"
            raise card_error(f"sizes.{name} is {word}")
        for name in known:
            if given[name] < 1:
                raise card_error(f"sizes.{name} must be at least 1 (found {given[name]})")
        return cls(**given)


def expected_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Key and shape of every array of a bundle's weights file, from the card's sizes."""
    sizes, parcels = Sizes.of(card), card.contract.parcel_count
    series = sizes.networks * card.encoder.hidden_size
    pairs = sizes.networks * (sizes.networks - 1) // 2
    heads, covariates = sizes.bootstrap_heads, len(card.covariates)
    shapes: dict[str, tuple[int, ...]] = {
        "token_order": (card.encoder.token_count,),
        "centroids_mm": (parcels, 3),
        "network_of_parcel": (parcels,),
        "mean_correlation": (parcels, parcels),
        "head.bias": (1,),
        "head.series": (series,),
        "head.series_mean": (series,),
        "head.connectivity": (pairs,),
        "head.connectivity_mean": (pairs,),
        "bootstrap.bias": (heads,),
        "bootstrap.series": (heads, series),
        "bootstrap.connectivity": (heads, pairs),
        "covariates.mean": (covariates,),
        "covariates.weight": (covariates,),
        "covariates.bias": (1,),
        **novelty_shapes(card),
        "reference.series": (sizes.references, sizes.reference_frames, parcels),
    }
    if sizes.shuffled_heads:
        shapes |= {
            "bootstrap.calibration": (heads, 2),
            "shuffled.bias": (sizes.shuffled_heads,),
            "shuffled.series": (sizes.shuffled_heads, series),
            "shuffled.connectivity": (sizes.shuffled_heads, pairs),
            "univariate.series": (2, sizes.networks),
            "univariate.connectivity": (2, pairs),
        }
    encoder = BrainLM(card.encoder)  # not on "meta": that imports torch's whole compiler
    shapes |= {ENCODER + key: tuple(value.shape) for key, value in encoder.state_dict().items()}
    return shapes


@dataclass(frozen=True, slots=True)
class FmmTc:
    """The model in memory, frozen, on one device."""

    encoder: BrainLM
    tensors: dict[str, Tensor]
    window_frames: int
    networks: int

    @classmethod
    def from_tensors(
        cls, card: Card, tensors: Mapping[str, Tensor], device: str | torch.device = "cpu"
    ) -> FmmTc:
        """Build from checked arrays.

        Raises
        ------
        ModelError
            As `check_tensors`.
        """
        check_tensors(tensors, expected_shapes(card))
        encoder = BrainLM(card.encoder)
        load_module(
            encoder,
            {key[len(ENCODER) :]: t for key, t in tensors.items() if key.startswith(ENCODER)},
        )
        own = {key: t for key, t in tensors.items() if not key.startswith(ENCODER)}
        own["token_order"] = own["token_order"].long()
        own["reference.series"] = own["reference.series"].float()
        return cls(
            encoder.to(device),
            {key: tensor.to(device) for key, tensor in own.items()},
            card.contract.window_frames,
            Sizes.of(card).networks,
        )

    def _pooling(self, present: Tensor) -> Tensor:
        return pooling_weights(
            self.tensors["network_of_parcel"].cpu().numpy(), self.networks, present
        )

    def series_features(
        self, series: Tensor, present: Tensor, batch: int = 1, *, sparing: bool = False
    ) -> Tensor:
        """Features of every window, (window, feature); `batch` windows at a time.

        One at a time is the rule wherever bits must not depend on free memory. With `sparing`
        a window's layers are run again when its gradient is asked for, and keep nothing.
        """
        pooling = self._pooling(present)
        starts = window_starts(len(series), self.window_frames)
        rows = []
        for first in range(0, len(starts), batch):
            windows = [series[s : s + self.window_frames].T for s in starts[first : first + batch]]
            inputs = torch.stack(windows).contiguous()
            if sparing and torch.is_grad_enabled():
                rows.append(checkpoint(self._features_of, inputs, pooling, use_reentrant=False))
            else:
                rows.append(self._features_of(inputs, pooling))
        return torch.cat(rows)

    def _features_of(self, windows: Tensor, pooling: Tensor) -> Tensor:
        centroids, order = self.tensors["centroids_mm"], self.tensors["token_order"]
        return series_features(self.encoder, windows, centroids, order, pooling)

    def connectivity_features(self, correlation: Tensor, present: Tensor) -> Tensor:
        """Features of the matrix, (feature,); missing rows hold any finite value."""
        return connectivity_features(correlation, self._pooling(present))

    def series_log_odds(self, series: Tensor, present: Tensor, *, sparing: bool = False) -> Tensor:
        """What each window adds, (window,); `sparing` keeps nothing for the gradient."""
        features = self.series_features(series, present, sparing=sparing)
        features = features - self.tensors["head.series_mean"]
        return features @ self.tensors["head.series"]

    def connectivity_log_odds(self, correlation: Tensor, present: Tensor) -> Tensor:
        """What the matrix adds, scalar."""
        features = self.connectivity_features(correlation, present)
        return (features - self.tensors["head.connectivity_mean"]) @ self.tensors[
            "head.connectivity"
        ]

    def novelty_features(
        self, series: Tensor, present: Tensor, series_row: Tensor, connectivity: Tensor
    ) -> Tensor:
        """What a participant is compared with the training participants by, (feature,).

        Connectivity features, the log spread of each network's series, and each network's mean
        series feature (`series_row`: features averaged over windows).
        """
        pooling = self._pooling(present)
        spread = (pooling @ series.var(dim=0, correction=0) + 1e-6).log()
        activity = series_row.view(self.networks, -1).mean(dim=1)
        return torch.cat([connectivity, spread, activity])
