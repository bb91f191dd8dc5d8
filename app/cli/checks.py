"""What `verify` measures: a case against the truth of its simulated participant."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.arrays import Floats
from app.core.provenance import array_sha256
from app.core.results import Case, Motion
from app.simulation.motion import framewise_displacement, pose_matrix
from app.simulation.scan import ScanTruth

MOTION_RMS_LIMIT_MM = 0.05
DISPLACEMENT_CORRELATION = 0.99
# Parcel series carry breathing, pulse and thermal noise that the bare truth has not, so neither
# comes near 1. Over simulated people the plain correlation is about 0.82 and that of cleaned
# series 0.65-0.73 (cleaning also takes out what resembles motion); wrong parcels give about 0.
RAW_SERIES_CORRELATION = 0.7
CLEANED_SERIES_CORRELATION = 0.55
HEAD_RADIUS_MM = 50.0


@dataclass(frozen=True, slots=True)
class Check:
    """One measured value against its limit."""

    stage: str
    measure: str
    value: float
    limit: float
    at_least: bool  # else: at most

    @property
    def passed(self) -> bool:
        """A value that is not a number never passes."""
        if math.isnan(self.value):
            return False
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def check_case(case: Case, truth: ScanTruth) -> tuple[Check, ...]:
    """Motion, displacement and parcel series against the truth; a stage that is missing fails."""
    motion, signals = case.motion, case.signals
    error = math.nan if motion is None else motion_error_mm(motion, truth)
    return (
        Check("Motion", "RMS error, mm", error, MOTION_RMS_LIMIT_MM, at_least=False),
        Check(
            "Motion",
            "correlation of framewise displacement",
            math.nan if motion is None else displacement_correlation(motion, truth),
            DISPLACEMENT_CORRELATION,
            at_least=True,
        ),
        Check(
            "Parcel series",
            "median correlation with the truth",
            math.nan if signals is None else series_correlation(case, truth),
            CLEANED_SERIES_CORRELATION,
            at_least=True,
        ),
        Check(
            "Parcel series",
            "the same before cleaning",
            math.nan if signals is None else series_correlation(case, truth, cleaned=False),
            RAW_SERIES_CORRELATION,
            at_least=True,
        ),
        Check(
            "Prediction",
            "number with interval",
            float(case.prediction is not None and case.prediction.interval is not None),
            1.0,
            at_least=True,
        ),
        Check(
            "Attribution",
            "explanations that converged",
            0.0
            if case.attribution is None
            else float(case.attribution.branches.converged)
            + float(case.attribution.scan.converged),
            2.0,
            at_least=True,
        ),
    )


def check_repeat(first: Case, second: Case) -> tuple[Check, ...]:
    """Number of results that differ in any bit between two runs."""
    pairs = zip(answer_hashes(first), answer_hashes(second), strict=True)
    differing = sum(one != other for one, other in pairs)
    return (Check("Repeat", "results that differ in a bit", float(differing), 0.0, at_least=False),)


def answer_hashes(case: Case) -> tuple[str, ...]:
    """Hashes of motion, series, connectivity, prediction and attribution of a case."""

    def digest(*values: Any) -> str:
        return array_sha256(*(np.asarray(np.nan if v is None else v) for v in values))

    motion, signals, found, answer = case.motion, case.signals, case.attribution, case.prediction
    return (
        digest(motion.parameters) if motion else "",
        digest(signals.cleaned, signals.good_frames) if signals else "",
        digest(case.connectome.matrix) if case.connectome else "",
        digest(answer.probability, answer.interval, answer.log_odds) if answer else "",
        digest(
            found.branches.per_parcel_frame,
            found.branches.per_connection,
            found.scan.per_parcel_frame,
            found.scan.per_connection,
        )
        if found
        else "",
    )


def motion_error_mm(motion: Motion, truth: ScanTruth) -> float:
    """RMS distance over frames and head surface between estimated and true place.

    The truth is stated against the head at rest, the estimate against its reference frame; the
    true motion from the reference frame to frame t is ``M_t inverse(M_reference)``.
    """
    estimated, centre = np.asarray(motion.parameters), np.asarray(motion.centre_mm)
    true, true_centre = np.asarray(truth.motion), np.asarray(truth.motion_centre_mm)
    points = _head_points(true_centre)
    from_reference = np.linalg.inv(pose_matrix(true[motion.reference_frame], true_centre))
    squares = [
        np.sum(
            ((pose_matrix(row, centre) - pose_matrix(known, true_centre) @ from_reference) @ points)
            ** 2,
            axis=0,
        ).mean()
        for row, known in zip(estimated, true, strict=True)
    ]
    return float(np.sqrt(np.mean(squares)))


def displacement_correlation(motion: Motion, truth: ScanTruth) -> float:
    """Pearson correlation of framewise displacement (Power), first frame left out."""
    return _correlation(
        np.asarray(motion.framewise_displacement_mm)[1:],
        np.asarray(framewise_displacement(truth.motion))[1:],
    )


def series_correlation(case: Case, truth: ScanTruth, *, cleaned: bool = True) -> float:
    """Median over covered parcels of the correlation with the true series, in good frames.

    Slow drift, which the recipe removes, is taken out of the truth with the same few cosines
    (0.01 Hz); series from before the cleaning are compared as they are, in all frames.
    """
    signals = case.signals
    if signals is None:
        return math.nan
    ours = np.asarray(signals.cleaned if cleaned else signals.raw)
    good = np.asarray(signals.good_frames) | (not cleaned)
    true = np.asarray(truth.series)[signals.first_frame : signals.first_frame + len(ours)]
    if cleaned:
        true = _without_drift(true, signals.repetition_time_s)
    covered = np.flatnonzero(np.asarray(signals.coverage) >= 0.5)
    return float(np.median([_correlation(ours[good, p], true[good, p]) for p in covered]))


def _without_drift(series: Floats, repetition_time_s: float) -> Floats:
    frames = len(series)
    count = int(2 * frames * repetition_time_s * 0.01) + 1
    phase = np.pi * (np.arange(frames) + 0.5) / frames
    drifts = np.cos(np.outer(phase, np.arange(count)))
    weights = np.linalg.lstsq(drifts, series, rcond=None)[0]
    return np.asarray(series - drifts @ weights)


def _correlation(first: Floats, second: Floats) -> float:
    if np.std(first) == 0.0 or np.std(second) == 0.0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _head_points(centre_mm: Floats) -> Floats:
    """Homogeneous coordinates of 26 points on a sphere as large as a head, shape (4, 26)."""
    steps = np.array([(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)])
    steps = steps[np.any(steps != 0, axis=1)]
    points = centre_mm + HEAD_RADIUS_MM * steps / np.linalg.norm(steps, axis=1)[:, None]
    return np.vstack([points.T, np.ones(len(points))])
