"""Named normalisations and the physical time axis for one scan, with gradients to the series.

The same definitions as `normalisation.py` and `repetition_time.py`, which a test compares; those
that need a table of other people or another unit of intensity are not here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from app.models.normalisation import PERCENT_SCALED, demeaned, robust_scaled
from app.models.repetition_time import resampled

ROBUST_COHORT = "robust_cohort"
# With these a scan is scaled by itself: the zero series has no scale and is no baseline.
SELF_SCALED = ("minmax_scan", "minmax_scan_parcel", "robust_scan")
UNCENTRED = ("minmax_scan", "minmax_scan_parcel")  # 0 is no neutral value for a missing parcel
NAMES = (PERCENT_SCALED, ROBUST_COHORT, "demean", *SELF_SCALED)
READINGS = (PERCENT_SCALED, "demean", *SELF_SCALED)  # that nothing has to be fitted for


def normalise(
    name: str,
    series: Tensor,
    *,
    scale_percent: float = 1.0,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """One scan's (frame, parcel) series on the scale of that name, same shape.

    Parameters
    ----------
    name
        One of `NAMES`.
    series
        Percent of the parcel's mean, finite.
    scale_percent
        Of ``percent_scaled``.
    statistics
        Median and interquartile range of training people, (parcel,) each: ``robust_cohort``.
    """
    if name == PERCENT_SCALED:
        return series / scale_percent
    if name == "demean":
        centred: Tensor = demeaned(series)
        return centred
    if name == ROBUST_COHORT:
        assert statistics is not None
        median, spread = statistics
        scaled: Tensor = robust_scaled(series, median, spread)
        return scaled
    if name == "robust_scan":
        centred = demeaned(series)
        share = torch.tensor([0.25, 0.5, 0.75], dtype=series.dtype, device=series.device)
        low, middle, high = torch.quantile(centred, share, dim=0)
        own: Tensor = (centred - middle) / (high - low)
        return own
    assert name in UNCENTRED
    whole = name == "minmax_scan"
    least = series.amin() if whole else series.amin(dim=0)
    most = series.amax() if whole else series.amax(dim=0)
    return (series - least) / (most - least)


def on_physical_axis(series: Tensor, repetition_time_s: float) -> Tensor:
    """(frame, parcel) at the interval of the published pre-training, 0.735 s; see `resampled`."""
    matrix = torch.from_numpy(_resampling(len(series), repetition_time_s))
    return matrix.to(series.device, series.dtype) @ series


@lru_cache(maxsize=4)
def _resampling(frames: int, repetition_time_s: float) -> np.ndarray:
    """(new frame, frame): resampling is linear, so its answers to single frames are all of it."""
    return np.array(resampled(np.eye(frames), repetition_time_s))
