"""Vectors of a frozen encoder, kept by the hash of everything that they depend on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, Ints
from app.core.provenance import array_sha256, record_sha256
from app.models.series_encoder import EncoderSource, coordinates


class FeatureCache:
    """In memory, and in a folder when one is given; shared between folds and variants.

    The caller's key must be a hash over the windows, the encoder, the token orders and the
    coordinates: whatever changes one of them computes again instead of silently reusing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.computed = 0
        self._known: dict[str, Floats] = {}

    def get(self, key: str, compute: Callable[[], Floats]) -> Floats:
        """The array of that key, computed at most once."""
        if key in self._known:
            return self._known[key]
        path = None if self.folder is None else self.folder / f"{key}.npy"
        if path is not None and path.exists():
            self._known[key] = np.load(path, allow_pickle=False)
            return self._known[key]
        value = compute()
        self.computed += 1
        self._known[key] = value
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.stem}.{os.getpid()}.partial")
            with partial.open("wb") as handle:
                np.save(handle, value)
            os.replace(partial, path)
        return value


def frozen_vectors(
    source: EncoderSource,
    windows: Sequence[Tensor],
    centroids_mm: Floats,
    orders: Ints,
    cache: FeatureCache,
) -> Tensor:
    """Vectors of one scan's windows (parcel, frame), (window, width), without gradients.

    One window at a time, so that the bits do not depend on a batch.
    """
    device = windows[0].device
    key = record_sha256(
        [
            source.identity(),
            device.type,
            array_sha256(centroids_mm, orders),
            array_sha256(*(one.cpu().numpy() for one in windows)),
        ]
    )
    places, tokens = coordinates(centroids_mm).to(device), torch.from_numpy(orders).to(device)

    def compute() -> Floats:
        with torch.no_grad():
            rows = [source.encoder.cls(one.unsqueeze(0), places, tokens) for one in windows]
        return np.asarray(torch.cat(rows).cpu().numpy())

    return torch.from_numpy(cache.get(key, compute)).to(device)
