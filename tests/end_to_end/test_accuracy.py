"""The recipe against the truth of the simulation, default noise and motion."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.analysis.measure import Measured
from app.preprocessing.cleaning import clean_series, find_preset
from app.preprocessing.framewise import framewise_displacement_power
from app.preprocessing.geometry import apply_affine, rigid_matrices
from app.preprocessing.sampling import SampledSeries, sample_parcels
from app.preprocessing.spatial_map import to_scanner
from app.scans.nifti import LoadedScan, read_nifti
from app.simulation.participant import SimulatedParticipant
from tests.end_to_end.truth import (
    column_correlations,
    distortion_at,
    oracle_map,
    seen_points,
    true_motion,
)

LEAST_POINTS = 20  # of a parcel that is judged


@pytest.fixture(scope="module")
def loaded(
    participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> LoadedScan:
    return read_nifti(participant.paths.bold, cache_dir=tmp_path_factory.mktemp("voxels"))


@pytest.fixture(scope="module")
def oracle(
    participant: SimulatedParticipant, measured: Measured, loaded: LoadedScan
) -> SampledSeries:
    """Parcel series read with the true motion and the true map instead of the estimates."""
    return sample_parcels(
        loaded.image,
        true_motion(participant.truth),
        oracle_map(participant.truth, loaded.image.affine, measured.template.name),
        measured.atlas.points,
        measured.mask,
        first_frame=measured.signals.first_frame,
        threads=2,
    )


def test_that_motion_is_within_0_05_mm_and_displacement_correlates_0_99(
    participant: SimulatedParticipant, measured: Measured
) -> None:
    truth = true_motion(participant.truth)
    estimated, true = rigid_matrices(measured.motion), rigid_matrices(truth)
    reference = measured.motion.reference_frame
    inside = np.argwhere(np.asarray(measured.mask.data))[::500].astype(float)
    points = apply_affine(measured.mask.affine, inside)
    error = []
    for frame in range(measured.signals.first_frame, len(true)):
        ours = estimated[frame] @ np.linalg.inv(estimated[reference])
        theirs = true[frame] @ np.linalg.inv(true[reference])
        error.append(apply_affine(ours, points) - apply_affine(theirs, points))
    rms_mm = float(np.sqrt((np.array(error) ** 2).sum(axis=2).mean()))
    first = measured.signals.first_frame + 1
    ours_fd = measured.motion.framewise_displacement_mm[first:]
    true_fd = framewise_displacement_power(truth.parameters)[first:]
    correlation = float(np.corrcoef(ours_fd, true_fd)[0, 1])
    print(f"motion RMS {rms_mm:.4f} mm, FD r {correlation:.4f}, mean FD {true_fd.mean():.3f} mm")
    assert rms_mm <= 0.05
    assert correlation >= 0.99


def test_that_parcel_series_equal_those_of_the_true_transform(
    participant: SimulatedParticipant, measured: Measured, oracle: SampledSeries
) -> None:
    signals = measured.signals
    points = np.bincount(measured.atlas.points.parcel_of_point, minlength=426)
    judged = (points >= LEAST_POINTS) & (signals.coverage > 0.5)
    judged &= np.isfinite(oracle.series).all(axis=0)
    ours = column_correlations(signals.raw[:, judged], oracle.series[:, judged])
    best = clean_series(
        oracle.series,
        signals.confounds,
        signals.good_frames,
        signals.repetition_time_s,
        find_preset(signals.preset),
    ).percent
    good = signals.good_frames
    cleaned = column_correlations(signals.cleaned[good][:, judged], best[good][:, judged])
    truth = participant.truth.series[signals.first_frame :][:, judged]
    plain = column_correlations(signals.raw[:, judged], truth)
    print(
        f"with oracle: median {np.median(ours):.4f}, 5th {np.percentile(ours, 5):.4f}; "
        f"cleaned {np.median(cleaned):.4f}, {np.percentile(cleaned, 5):.4f}; "
        f"plain with truth {np.median(plain):.3f}"
    )
    assert judged.sum() > 400
    assert np.median(ours) >= 0.99
    assert np.median(plain) > 0.7


def test_that_registration_error_is_small_and_known_where_the_scan_is_distorted(
    participant: SimulatedParticipant, measured: Measured, loaded: LoadedScan
) -> None:
    centroids = np.asarray(measured.atlas.centroids_mm)
    truth, affine = participant.truth, loaded.image.affine
    # The motion reference is the middle of the run; the truth's is the head at rest.
    to_reference = rigid_matrices(true_motion(truth))[measured.motion.reference_frame]
    rest = np.linalg.inv(rigid_matrices(measured.motion)[measured.motion.reference_frame])
    seen = apply_affine(rest @ to_reference, seen_points(truth, affine, centroids))
    error_mm = np.linalg.norm(to_scanner(measured.spatial_map, centroids) - seen, axis=1)
    distorted = distortion_at(truth, affine, seen) > 2.0
    print(
        f"TRE all {np.median(error_mm):.2f} mm (95th {np.percentile(error_mm, 95):.2f}), "
        f"distorted {np.median(error_mm[distorted]):.2f} mm ({distorted.sum()} parcels), "
        f"elsewhere {np.median(error_mm[~distorted]):.2f} mm"
    )
    assert np.median(error_mm[~distorted]) <= 1.5
    assert np.percentile(error_mm[~distorted], 95) <= 3.0


def test_that_the_planted_asymmetry_is_found_the_right_way_round(measured: Measured) -> None:
    margin = {metric.name: metric.value for metric in measured.quality.metrics}["left_right_margin"]
    assert margin > 0.0


def test_that_left_parcels_follow_left_truth_and_right_parcels_right(
    participant: SimulatedParticipant, measured: Measured
) -> None:
    signals = measured.signals
    truth = participant.truth.series[signals.first_frame :]
    names = {name: index for index, name in enumerate(signals.parcel_names)}
    pairs = [
        (index, names[name[:-1] + "R"])
        for name, index in names.items()
        if name.endswith("_L") and name[:-1] + "R" in names
    ]
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    assert len(pairs) > 200
    for own, other in ((left, right), (right, left)):
        same = column_correlations(signals.raw[:, own], truth[:, own])
        crossed = column_correlations(signals.raw[:, own], truth[:, other])
        assert np.median(same) > np.median(crossed) + 0.1


@pytest.mark.parametrize("codes", ["LAS", "PIR", "SLP", "IRA"])
def test_that_storage_order_changes_no_voxel_and_no_place(
    participant: SimulatedParticipant, loaded: LoadedScan, codes: str, tmp_path: Path
) -> None:
    """The scan door is tested on all 48 orders; here the full scan in four of them."""
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    original = nibabel.load(participant.paths.bold)
    turn = ornt_transform(io_orientation(original.affine), axcodes2ornt(tuple(codes)))
    path = tmp_path / "sub-x_task-rest_bold.nii"
    nibabel.save(original.as_reoriented(turn), path)
    other = read_nifti(path, cache_dir=tmp_path / "voxels")
    np.testing.assert_array_equal(other.image.data[..., 100], loaded.image.data[..., 100])
    np.testing.assert_allclose(other.image.affine, loaded.image.affine, atol=1e-4)
