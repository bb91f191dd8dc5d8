"""From windows to embeddings: batches, stored token orders, precision, device, fallback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats, Ints, frozen
from app.core.errors import ModelError
from app.core.progress import Progress
from app.models.device import Attempt, choose_device, fixed_threads, run_with_fallback
from app.models.encoders import LoadedEncoder
from app.models.precision import Deviation, in_precision

DEFAULT_BATCH = {"cpu": 1, "cuda": 8, "mps": 4}  # windows at a time; one = bits depend on nothing
LARGEST_COORDINATE_MM = 150.0
SMALLEST_SPREAD_MM = 10.0


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What an encoder says of a scan's windows, after its final LayerNorm.

    With several token orders all values are means over them.
    """

    cls: Floats  # (window, width) float32
    patches: Floats | None  # (window, parcel, patch, width), ViT: (window, row, column, width)
    order_spread: (
        Floats | None
    )  # (window,): RMS distance of the orders' CLS from their mean / |mean|
    device: str
    batch: int
    precision: str
    deviation: Deviation | None  # of CLS of the first window from float32; None in float32
    notes: tuple[str, ...]


def embed(
    encoder: LoadedEncoder,
    windows: Floats,
    centroids_mm: Floats,
    orders: Ints,
    *,
    with_patches: bool = True,
    precision: str = "float32",
    device: str = "auto",
    batch: int = 0,
    progress: Progress | None = None,
) -> Embeddings:
    """Encode windows.

    Parameters
    ----------
    windows
        (window, parcel, frame) float32 as `windows_of` makes them.
    centroids_mm
        (parcel, 3), MNI mm, unscaled.
    orders
        (order, token) permutations; one row for the ViT, where the order does not matter.
    with_patches
        False: only CLS, for which the last layer does much less.
    precision
        "float32", "bfloat16" or "float16".
    device
        "auto", "cuda", "mps" or "cpu".
    batch
        Windows at a time; 0 = one on the CPU, several on an accelerator. When memory runs out it
        becomes one, then the CPU, and `notes` say so.
    progress
        Told after each batch; a cancel takes hold there.

    Raises
    ------
    ModelError
        ``model.coordinates``, ``.device``, ``.precision``, ``.memory`` or ``.not_finite``.
    """
    progress = progress or Progress()
    places = check_coordinates(centroids_mm, windows.shape[1])
    in_precision(precision, "cpu")  # an unknown word is refused before any work
    chosen, note = choose_device(device)
    size = min(batch or DEFAULT_BATCH[chosen], len(windows))
    job = _Job(encoder, windows, places, orders, with_patches, precision, progress)
    found, used, fallen = run_with_fallback(job.run, _attempts(chosen, size))
    if not np.isfinite(found.cls).all():
        raise ModelError(
            "The encoder gave values that are not finite for this series.",
            "Check the normalisation of the series"
            + (", or use float32." if precision != "float32" else "."),
            code="model.not_finite",
        )
    notes = (*((note,) if note else ()), *fallen)
    return Embeddings(
        found.cls, found.patches, found.spread, used, found.batch, precision, found.deviation, notes
    )


def _attempts(device: str, batch: int) -> tuple[Attempt, ...]:
    steps = [Attempt(device, batch), Attempt(device, 1), Attempt("cpu", 1)]
    return tuple(dict.fromkeys(steps))


def check_coordinates(centroids_mm: Floats, parcels: int) -> Floats:
    """Coordinates that can be parcel centres in MNI mm, (parcel, 3) float32.

    Raises
    ------
    ModelError
        ``model.coordinates``: another shape, not finite, scaled, or all in one place.
    """
    places = np.asarray(centroids_mm, np.float64)
    if places.shape != (parcels, 3):
        what = f"they have the shape {places.shape} instead of ({parcels}, 3)"
    elif not np.isfinite(places).all():
        what = "some are not finite"
    elif np.abs(places).max() > LARGEST_COORDINATE_MM:
        what = f"one lies {np.abs(places).max():.0f} mm from the origin"
    elif (np.ptp(places, axis=0) < SMALLEST_SPREAD_MM).any():
        what = f"they spread over less than {SMALLEST_SPREAD_MM:g} mm along an axis"
    else:
        return frozen(places, np.float32)
    raise ModelError(
        f"The parcel coordinates cannot be MNI millimetres: {what}.",
        "Give one row (x, y, z) a parcel in MNI mm, unscaled, in the order of the series.",
        code="model.coordinates",
    )


@dataclass(frozen=True, slots=True)
class _Found:
    cls: Floats
    patches: Floats | None
    spread: Floats | None
    batch: int
    deviation: Deviation | None


@dataclass(frozen=True, slots=True)
class _Job:
    """One run on one device; repeated elsewhere when memory runs out."""

    encoder: LoadedEncoder
    windows: Floats
    centroids_mm: Floats
    orders: Ints
    with_patches: bool
    precision: str
    progress: Progress

    def run(self, device: str, batch: int) -> _Found:
        """All windows in all orders, `batch` windows at a time."""
        self.encoder.module.to(device)
        places = torch.from_numpy(np.array(self.centroids_mm)).to(device)
        rows: list[tuple[Floats, Floats | None, Floats | None]] = []
        with fixed_threads(), torch.no_grad():
            for first in range(0, len(self.windows), batch):
                part = torch.from_numpy(np.array(self.windows[first : first + batch])).to(device)
                rows.append(self._over_orders(part, places, device, first))
            deviation = self._deviation(places, device)
        several = len(self.orders) > 1
        return _Found(
            frozen(np.concatenate([row[0] for row in rows])),
            frozen(np.concatenate([_there(row[1]) for row in rows])) if self.with_patches else None,
            frozen(np.concatenate([_there(row[2]) for row in rows])) if several else None,
            batch,
            deviation,
        )

    def _over_orders(
        self, part: Tensor, places: Tensor, device: str, first: int
    ) -> tuple[Floats, Floats | None, Floats | None]:
        """CLS, patches and spread of one batch: means over the orders, summed in float64."""
        all_cls: list[np.ndarray] = []
        patches: np.ndarray | None = None
        for number, row in enumerate(self.orders):
            order = torch.from_numpy(np.array(row, np.int64)).to(device)
            cls, own = self._once(part, places, order, device)
            all_cls.append(cls.cpu().double().numpy())  # MPS has no float64
            if own is not None:
                values = own.cpu().numpy()
                patches = values if len(self.orders) == 1 else _plus(patches, values)
            done = first * len(self.orders) + (number + 1) * len(part)
            self.progress.step(done / (len(self.windows) * len(self.orders)), "encoding windows")
        stack = np.stack(all_cls)
        mean = stack.mean(axis=0)
        spread = np.sqrt(((stack - mean) ** 2).sum(axis=2).mean(axis=0))
        spread = spread / np.maximum(np.linalg.norm(mean, axis=1), 1e-300)
        if patches is not None and len(self.orders) > 1:
            patches = (patches / len(self.orders)).astype(np.float32)
        return mean.astype(np.float32), patches, spread

    def _once(
        self, part: Tensor, places: Tensor, order: Tensor, device: str
    ) -> tuple[Tensor, Tensor | None]:
        with in_precision(self.precision, device):
            if self.with_patches:
                cls, patches = self.encoder.tokens(part, places, order)
                return cls.float(), patches.float()
            return self.encoder.cls(part, places, order).float(), None

    def _deviation(self, places: Tensor, device: str) -> Deviation | None:
        """CLS of the first window in this precision against float32, on the same device."""
        if self.precision == "float32":
            return None
        first = torch.from_numpy(np.array(self.windows[:1])).to(device)
        order = torch.from_numpy(np.array(self.orders[0], np.int64)).to(device)
        exact = self.encoder.cls(first, places, order)
        with in_precision(self.precision, device):
            return Deviation.between(self.encoder.cls(first, places, order), exact)


def _there(values: Floats | None) -> Floats:
    assert values is not None
    return values


def _plus(total: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64) if total is None else total + values
