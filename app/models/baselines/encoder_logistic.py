"""Logistic regression on the CLS token of a frozen encoder: what the foundation model alone gives.

The encoder is not part of the stored file (third-party weights never leave the user's disk): the
file names it by hash, and a loaded model answers only after the same encoder was attached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Protocol, Self

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor

from app.core.arrays import Floats, Ints
from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.baselines.encoder_reading import ReadEncoder, Reading
from app.models.baselines.linear_response import LinearRival
from app.models.baselines.people import People
from app.models.baselines.rival import parcels_of
from app.models.baselines.series_input import SeriesInput, missing_in
from app.models.baselines.storage import Stored
from app.models.brainlm import BrainLM
from app.models.device import fixed_threads
from app.models.feature_cache import FeatureCache
from app.models.features import window_starts


class FrozenEncoder(Protocol):
    """Any frozen encoder of series."""

    @property
    def sha256(self) -> str:
        """Hash over everything that the features depend on."""

    @property
    def width(self) -> int:
        """Length of a CLS token."""

    def cls(self, series: Tensor) -> Tensor:
        """(frame, parcel), percent, nothing missing -> (width,), differentiable."""


@dataclass(frozen=True)
class BrainLMCls:
    """BrainLM's 13M family: mean CLS over windows of the whole scan."""

    encoder: BrainLM
    centroids_mm: Floats  # (parcel, 3)
    token_order: Ints  # (token,)
    series_scale_percent: float

    @property
    def width(self) -> int:
        """Length of a CLS token."""
        return self.encoder.config.hidden_size

    @property
    def sha256(self) -> str:
        """Hash over weights, sizes, coordinates, token order and scale."""
        state = self.encoder.vit.state_dict()
        arrays = array_sha256(
            *(state[key].numpy() for key in sorted(state)),
            np.asarray(self.centroids_mm, np.float32),
            np.asarray(self.token_order, np.int64),
        )
        sizes = self.encoder.config.as_mapping()
        return record_sha256(["brainlm-cls", arrays, sizes, self.series_scale_percent])

    def cls(self, series: Tensor) -> Tensor:
        """(frame, parcel), percent -> (width,); one window at a time."""
        window = self.encoder.config.num_timepoints_per_voxel
        places = torch.from_numpy(np.asarray(self.centroids_mm, np.float32)).to(series.device)
        order = torch.from_numpy(np.asarray(self.token_order, np.int64)).to(series.device)
        scaled = (series / self.series_scale_percent).to(places.dtype)
        rows = [
            self.encoder.cls(scaled[start : start + window].T.unsqueeze(0), places, order)[0]
            for start in window_starts(len(scaled), window)
        ]
        return torch.stack(rows).mean(dim=0)


class ClsCache(FeatureCache):
    """CLS tokens by content: what the encoder is and what it was shown decide, nothing else."""

    def cls(self, encoder: FrozenEncoder, encoder_sha256: str, series: Floats) -> Floats:
        """(width,) float64."""
        exact = np.array(series, np.float64)

        def compute() -> Floats:
            with fixed_threads(), torch.no_grad():
                found = encoder.cls(torch.from_numpy(exact))
            return np.asarray(found.cpu().double().numpy())

        return self.get(record_sha256([encoder_sha256, array_sha256(exact)]), compute)


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Which encoder, how wide, and the number of parcels once fitted."""

    encoder_sha256: str
    width: int
    parcels: int = 0
    reading: Reading | None = None  # None: an encoder that the file cannot describe

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class EncoderLogistic(LinearRival):
    """CLS standardised by the training people; nothing of the encoder is trained."""

    kind = "encoder-logistic"

    def __init__(self, encoder: FrozenEncoder | None, cache: Path | ClsCache | None = None) -> None:
        super().__init__("logistic")
        self.settings = EncoderSettings("", 0)
        self.encoder: FrozenEncoder | None = None
        self.input: SeriesInput | None = None
        self.places: tuple[Floats, Ints] | None = None  # coordinates and orders of a `Reading`
        self._cache = cache if isinstance(cache, ClsCache) else ClsCache(cache)
        if encoder is not None:
            self.settings = EncoderSettings(encoder.sha256, encoder.width)
            self.encoder = encoder
        if isinstance(encoder, ReadEncoder):
            self.settings = replace(self.settings, reading=encoder.reading)
            self.places = encoder.centroids_mm, encoder.orders

    def attach(self, encoder: FrozenEncoder) -> Self:
        """Give a loaded model the encoder that it was fitted with.

        Raises
        ------
        ModelError
            ``model.encoder`` when it is another one.
        """
        if encoder.sha256 != self.settings.encoder_sha256:
            raise ModelError(
                "This is not the encoder that the model was fitted with (SHA-256 differs).",
                f"Attach the one whose hash begins {self.settings.encoder_sha256[:12]}.",
                code="model.encoder",
            )
        self.encoder = encoder
        return self

    def _attached(self) -> FrozenEncoder:
        if self.encoder is None:
            wanted = self.settings.encoder_sha256
            raise ModelError(
                "The model has no encoder.",
                f"Attach the one whose hash begins {wanted[:12]}."
                if wanted
                else "Give it one: Study(encoder=...).",
                code="model.encoder",
            )
        return self.encoder

    def _learn_features(self, people: People, progress: Progress) -> Floats:
        self._attached()
        self.input = SeriesInput.fit(people)
        self.settings = replace(self.settings, parcels=parcels_of(people))
        rows = []
        for number in range(len(people)):
            progress.step(number / len(people), f"encoder, participant {number + 1}")
            rows.append(self._row(people.series[number]))
        return np.stack(rows)

    def _features(self, person: People) -> Floats:
        parcels_of(person, self.settings.parcels)
        return self._row(person.series[0])

    def encoded(self, series: Floats) -> Floats:
        """The CLS token of one scan, (width,): what novelty is judged by at the encoder's depth."""
        return self._row(series)

    def _row(self, series: Floats) -> Floats:
        assert self.input is not None
        filled = self.input.filled(series)
        return self._cache.cls(self._attached(), self.settings.encoder_sha256, filled)

    def _told_features(self, people: People) -> dict[str, float]:
        return {"imputed_parcels": float(sum(missing_in(one).sum() for one in people.series))}

    def log_odds_of(self, series: Tensor, connectivity: Tensor) -> Tensor:
        """One person's log-odds, scalar; differentiable in the series as far as the encoder is."""
        self._refuse_unfitted()
        assert self.input is not None
        return self._linear_log_odds(self._attached().cls(self.input.filled_of(series)))

    def _feature_count(self, stored: Stored) -> int:
        width: int = self.settings.width
        return width

    def _tensors(self) -> Mapping[str, Tensor]:
        assert self.input is not None
        own = self.input.tensors()
        if self.places is not None:
            own["reading.centroids_mm"] = torch.from_numpy(self.places[0].copy())
            own["reading.token_orders"] = torch.from_numpy(self.places[1].copy())
        return {**super()._tensors(), **own}

    def _more_expected(self, stored: Stored) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
        parcels = self.settings.parcels
        shapes = SeriesInput.shapes(parcels)
        expected = {key: (shape, torch.float64) for key, shape in shapes.items()}
        if self.settings.reading is not None:
            orders = stored.tensors.get("reading.token_orders", torch.zeros(0, 0))
            expected["reading.centroids_mm"] = ((parcels, 3), torch.float32)
            expected["reading.token_orders"] = (tuple(orders.shape), torch.int64)
        return expected

    def _restore_features(self, arrays: Mapping[str, Tensor]) -> None:
        self.input = SeriesInput.of(arrays)
        if self.settings.reading is not None:
            found = arrays["reading.centroids_mm"].numpy(), arrays["reading.token_orders"].numpy()
            if found[1].ndim != 2:
                raise ModelError(
                    "The model's token orders are damaged.",
                    "Train the model again.",
                    code="model.damaged",
                )
            self.places = found

    @property
    def self_scaled(self) -> bool:
        """Whether each scan is scaled by itself: then the zero series explains nothing."""
        reading = self.settings.reading
        return reading is not None and reading.self_scaled

    @classmethod
    def _from_settings(cls, stored: Stored) -> Self:
        model = cls(None)
        model.settings = stored.settings_as(EncoderSettings)
        return model
