"""An encoder of `app.models.encoders` as rivals take it: which one, and how its series are made.

What decides the features - weights by hash, normalisation, time axis, coordinates, token orders -
is stored with the fitted rival, so that the same encoder, once installed, gives them again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor

from app.core.arrays import Floats, Ints
from app.core.errors import ModelError
from app.core.provenance import array_sha256, record_sha256
from app.models.differentiable_normalisation import (
    READINGS,
    SELF_SCALED,
    normalise,
    on_physical_axis,
)
from app.models.encoder_lookup import weights_sha256_of
from app.models.encoders import LoadedEncoder
from app.models.features import window_starts
from app.models.repetition_time import POLICIES, check_repetition_time
from app.models.series_encoder import identity_orders


@dataclass(frozen=True, slots=True)
class Reading:
    """Which weights, and what is done to a scan before they see it."""

    weights_sha256: str
    normalisation: str  # one of `READINGS`
    series_scale_percent: float = 1.0  # of percent_scaled
    repetition_time_policy: str = "frames"
    repetition_time_s: float | None = None  # of the series; needed by "physical"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def self_scaled(self) -> bool:
        """Each scan is scaled by itself, so the zero series is no scan to start from."""
        return self.normalisation in SELF_SCALED

    def check(self) -> None:
        """Refuse what cannot be done.

        Raises
        ------
        ModelError
            ``model.settings`` or ``model.repetition_time``.
        """
        if self.normalisation not in READINGS or self.repetition_time_policy not in POLICIES:
            raise ModelError(
                f"An encoder cannot be read with '{self.normalisation[:40]}' and "
                f"'{self.repetition_time_policy[:40]}'.",
                f"Use one of {', '.join(READINGS)}, and frames or physical.",
                code="model.settings",
            )
        if not self.series_scale_percent > 0:
            raise ModelError(
                "series_scale_percent is not positive.", "Use a value above 0.",
                code="model.settings",
            )  # fmt: skip
        if self.repetition_time_policy == "physical":
            check_repetition_time(self.repetition_time_s)


class ReadEncoder:
    """A `FrozenEncoder`: mean CLS over windows of the whole scan and over the token orders.

    Parameters
    ----------
    loaded
        From `open_encoder` or `installed_encoder`.
    reading
        Its hash must be the encoder's.
    centroids_mm
        (parcel, 3), template mm, parcel order of the series.
    orders
        (order, token); None = parcel order. Not used by families without an order.
    """

    def __init__(
        self,
        loaded: LoadedEncoder,
        reading: Reading,
        centroids_mm: Floats,
        orders: Ints | None = None,
    ) -> None:
        reading.check()
        self.loaded, self.reading = loaded, reading
        self.centroids_mm = np.asarray(centroids_mm, np.float32)
        if orders is None:
            orders = identity_orders(loaded.token_count if loaded.order_matters else 0)
        self.orders = np.asarray(orders, np.int64)
        parcels = loaded.module.config.num_brain_voxels
        tokens = loaded.token_count if loaded.order_matters else 0
        straight = np.broadcast_to(np.arange(tokens), (len(self.orders), tokens))
        if (
            reading.weights_sha256 != weights_sha256_of(loaded)
            or self.centroids_mm.shape != (parcels, 3)
            or not np.isfinite(self.centroids_mm).all()
            or not len(self.orders)
            or not np.array_equal(np.sort(self.orders, axis=1), straight)
        ):
            raise ModelError(
                "The encoder, its parcels' coordinates and its token orders do not belong "
                "together.",
                "Use the atlas and the encoder that the model was fitted with.",
                code="model.encoder",
            )

    @property
    def width(self) -> int:
        """Length of a CLS token."""
        return self.loaded.module.config.hidden_size

    @property
    def window_frames(self) -> int:
        """Frames of a window, on the time axis of the reading."""
        return self.loaded.module.config.num_timepoints_per_voxel

    @property
    def sha256(self) -> str:
        """Hash over everything that the features depend on."""
        arrays = array_sha256(self.centroids_mm, self.orders)
        return record_sha256(["encoder-reading", asdict(self.reading), arrays])

    def cls(self, series: Tensor) -> Tensor:
        """(frame, parcel), percent, nothing missing -> (width,); one window at a time."""
        reading = self.reading
        if reading.repetition_time_policy == "physical":
            series = on_physical_axis(series, check_repetition_time(reading.repetition_time_s))
        scaled = normalise(
            reading.normalisation, series, scale_percent=reading.series_scale_percent
        ).float()
        places = torch.from_numpy(self.centroids_mm).to(scaled.device)
        orders = torch.from_numpy(self.orders).to(scaled.device)
        starts = window_starts(len(scaled), self.window_frames)
        rows = [
            self.loaded.cls(scaled[first : first + self.window_frames].T[None], places, order)[0]
            for first in starts
            for order in orders
        ]
        return torch.stack(rows).mean(dim=0)
