"""Nuisance regression and filtering of parcel series, as one linear operator.

Order of operations as in nilearn's `signal.clean` (Lindquist 2019): interpolate flagged frames,
detrend, filter series and confounds alike, then regress. The fit uses good frames only; flagged
frames are interpolated for continuity and never count as data. Cleaning after averaging over a
parcel equals averaging cleaned voxels, since every voxel would get the same operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from app.core.arrays import Bools, Floats
from app.core.errors import PreprocessingError
from app.preprocessing.presets import CleaningPreset

BUTTERWORTH_ORDER = 5
MINIMUM_GOOD_FRAMES = 20  # below this nothing is fitted


@dataclass(frozen=True, slots=True)
class CleanedSeries:
    """Parcel series after cleaning.

    Where too few good frames are left to fit the regressors, no parcel has a series: all NaN.
    """

    values: Floats  # (frame, parcel), in `units`; NaN = parcel not covered
    residual_degrees_of_freedom: float  # NaN where nothing is regressed or filtered by contract
    units: str = "percent"  # of the parcel's mean; or "scanner": raw units

    @property
    def percent(self) -> Floats:
        """`values`, which must be in percent.

        Raises
        ------
        ValueError
            They are in scanner units.
        """
        if self.units != "percent":
            raise ValueError(f"the series are in {self.units} units, not in percent")
        return self.values


def good_frames(confounds: Mapping[str, Floats], preset: CleaningPreset) -> Bools:
    """(frame,) True where neither FD nor standardised DVARS crosses the preset's limit.

    The first frame has neither measure (NaN) and counts as good.
    """
    moved = np.nan_to_num(confounds["framewise_displacement"]) > preset.flag_fd_power_mm
    jumped = np.nan_to_num(confounds["std_dvars"]) > preset.flag_std_dvars
    return np.asarray(~(moved | jumped), dtype=bool)


def clean_series(
    raw: Floats,
    confounds: Mapping[str, Floats],
    good: Bools,
    repetition_time_s: float,
    preset: CleaningPreset,
) -> CleanedSeries:
    """Clean parcel series, in percent of each parcel's mean or, as trained, in scanner units.

    Parameters
    ----------
    raw
        (frame, parcel) in scanner units; a column of NaN is a parcel without data.
    confounds
        fMRIPrep column names -> (frame,); NaN (first derivatives) counts as 0.
    good
        (frame,), False = flagged.
    repetition_time_s
        Seconds between frames.
    preset
        Filter and regressors.

    Returns
    -------
    CleanedSeries
        All NaN where fewer than 20 good frames, or no degree of freedom, are left: what remained
        after regression would be rounding noise that looks like a series.

    Raises
    ------
    PreprocessingError
        When a regressor is missing.
    """
    missing = [name for name in preset.regressors if name not in confounds]
    if missing:
        raise PreprocessingError(
            f"The confound table lacks {', '.join(missing[:3])}.",
            "Run the preprocessing again with this program's own confounds.",
            code="preprocessing.confound_missing",
        )
    if preset.units == "scanner":  # as trained: nothing is taken out, nothing is put in
        return CleanedSeries(np.array(raw, np.float64), float("nan"), "scanner")
    covered = np.isfinite(raw).all(axis=0)
    design = (
        np.column_stack([np.nan_to_num(confounds[name]) for name in preset.regressors])
        if preset.regressors
        else np.zeros((len(raw), 0))
    )
    if not _fits(good, design):
        freedom = residual_degrees_of_freedom(
            int(good.sum()), repetition_time_s, design.shape[1], preset
        )
        return CleanedSeries(np.full(raw.shape, np.nan), freedom)
    both: Floats = np.column_stack([raw[:, covered], design]).astype(np.float64)
    both = _filtered(_detrended(interpolate_flagged(both, good)), repetition_time_s, preset)
    series, design = both[:, : int(covered.sum())], both[:, int(covered.sum()) :]
    residual = _residual(series, design, good)
    mean = raw[:, covered][good].mean(axis=0)
    percent = np.full(raw.shape, np.nan)
    percent[:, covered] = 100.0 * interpolate_flagged(residual, good) / mean
    freedom = residual_degrees_of_freedom(
        int(good.sum()), repetition_time_s, _rank(design[good]), preset
    )
    return CleanedSeries(percent, freedom)


def _fits(good: Bools, design: Floats) -> bool:
    """Whether good frames outnumber what is fitted: mean, trend and regressors."""
    count = int(good.sum())
    return count >= MINIMUM_GOOD_FRAMES and count > design.shape[1] + 2


def residual_degrees_of_freedom(
    good_frame_count: int, repetition_time_s: float, regressor_count: int, preset: CleaningPreset
) -> float:
    """Degrees of freedom left after filter and regression.

    ``2 TR N (f_high - f_low) - regressors``; without a low-pass the band ends at Nyquist.
    """
    nyquist_hz = 0.5 / repetition_time_s
    low = preset.high_pass_hz or 0.0
    high = min(preset.low_pass_hz or nyquist_hz, nyquist_hz)
    share = (high - low) / nyquist_hz
    return float(good_frame_count * share - regressor_count - (2 if low == 0.0 else 0))


def interpolate_flagged(series: Floats, good: Bools) -> Floats:
    """Replace flagged frames by a cubic spline through the good ones; ends take the nearest.

    Parameters
    ----------
    series
        (frame, column).
    good
        (frame,).
    """
    if bool(good.all()):
        return series
    from scipy.interpolate import CubicSpline

    frames = np.arange(len(series))
    result = series.copy()
    first, last = frames[good][0], frames[good][-1]
    # A spline runs away beyond its last knot, so the ends are held, not extrapolated.
    inner = np.clip(frames[~good], first, last)
    result[~good] = CubicSpline(frames[good], series[good])(inner)
    return result


def _detrended(series: Floats) -> Floats:
    from scipy.signal import detrend

    return np.asarray(detrend(series, axis=0, type="linear"))


def _filtered(series: Floats, repetition_time_s: float, preset: CleaningPreset) -> Floats:
    """Butterworth, order 5, run forwards and backwards: no phase shift."""
    from scipy.signal import butter, sosfiltfilt

    if preset.high_pass_hz is None and preset.low_pass_hz is None:
        return series
    if preset.high_pass_hz is not None and preset.low_pass_hz is not None:
        kind, edges = "bandpass", [preset.high_pass_hz, preset.low_pass_hz]
    elif preset.high_pass_hz is not None:
        kind, edges = "highpass", [preset.high_pass_hz]
    else:
        kind, edges = "lowpass", [float(preset.low_pass_hz or 0.0)]
    sections = butter(
        BUTTERWORTH_ORDER,
        edges if len(edges) > 1 else edges[0],
        btype=kind,
        fs=1.0 / repetition_time_s,
        output="sos",
    )
    return np.asarray(sosfiltfilt(sections, series, axis=0, padtype="odd"))


def _residual(series: Floats, design: Floats, good: Bools) -> Floats:
    """Subtract what the confounds explain, the weights being fitted on good frames only."""
    if design.shape[1] == 0:
        return series
    from scipy.linalg import solve_triangular

    basis, keep, triangle = _orthogonal(design[good])
    coefficients = solve_triangular(triangle, basis.T @ series[good])
    # The same combination of confounds, evaluated at every frame.
    scaled = (design - design[good].mean(axis=0)) / _scale(design[good])
    return np.asarray(series - scaled[:, keep] @ coefficients)


def _orthogonal(design: Floats) -> tuple[Floats, Floats, Floats]:
    from scipy.linalg import qr

    scaled = (design - design.mean(axis=0)) / _scale(design)
    basis, triangle, order = qr(scaled, mode="economic", pivoting=True)
    rank = int((np.abs(np.diag(triangle)) > np.finfo(np.float64).eps * 100.0).sum())
    return basis[:, :rank], order[:rank], triangle[:rank, :rank]


def _rank(design: Floats) -> int:
    return int(_orthogonal(design)[0].shape[1]) if design.shape[1] else 0


def _scale(design: Floats) -> Floats:
    """Standard deviation of each column, so that units cannot decide what counts as rank."""
    spread = np.asarray(design.std(axis=0))
    return np.where(spread > 0, spread, 1.0)
