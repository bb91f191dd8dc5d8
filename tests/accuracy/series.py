"""Parcel series of the whole recipe beside those that the true transform would give."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.analysis.measure import Measured, Measurement, measure
from app.core.images import Image4D
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.preprocessing.cleaning import clean_series
from app.preprocessing.geometry import apply_affine, rigid_matrices
from app.preprocessing.presets import find_preset
from app.preprocessing.sampling import SampledSeries, sample_parcels
from app.preprocessing.spatial_map import to_scanner
from app.scans.nifti import read_nifti
from app.simulation.cohort import CohortSettings
from app.simulation.participant import simulate_participant
from app.simulation.scan import ScanTruth
from app.simulation.scanner import ParticipantSettings
from tests.accuracy.truth import (
    column_correlations,
    distortion_at,
    oracle_map,
    seen_points,
    true_motion,
)

Array = NDArray[Any]
Record = dict[str, Any]

LEAST_POINTS = 20  # of a parcel that is judged


def read_by_oracle(measured: Measured, image: Image4D, truth: ScanTruth) -> SampledSeries:
    """Parcel series read with the true motion and the true map instead of the estimates."""
    return sample_parcels(
        image,
        true_motion(truth),
        oracle_map(truth, image.affine, measured.template.name),
        measured.atlas.points,
        measured.mask,
        first_frame=measured.signals.first_frame,
        threads=2,
    )


def judged_parcels(measured: Measured, oracle: SampledSeries) -> Array:
    """Parcels (bool) of 20 sample points and more that scan and oracle both cover."""
    count = len(measured.signals.coverage)
    points = np.bincount(measured.atlas.points.parcel_of_point, minlength=count)
    judged = (points >= LEAST_POINTS) & (measured.signals.coverage > 0.5)
    return np.asarray(judged & np.isfinite(oracle.series).all(axis=0))


def agreement(measured: Measured, oracle: SampledSeries, truth: ScanTruth) -> Record:
    """Correlations with the oracle's series before and after cleaning, and of connectomes."""
    signals = measured.signals
    judged = judged_parcels(measured, oracle)
    raw = column_correlations(signals.raw[:, judged], oracle.series[:, judged])
    best = clean_series(
        oracle.series,
        signals.confounds,
        signals.good_frames,
        signals.repetition_time_s,
        find_preset(signals.preset),
    ).percent
    good = np.asarray(signals.good_frames)
    ours, theirs = signals.cleaned[good][:, judged], best[good][:, judged]
    cleaned = column_correlations(ours, theirs)
    pairs = np.triu_indices(int(judged.sum()), 1)
    edges = [np.corrcoef(series.T)[pairs] for series in (ours, theirs)]
    planted = truth.series[signals.first_frame :][:, judged]
    true_edges = np.corrcoef(planted.T)[pairs]
    plain = column_correlations(signals.raw[:, judged], planted)
    return {
        "parcels": int(judged.sum()),
        "with_oracle": [float(np.median(raw)), float(np.percentile(raw, 5))],
        "cleaned_with_oracle": [float(np.median(cleaned)), float(np.percentile(cleaned, 5))],
        "connectome_with_oracle": float(np.corrcoef(*edges)[0, 1]),
        "connectome_with_truth": [float(np.corrcoef(e, true_edges)[0, 1]) for e in edges],
        "with_truth": float(np.median(plain)),
    }


def registration_errors_mm(
    measured: Measured, truth: ScanTruth, affine: Array
) -> tuple[Array, Array]:
    """Error at each parcel's centre, and how far the scan is distorted there, (parcel,) mm."""
    centroids = np.asarray(measured.atlas.centroids_mm)
    # The motion reference is the middle of the run; the truth's is the head at rest.
    to_reference = rigid_matrices(true_motion(truth))[measured.motion.reference_frame]
    rest = np.linalg.inv(rigid_matrices(measured.motion)[measured.motion.reference_frame])
    seen = apply_affine(rest @ to_reference, seen_points(truth, affine, centroids))
    error = np.linalg.norm(to_scanner(measured.spatial_map, centroids) - seen, axis=1)
    return np.asarray(error), np.asarray(distortion_at(truth, affine, seen))


def series_record(seed: int) -> Record:
    """One participant of the default protocol through the whole recipe."""
    with tempfile.TemporaryDirectory() as folder:
        settings = ParticipantSettings(CohortSettings(count=1, seed=seed), 0)
        person = simulate_participant(settings, Path(folder), threads=1)
        request = AnalysisRequest(person.paths.bold, Path(folder) / "unused", threads=1)
        measured = measure(request, Measurement(), Progress())
        image = read_nifti(person.paths.bold, cache_dir=Path(folder) / "voxels").image
        oracle = read_by_oracle(measured, image, person.truth)
        error, shift = registration_errors_mm(measured, person.truth, image.affine)
        return {
            "seed": seed,
            **agreement(measured, oracle, person.truth),
            "error_mm": [
                float(np.median(error[shift <= 2.0])),
                float(np.median(error[shift > 2.0])),
            ],
            "first_frame": [measured.signals.first_frame, person.truth.non_steady_frames],
            "verdict": measured.quality.verdict.value,
        }


def summarise(records: list[Record]) -> list[str]:
    """What the records say, a line a statement."""
    lines = [f"{len(records)} participants"]
    for name in ("with_oracle", "cleaned_with_oracle"):
        values = np.array([r[name] for r in records])
        lines.append(
            f"{name.replace('_', ' ')}: median r {np.median(values[:, 0]):.4f} (worst "
            f"{values[:, 0].min():.4f}), 5th percentile {np.median(values[:, 1]):.4f} (worst "
            f"{values[:, 1].min():.4f})"
        )
    ours, best = np.array([r["connectome_with_truth"] for r in records]).T
    lines.append(
        f"connectome with the truth: ours {np.median(ours):.3f}, oracle {np.median(best):.3f}, "
        f"most below the oracle {(best - ours).max():.4f}"
    )
    errors = np.array([r["error_mm"] for r in records])
    lines.append(
        f"registration error: undistorted {np.median(errors[:, 0]):.2f} (worst "
        f"{errors[:, 0].max():.2f}), distorted {np.median(errors[:, 1]):.2f} mm"
    )
    verdicts = [r["verdict"] for r in records]
    lines.append(
        "verdicts: " + ", ".join(f"{v} {verdicts.count(v)}" for v in sorted(set(verdicts)))
    )
    return lines


def real_record() -> Record:
    """The figures of tests/end_to_end/test_real_input.py on its scan of real dynamics."""
    from tests.end_to_end import test_real_input as judge
    from tests.end_to_end.real_input import make_real_input

    with tempfile.TemporaryDirectory() as folder:
        real = make_real_input(Path(folder) / "bids" / "sub-realrest" / "func")
        request = AnalysisRequest(real.path, Path(folder) / "out", threads=1)
        measured = measure(request, Measurement(), Progress())
        signals = measured.signals
        found, truth, compared = judge.both_series(real, signals)
        own = judge.correlations(found, truth)[compared]
        oracle, points = judge.oracle_series(real, measured)
        good = np.asarray(signals.good_frames)
        ours, best = np.asarray(signals.cleaned)[good], oracle[good]
        large = np.isfinite(ours + best).all(axis=0) & (points >= judge.ORACLE_SMALLEST_PARCEL)
        with_oracle = judge.correlations(ours, best)[large]
        errors = judge.motion_errors_mm(real, measured.motion)
    return {
        "own vertices, r (median, 5th percentile)": _ends(own),
        "with the oracle, r (median, 5th percentile)": _ends(with_oracle),
        "motion error at 80 mm (mean, maximum)": [
            round(float(errors.mean()), 3),
            round(float(errors.max()), 3),
        ],
    }


def _ends(r: Array) -> list[float]:
    return [round(float(np.median(r)), 4), round(float(np.percentile(r, 5)), 4)]
