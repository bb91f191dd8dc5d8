"""Head motion against the truth of a phantom that other interpolators made."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import CancelledError, PreprocessingError
from app.core.images import Image4D
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing import motion as room
from app.preprocessing.framewise import framewise_displacement_power
from app.preprocessing.geometry import displacement_at_radius_mm, rigid_matrices, rigid_matrix
from app.preprocessing.motion import estimate_motion
from app.preprocessing.reference import make_boldref
from app.preprocessing.rigid_alignment import Fit, Smoother, make_reference
from tests.unit.preprocessing.conftest import Phantom


@pytest.fixture(scope="module")
def estimated(moving_phantom: Phantom) -> Motion:
    return estimate_motion(moving_phantom.image)


def error_mm(motion: Motion, phantom: Phantom) -> np.ndarray:
    """RMS error of each frame at 80 mm, both taken relative to the reference frame."""
    true = np.stack([rigid_matrix(row, phantom.centre_mm) for row in phantom.parameters])
    ours = rigid_matrices(motion)
    reference = motion.reference_frame
    return displacement_at_radius_mm(
        true @ np.linalg.inv(true[reference]),
        ours @ np.linalg.inv(ours[reference]),
        phantom.centre_mm,
        80.0,
    )


def test_that_motion_is_found_to_a_twentieth_of_a_millimetre(
    estimated: Motion, moving_phantom: Phantom
) -> None:
    error = np.delete(error_mm(estimated, moving_phantom), 12)
    assert error.mean() <= 0.05
    assert error.max() <= 0.20


def test_that_framewise_displacement_follows_the_truth(
    estimated: Motion, moving_phantom: Phantom
) -> None:
    true = framewise_displacement_power(moving_phantom.parameters)[1:]
    ours = estimated.framewise_displacement_mm[1:]
    assert np.corrcoef(true, ours)[0, 1] >= 0.99
    assert 0.97 <= np.polyfit(true, ours, 1)[0] <= 1.03


def test_that_a_frame_far_away_is_recovered_or_flagged(
    estimated: Motion, moving_phantom: Phantom
) -> None:
    lost = error_mm(estimated, moving_phantom)[12] > 0.5
    assert not lost or 12 in estimated.uncertain_frames
    assert set(estimated.uncertain_frames) <= {12}


def test_that_a_frame_of_noise_is_flagged(moving_phantom: Phantom) -> None:
    data = moving_phantom.image.data[..., :6].copy()
    data[..., 2] = np.random.default_rng(0).integers(0, 900, data.shape[:3])
    motion = estimate_motion(Image4D(data, moving_phantom.image.affine, 2.0))
    assert motion.uncertain_frames == (2,)
    assert 2 in motion.retried_frames
    assert motion.fallback_frames == ()  # ants found nothing better in noise


def test_that_ants_places_a_frame_that_lies_far_off(
    moving_phantom: Phantom, estimated: Motion
) -> None:
    """Frame 12 lies 12 mm and 12 degrees off."""
    smoother = Smoother.for_grid(moving_phantom.image, 0.7)
    reference = make_reference(
        smoother.spline_values(smoother.coefficients(estimated.reference_frame)),
        moving_phantom.image.affine,
    )
    lost = Fit(np.eye(4), 1.0, 0.9, 1.0)
    found = room._by_ants(smoother, reference, lost, 12)
    own = rigid_matrix(estimated.parameters[12], estimated.centre_mm)
    centre = reference.centre_mm
    assert displacement_at_radius_mm(own, found.matrix, centre, 80.0) < 0.5
    assert found.cost < 0.2


def test_that_frames_on_the_fallback_are_counted(
    moving_phantom: Phantom, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = moving_phantom.image.data[..., :6].copy()
    data[..., 2] = np.random.default_rng(0).integers(0, 900, data.shape[:3])
    monkeypatch.setattr(room, "_by_ants", lambda *_: Fit(np.eye(4), 1.0, 1e-3, 1.0))
    motion = estimate_motion(Image4D(data, moving_phantom.image.affine, 2.0))
    assert motion.fallback_frames == (2,)
    assert motion.uncertain_frames == ()


def test_that_threads_do_not_change_a_bit(moving_phantom: Phantom) -> None:
    short = Image4D(moving_phantom.image.data[..., :7], moving_phantom.image.affine, 2.0)
    one, three = estimate_motion(short, threads=1), estimate_motion(short, threads=3)
    np.testing.assert_array_equal(one.parameters, three.parameters)
    np.testing.assert_array_equal(
        make_boldref(short, one, threads=1).data, make_boldref(short, three, threads=3).data
    )


def test_that_a_still_head_does_not_seem_to_move(moving_phantom: Phantom) -> None:
    still = np.repeat(moving_phantom.image.data[..., :1], 6, axis=3).astype(np.float32)
    still += np.random.default_rng(4).normal(0.0, 10.0, still.shape)
    motion = estimate_motion(Image4D(still, moving_phantom.image.affine, 2.0))
    assert np.nanmean(motion.framewise_displacement_mm) <= 0.03


def test_that_stored_scale_and_gain_changes_do_not_matter(moving_phantom: Phantom) -> None:
    data = moving_phantom.image.data[..., :5].astype(np.float32)
    gains = np.array([1.0, 1.04, 0.97, 1.02, 0.99], np.float32)
    affine = moving_phantom.image.affine
    plain = estimate_motion(Image4D(data, affine, 2.0))
    scaled = estimate_motion(Image4D(data * gains, affine, 2.0))
    np.testing.assert_allclose(plain.parameters[:, :3], scaled.parameters[:, :3], atol=0.01)


def test_that_cancel_takes_hold_between_frames(moving_phantom: Phantom) -> None:
    asked = iter([False] * 4)
    progress = Progress(cancelled=lambda: next(asked, True))
    with pytest.raises(CancelledError):
        estimate_motion(moving_phantom.image, progress=progress)


def test_that_an_empty_run_is_refused() -> None:
    with pytest.raises(PreprocessingError, match="no head-like signal"):
        estimate_motion(Image4D(np.zeros((16, 18, 14, 4), np.int16), np.eye(4), 2.0))


def test_that_one_frame_is_refused() -> None:
    with pytest.raises(PreprocessingError, match="at least 2"):
        estimate_motion(Image4D(np.ones((16, 18, 14, 3), np.int16), np.eye(4), 2.0), first_frame=2)


def test_that_the_reference_image_is_sharper_than_the_plain_mean(
    moving_phantom: Phantom, estimated: Motion
) -> None:
    moved = make_boldref(moving_phantom.image, estimated).data
    plain = moving_phantom.image.data.mean(axis=3)
    at_reference = moving_phantom.image.data[..., estimated.reference_frame].astype(float)
    inner = (slice(5, -5),) * 3
    assert (
        np.abs(moved - at_reference)[inner].mean()
        < 0.5 * np.abs(plain - at_reference)[inner].mean()
    )
