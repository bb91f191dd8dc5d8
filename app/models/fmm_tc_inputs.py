"""From one person's parcel series to windows: both modes, nothing padded in silence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from app.core.arrays import Floats
from app.core.errors import ModelError
from app.models.differentiable_normalisation import (
    SELF_SCALED,
    UNCENTRED,
    normalise,
    on_physical_axis,
)
from app.models.features import present_parcels, window_starts
from app.models.fmm_tc_settings import FmmTcSettings
from app.models.parcel_statistics import demeaned_frames, quartiles

REFLECTED = "short scan: mirrored in time to one window"
ZERO_PADDED = "short scan: zeros appended as released"
FRAMES_REPEATED = "short scan: randomly drawn frames appended as released"
RAW_RATIO = 3.0  # |mean| over standard deviation: raw BOLD is near 100, cleaned series near 0


@dataclass(frozen=True, slots=True)
class SeriesStatistics:
    """Training statistics of `robust_cohort`, (parcel,) each, percent; see `normalisation.py`."""

    median: Floats
    interquartile: Floats


def fit_series_statistics(series: list[Floats]) -> SeriesStatistics:
    """Median and interquartile range of each parcel over all training people's frames.

    Each scan's own parcel means are taken off first. A parcel that nobody has gets 0 and 1.
    """
    rows = demeaned_frames(series)
    lost = np.isnan(rows).all(axis=0)
    low, median, high = quartiles(np.where(lost, 0.0, rows))
    spread = high - low
    return SeriesStatistics(median, np.where(spread > 0, spread, 1.0))


def check_series(series: Floats, parcels: int, settings: FmmTcSettings) -> int:
    """Number of missing parcels of one person.

    Raises
    ------
    ModelError
        ``model.series_shape``, ``model.missing_parcels``, or ``model.series_kind`` when cleaned
        series come to faithful mode or raw ones to corrected mode.
    """
    if series.ndim != 2 or series.shape[1] != parcels:
        raise ModelError(
            f"The series have the shape {series.shape}; the model needs (frames, {parcels}).",
            "Use the atlas that the model was made with.",
            code="model.series_shape",
        )
    present = present_parcels(series)
    missing = int((~present).sum())
    if missing > settings.maximum_missing_share * parcels:
        raise ModelError(
            f"{missing} of {parcels} parcels are missing; the model allows "
            f"{int(settings.maximum_missing_share * parcels)}.",
            "Check the coverage of the scan.",
            code="model.missing_parcels",
        )
    if missing and settings.normalisation in UNCENTRED and "series" in settings.branches:
        raise ModelError(
            f"{missing} parcels are missing, and 0 is no neutral value under "
            f"'{settings.normalisation}'.",
            "Use a model with a centred normalisation, or a scan that covers all parcels.",
            code="model.missing_parcels",
        )
    used = np.asarray(series, np.float64)[:, present]
    ratio = float(np.median(np.abs(used.mean(axis=0)) / used.std(axis=0)))
    raw = settings.mode == "faithful"
    if (ratio < RAW_RATIO) if raw else (ratio > RAW_RATIO):
        raise ModelError(
            "Faithful mode takes raw parcel means; these series have been centred."
            if raw
            else "The model takes cleaned series; these are raw parcel means.",
            "Give the raw parcel means." if raw else "Clean the series first.",
            code="model.series_kind",
        )
    return missing


def normalised(
    series: Tensor, settings: FmmTcSettings, statistics: SeriesStatistics | None
) -> Tensor:
    """The model's time axis and named normalisation, gaps as the training centre (0).

    Differentiable. `series` (frame, parcel): percent of the parcel's mean, or raw in faithful
    mode, where gaps become 0 as released. Under the policy "physical" the answer has other
    frames.
    """
    present = torch.isfinite(series).all(dim=0)
    whole = torch.where(present, series, torch.zeros_like(series))
    if settings.repetition_time_policy == "physical":
        assert settings.repetition_time_s is not None
        whole = on_physical_axis(whole, settings.repetition_time_s)
    if settings.normalisation == "raw":
        return whole
    table = None
    if statistics is not None:
        columns = (statistics.median, statistics.interquartile)
        table = tuple(torch.from_numpy(np.asarray(one)).to(whole) for one in columns)
    scaled = normalise(
        settings.normalisation,
        whole,
        scale_percent=settings.series_scale_percent,
        statistics=None if table is None else (table[0], table[1]),
    )
    ready = torch.where(present, scaled, torch.zeros_like(scaled))
    if settings.normalisation in SELF_SCALED and not bool(torch.isfinite(ready).all()):
        raise ModelError(
            f"A parcel has no spread of its own, so '{settings.normalisation}' cannot scale it.",
            "Leave such parcels out as missing, or use a model with another normalisation.",
            code="model.normalisation",
        )
    return ready


def evaluation_windows(series: Tensor, settings: FmmTcSettings) -> tuple[list[Tensor], str]:
    """Windows (parcel, frame) of one scan at evaluation, and a flag for short scans.

    Corrected: over the whole scan, half overlapping, the last flush right. Faithful: the first
    window only; short scans get zeros when the settings say so.

    Raises
    ------
    ModelError
        ``model.too_short``.
    """
    size, flag = settings.window_frames, ""
    if len(series) < size:
        series, flag = _lengthened(series, settings)
    if settings.mode == "faithful":
        return [series[:size].T.contiguous()], flag
    starts = window_starts(len(series), size)
    return [series[start : start + size].T.contiguous() for start in starts], flag


def training_window(
    series: Tensor, settings: FmmTcSettings, rng: np.random.Generator
) -> tuple[Tensor, str]:
    """One random window (parcel, frame) as released; short scans get randomly drawn frames."""
    size, flag = settings.window_frames, ""
    if len(series) < size:
        if settings.short_scans != "neufom":
            _lengthened(series, settings)
        drawn = rng.integers(0, len(series), size - len(series))
        series = torch.cat([series, series[torch.from_numpy(drawn)]])
        flag = FRAMES_REPEATED
    start = int(rng.integers(0, len(series) - size + 1))
    return series[start : start + size].T.contiguous(), flag


def _lengthened(series: Tensor, settings: FmmTcSettings) -> tuple[Tensor, str]:
    size, frames = settings.window_frames, len(series)
    if settings.short_scans == "neufom":
        return torch.cat([series, series.new_zeros(size - frames, series.shape[1])]), ZERO_PADDED
    if settings.short_scans == "reflect" and 2 * frames > size:
        mirrored = torch.arange(frames - 2, 2 * frames - size - 2, -1)
        return torch.cat([series, series[mirrored.to(series.device)]]), REFLECTED
    raise ModelError(
        f"The scan has {frames} usable frames"
        + (" at 0.735 s" if settings.repetition_time_policy == "physical" else "")
        + f"; the model needs {size}"
        + (" (or more than half to mirror)." if settings.short_scans == "reflect" else "."),
        "The number of frames is the encoder's: use a longer scan, or choose an encoder that takes "
        "fewer frames at a time.",
        code="model.too_short",
    )


def gram(window: Tensor) -> Tensor:
    """``X X^T`` of a raw window (parcel, frame): what was released as connectivity."""
    return window @ window.T
