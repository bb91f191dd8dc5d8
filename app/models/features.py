"""From a participant's series and connectivity to the numbers that the linear head weighs.

Both halves are differentiable torch functions without trained parts of their own, apart from
the frozen encoder:

* series -> windows -> encoder tokens -> each token dimension's variance across the window's
  patches, averaged over the parcels of a network, log (statistics pooling, as speaker
  recognition's x-vectors do: how much, not which way, each learned pattern comes and goes);
* correlation matrix -> correlation between the mean signals of networks, Fisher z
  (``z_ab = artanh(m_ab / sqrt(m_aa m_bb))`` with m the network means of the matrix whose
  diagonal is 1: exactly the correlation of the networks' mean standardised series).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Bools, Floats, Ints
from app.core.errors import ModelError
from app.models.brainlm import BrainLM

Z_LIMIT = 0.999  # correlations are clipped here before Fisher's z
EPSILON = 1e-6
VARIANCE_FLOOR = 0.01  # of a token dimension; keeps the logarithm tame near a zero series


def window_starts(frames: int, window: int) -> tuple[int, ...]:
    """First frames of windows over the whole scan: half overlapping, the last flush right.

    Raises
    ------
    ModelError
        ``model.too_short`` when the scan is shorter than one window; nothing is padded.
    """
    if frames < window:
        raise ModelError(
            f"The scan has {frames} usable frames; the model needs {window}.",
            "The number of frames is the encoder's: use a longer scan, or choose an encoder "
            "that takes fewer frames at a time.",
            code="model.too_short",
        )
    starts = list(range(0, frames - window + 1, max(window // 2, 1)))
    if starts[-1] != frames - window:
        starts.append(frames - window)
    return tuple(starts)


def pooling_weights(network_of_parcel: Ints, network_count: int, present: Tensor) -> Tensor:
    """Averages over the present parcels of each network, (network, parcel); empty ones are 0."""
    networks = torch.as_tensor(np.asarray(network_of_parcel, np.int64))
    weights = torch.zeros(network_count, len(networks), device=present.device)
    weights[networks.to(present.device), torch.arange(len(networks), device=present.device)] = 1.0
    weights = weights * present.to(weights.dtype)
    return weights / weights.sum(1, keepdim=True).clamp_min(1.0)


def series_features(
    encoder: BrainLM, windows: Tensor, centroids_mm: Tensor, order: Tensor, pooling: Tensor
) -> Tensor:
    """Series features of each window.

    Parameters
    ----------
    encoder
        Frozen.
    windows
        (window, parcel, frame), normalised, zeros for missing parcels.
    centroids_mm, order
        (parcel, 3), (token,) as stored in the bundle.
    pooling
        (network, parcel) from `pooling_weights`.

    Returns
    -------
    Tensor (window, network * width)
    """
    _, tokens = encoder.tokens(windows, centroids_mm, order)
    centred = tokens - tokens.mean(dim=2, keepdim=True)
    variance = torch.einsum("np,bpd->bnd", pooling, centred.square().mean(dim=2))
    return (variance + VARIANCE_FLOOR).log().flatten(1)


def connectivity_features(correlation: Tensor, pooling: Tensor) -> Tensor:
    """Correlations between network mean signals, Fisher z, (network * (network - 1) / 2,).

    Parameters
    ----------
    correlation
        (parcel, parcel); the diagonal is taken as 1, missing parcels must have weight 0 in
        `pooling` and finite values here.
    pooling
        (network, parcel) averages.
    """
    eye = torch.eye(correlation.shape[0], dtype=correlation.dtype, device=correlation.device)
    whole = correlation * (1.0 - eye) + eye
    means = pooling @ whole @ pooling.T
    scale = torch.diagonal(means).clamp_min(EPSILON).rsqrt()
    between = means * scale[:, None] * scale[None, :]
    upper = torch.triu_indices(len(pooling), len(pooling), offset=1, device=correlation.device)
    return torch.atanh(between[upper[0], upper[1]].clamp(-Z_LIMIT, Z_LIMIT))


def correlation_of(series: Tensor, good_frames: Tensor, present: Tensor) -> Tensor:
    """Pearson correlation over good frames, (parcel, parcel), 0 for missing parcels, diagonal 0.

    Differentiable twin of the connectome room's matrix (equal to float32 rounding); used where
    connectivity is recomputed along a path.
    """
    used = series[good_frames]
    centred = used - used.mean(dim=0, keepdim=True)
    unit = centred / centred.square().sum(dim=0, keepdim=True).clamp_min(1e-12).sqrt()
    unit = unit * present.to(unit.dtype)
    matrix = unit.T @ unit
    eye = torch.eye(matrix.shape[0], dtype=matrix.dtype, device=matrix.device)
    return matrix * (1.0 - eye)


def present_parcels(series: Floats) -> Bools:
    """Parcels of a (frame, parcel) series with finite, varying values, (parcel,)."""
    values = np.asarray(series, np.float64)
    finite = np.isfinite(values).all(axis=0)
    return np.asarray(finite & (np.where(finite, values, 0.0).std(axis=0) > 0))


def prepared_series(cleaned: Floats, scale_percent: float) -> tuple[Tensor, Tensor]:
    """Normalise ("percent_scaled": percent of the parcel mean over one fixed constant).

    Returns
    -------
    series (frame, parcel) float32 with zeros for missing parcels, present (parcel,) bool
        A parcel is missing when any of its values is not finite, or it never varies.
    """
    values, present = np.asarray(cleaned, np.float64), present_parcels(cleaned)
    filled = np.where(present, values / scale_percent, 0.0).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(filled)), torch.from_numpy(present)
