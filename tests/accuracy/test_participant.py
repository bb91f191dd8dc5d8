"""The recipe against the truth of the simulation, default noise and motion."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from app.analysis.measure import Measured
from app.preprocessing.sampling import SampledSeries
from app.scans.nifti import LoadedScan, read_nifti
from app.simulation.participant import SimulatedParticipant
from tests.accuracy.motion import displacement_record, motion_errors_mm
from tests.accuracy.series import agreement, read_by_oracle, registration_errors_mm
from tests.accuracy.truth import column_correlations


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
    return read_by_oracle(measured, loaded.image, participant.truth)


def test_that_motion_is_within_0_05_mm_on_average_and_never_0_2_mm_off(
    participant: SimulatedParticipant, measured: Measured
) -> None:
    errors = motion_errors_mm(measured.motion, participant.truth, measured.signals.first_frame)
    print(f"motion error mean {errors.mean():.4f}, max {errors.max():.4f} mm")
    assert errors.mean() <= 0.05
    assert np.percentile(errors, 95) <= 0.10
    assert errors.max() <= 0.20


def test_that_framewise_displacement_follows_the_truth_to_both_sides_of_its_limits(
    participant: SimulatedParticipant, measured: Measured
) -> None:
    told = displacement_record(measured.motion, participant.truth, measured.signals.first_frame)
    print({name: told[name] for name in ("r", "slope", "sides")})
    assert told["r"] >= 0.99
    assert 0.95 <= told["slope"] <= 1.05
    alike, judged = np.sum(list(told["sides"].values()), axis=0)
    assert judged > 350
    assert alike / judged >= 0.99


def test_that_the_settled_magnetisation_is_found_at_its_frame(
    participant: SimulatedParticipant, measured: Measured
) -> None:
    assert measured.signals.first_frame == participant.truth.non_steady_frames


def test_that_parcel_series_equal_those_of_the_true_transform(
    participant: SimulatedParticipant, measured: Measured, oracle: SampledSeries
) -> None:
    told = agreement(measured, oracle, participant.truth)
    print(told)
    assert told["parcels"] > 400
    for name in ("with_oracle", "cleaned_with_oracle"):
        median, fifth_percentile = told[name]
        assert median >= 0.995
        assert fifth_percentile >= 0.98
    ours, best = told["connectome_with_truth"]
    assert ours >= best - 0.01
    assert told["with_truth"] > 0.7


def test_that_registration_error_is_small_and_known_where_the_scan_is_distorted(
    participant: SimulatedParticipant, measured: Measured, loaded: LoadedScan
) -> None:
    error_mm, shift_mm = registration_errors_mm(measured, participant.truth, loaded.image.affine)
    distorted = shift_mm > 2.0
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
