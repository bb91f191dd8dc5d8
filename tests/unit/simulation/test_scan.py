"""The 4-D run against its own truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.errors import AppError, CancelledError
from app.core.progress import Progress
from app.simulation.anatomy import rotation_matrix
from app.simulation.motion import pose_matrix
from app.simulation.scan import SimulatedVolumes, simulate_volumes, sub_voxel_offsets
from app.simulation.scanner import ParticipantSettings, ScannerSettings, slice_times
from app.simulation.signature import parcel_table


def marker_place(scan: SimulatedVolumes, frame: int) -> np.ndarray:
    """Centre of mass of the capsule in scanner mm."""
    assert scan.truth.marker_mm is not None
    volume = scan.data[..., frame].astype(float)
    index = np.argwhere(volume > 0).astype(float)
    place = index @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    pose = pose_matrix(scan.truth.motion[frame], scan.truth.motion_centre_mm)
    expected = pose[:3, :3] @ scan.truth.marker_mm + pose[:3, 3]
    near = np.linalg.norm(place - expected, axis=1) < 12
    bright = np.maximum(volume[tuple(index[near].astype(int).T)] - 1700, 0)
    assert bright.sum() > 0
    return np.asarray((bright[:, None] * place[near]).sum(0) / bright.sum() - expected)


def test_that_the_capsule_lies_where_the_transform_says(quiet_scan: SimulatedVolumes) -> None:
    assert np.linalg.norm(marker_place(quiet_scan, 5)) < 1.6
    assert quiet_scan.truth.marker_mm is not None
    assert quiet_scan.truth.marker_mm[0] < quiet_scan.truth.motion_centre_mm[0] - 60


def test_that_the_capsule_moves_as_the_motion_says(quiet_settings: ParticipantSettings) -> None:
    settings = replace(
        quiet_settings,
        cohort=replace(quiet_settings.cohort, frames=10),
        scanner=replace(quiet_settings.scanner, fault="strong_motion", motion=3.0),
    )
    scan = simulate_volumes(settings)
    frame = int(np.abs(scan.truth.motion).sum(1).argmax())
    moved = pose_matrix(scan.truth.motion[frame], scan.truth.motion_centre_mm)
    assert scan.truth.marker_mm is not None
    travel = moved[:3, :3] @ scan.truth.marker_mm + moved[:3, 3] - scan.truth.marker_mm
    assert np.linalg.norm(travel) > 3.0
    assert np.linalg.norm(marker_place(scan, frame)) < 1.6


def test_that_parcel_series_are_found_at_their_places(quiet_scan: SimulatedVolumes) -> None:
    scan, truth = quiet_scan, quiet_scan.truth
    parcels, voxels, shares = truth.weights
    frames = scan.data.reshape(-1, scan.data.shape[3]).astype(float)
    correlations, pure_count = [], 0
    for parcel in range(426):
        own = (parcels == parcel) & (shares > 0.8)
        if not own.any():
            continue
        pure_count += 1
        seen = frames[voxels[own]].mean(0)
        correlations.append(np.corrcoef(seen, truth.series[:, parcel])[0, 1])
    assert pure_count > 120
    # slices are taken up to one repetition time after the series' own time
    assert np.median(correlations) > 0.8


def test_that_the_series_has_the_planned_size_and_slice_time(quiet_scan: SimulatedVolumes) -> None:
    from app.simulation.series import parcel_spectrum, series_at

    scan, truth = quiet_scan, quiet_scan.truth
    parcels, voxels, shares = truth.weights
    best = int(np.argmax(shares))
    seen = scan.data.reshape(-1, scan.data.shape[3])[voxels[best]].astype(float)
    slice_index = int(voxels[best] % scan.data.shape[2])
    frames = scan.data.shape[3]
    spectrum, length = parcel_spectrum(truth.participant, frames, 2.0)
    expected = series_at(spectrum, length, truth.slice_times_s[slice_index] / 2.0, frames)
    percent = 100.0 * (seen / seen.mean() - 1.0)
    wanted = expected[:, parcels[best]] - expected[:, parcels[best]].mean()
    assert np.abs(percent - wanted).max() < 0.15


def test_that_weights_are_shares(quiet_scan: SimulatedVolumes) -> None:
    parcels, voxels, shares = quiet_scan.truth.weights
    assert shares.min() > 0
    assert np.bincount(voxels, weights=shares).max() <= 1 + 1e-5
    assert len(np.unique(parcels)) > 410  # the smallest may hide between coarse samples


def test_that_weights_lie_at_the_parcels_places(quiet_scan: SimulatedVolumes) -> None:
    parcels, voxels, shares = quiet_scan.truth.weights
    index = np.stack(np.unravel_index(voxels, quiet_scan.data.shape[:3]), 1).astype(float)
    place = index @ quiet_scan.affine[:3, :3].T + quiet_scan.affine[:3, 3]
    centroid = quiet_scan.truth.anatomy.template_to_scanner(parcel_table().centroids_mm)
    total = np.bincount(parcels, shares, 426)
    mean = np.stack([np.bincount(parcels, shares * place[:, d], 426) for d in range(3)], 1)
    error = np.linalg.norm(mean / np.maximum(total, 1e-9)[:, None] - centroid, axis=1)
    assert np.median(error[total > 3]) < 2.0


def test_that_the_same_settings_give_the_same_bits_for_any_number_of_threads(
    plain_settings: ParticipantSettings, plain_scan: SimulatedVolumes
) -> None:
    again = simulate_volumes(plain_settings, threads=1)
    assert again.data.tobytes() == plain_scan.data.tobytes()
    other = simulate_volumes(replace(plain_settings, index=2))
    assert not np.array_equal(other.data, plain_scan.data)


def test_that_a_plain_scan_looks_like_a_scan(plain_scan: SimulatedVolumes) -> None:
    data = plain_scan.data
    assert data.dtype == np.int16
    assert data.shape == (30, 35, 25, 12)
    mean = data[..., 4:].mean(-1)
    brain = mean > 700
    litres = brain.sum() * abs(np.linalg.det(plain_scan.affine[:3, :3])) / 1e6
    assert 1.1 < litres < 2.4
    assert mean[brain].mean() > 15 * mean[:3, :3, :3].mean()
    bright = data[brain].mean(0)
    assert bright[0] > 1.1 * bright[6]
    assert plain_scan.truth.non_steady_frames in (1, 2)
    assert not np.allclose(plain_scan.affine[:3, :3], np.diag(np.diag(plain_scan.affine)[:3]))


def test_that_noise_has_the_chosen_size(quiet_settings: ParticipantSettings) -> None:
    settings = replace(quiet_settings, scanner=replace(quiet_settings.scanner, thermal_tsnr=50.0))
    data = simulate_volumes(settings).data[:3, :3].astype(float)
    # magnitude of two Gaussians of sigma = level / tsnr: Rayleigh, mean sigma * sqrt(pi / 2)
    expected = 10000.0 / (50.0 * {"site-1": 1.0, "site-2": 0.88}["site-1"]) * np.sqrt(np.pi / 2)
    site2 = expected / 0.88
    assert min(abs(data.mean() / expected - 1), abs(data.mean() / site2 - 1)) < 0.02


@pytest.mark.parametrize("fault", ["truncated_view", "signal_loss", "flipped", "low_tsnr"])
def test_that_faults_do_their_harm(
    fault: str, plain_settings: ParticipantSettings, plain_scan: SimulatedVolumes
) -> None:
    settings = replace(plain_settings, scanner=replace(plain_settings.scanner, fault=fault))
    bad = simulate_volumes(settings)
    good, data = plain_scan.data, bad.data
    if fault == "flipped":
        assert np.array_equal(data, good[::-1])
        assert np.array_equal(bad.affine, plain_scan.affine)
    elif fault == "low_tsnr":
        ratio = data[:4, :4].mean() / good[:4, :4].mean()
        assert ratio > 7
    elif fault == "signal_loss":
        assert (data[..., 5] > 700).sum() < 0.8 * (good[..., 5] > 700).sum()
    else:
        centroids = bad.truth.anatomy.template_to_scanner(parcel_table().centroids_mm)
        back = np.linalg.inv(bad.affine)
        z = centroids @ back[2, :3] + back[2, 3]
        assert (z > data.shape[2] - 1).mean() > 0.15


def test_that_a_cancel_takes_hold_between_frames(plain_settings: ParticipantSettings) -> None:
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 6

    with pytest.raises(CancelledError):
        simulate_volumes(plain_settings, Progress(cancelled=cancelled))


def test_that_slice_times_are_interleaved_and_the_point_spread_is_centred() -> None:
    times = slice_times(ScannerSettings(shape=(8, 9, 10)), 2.0)
    assert np.allclose(times[[0, 2, 4, 6, 8, 1, 3, 5, 7, 9]], np.arange(10) * 0.2)
    offsets = sub_voxel_offsets((3.4, 3.4, 4.0))
    assert offsets.shape == (8, 3)
    assert np.allclose(offsets.mean(0), 0)
    assert sub_voxel_offsets((2.0, 2.0, 2.0)).shape == (1, 3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fault": "gremlins"},
        {"phase_encoding": "k"},
        {"distortion_mm": 9.0},
        {"shape": (4, 64, 36)},
    ],
)
def test_that_impossible_scanners_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AppError) as caught:
        ScannerSettings(**wrong)  # type: ignore[arg-type]
    assert caught.value.code == "simulation.settings"


def test_that_an_axis_aligned_slab_can_be_had(plain_settings: ParticipantSettings) -> None:
    from app.simulation.anatomy import draw_anatomy
    from app.simulation.scanner import native_affine

    anatomy = draw_anatomy(1, plain_settings.anatomy)
    affine = native_affine(anatomy, replace(plain_settings.scanner, oblique=False), 1)
    assert np.allclose(affine[:3, :3], np.diag(plain_settings.scanner.voxel_mm))
    tilted = native_affine(anatomy, plain_settings.scanner, 1)
    turn = tilted[:3, :3] / np.array(plain_settings.scanner.voxel_mm)
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.allclose(rotation_matrix(np.zeros(3)), np.eye(3))
