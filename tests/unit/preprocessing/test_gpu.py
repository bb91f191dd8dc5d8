"""The graphics card's code, run by torch on the CPU, against the compiled kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.core.images import Image4D
from app.core.progress import Progress
from app.preprocessing import gpu_frames
from app.preprocessing.frame_reading import PointSets, ScannerPoints, read_frames
from app.preprocessing.geometry import displacement_at_radius_mm
from app.preprocessing.gpu_frames import in_batches, read_frames_on_device
from app.preprocessing.gpu_spline import SplineReader
from app.preprocessing.motion import estimate_motion, fits_on_device
from app.preprocessing.rigid_alignment import Smoother
from app.preprocessing.sampling import preprocessing_device
from tests.unit.preprocessing.conftest import Phantom

SHAPE, FRAMES = (17, 19, 14), 5


@pytest.fixture
def run() -> Image4D:
    data = np.random.default_rng(0).integers(200, 2000, (*SHAPE, FRAMES)).astype(np.int16)
    return Image4D(data, np.diag([3.0, 3.2, 4.0, 1.0]), 2.0)


def test_that_smoothing_and_coefficients_equal_those_of_the_kernels(run: Image4D) -> None:
    smoother = Smoother.for_grid(run, 0.7)
    reader = SplineReader(torch, "cpu")
    batch = reader.smooth(reader.volumes(run.data), smoother.kernels, smoother.radii)
    found = reader.padded(batch)[2].numpy()
    np.testing.assert_allclose(found, smoother.coefficients(2), rtol=1e-6)


@pytest.mark.parametrize("in_view_only", [False, True])
def test_that_a_device_reads_what_the_processor_reads(run: Image4D, in_view_only: bool) -> None:
    rng = np.random.default_rng(1)
    reach = np.array([17.0, 19.0, 14.0]) * [3.0, 3.2, 4.0]
    sets = PointSets(
        ScannerPoints(rng.uniform(-4.0, reach + 4.0, (300, 3)), rng.integers(0, 7, 300), 8),
        ScannerPoints(rng.uniform(0.0, reach - 9.0, (40, 3)), rng.integers(0, 2, 40), 2),
        rng.uniform(0.0, reach - 9.0, (30, 3)),
        rng.uniform(0.0, reach - 9.0, (20, 3)),
        in_view_only=in_view_only,
    )
    matrices = np.repeat(np.linalg.inv(run.affine)[None, :3], FRAMES, axis=0)
    matrices[:, :, 3] += rng.uniform(-0.4, 0.4, (FRAMES, 3))
    counted = np.array([True, False, True, True, True])
    ours = read_frames(run, matrices, sets, 1, counted, "cubic", Progress(), 1)
    theirs = read_frames_on_device(torch, "cpu", run, matrices, sets, 1, counted, Progress())
    for name in ("parcel_sums", "counts", "tissue_sums", "voxels"):
        expected = getattr(ours, name)
        size = np.abs(expected).max() or 1.0
        np.testing.assert_allclose(getattr(theirs, name), expected, atol=1e-5 * size)
    size = np.abs(ours.moments.sums).max(axis=1, keepdims=True)
    assert (np.abs(theirs.moments.sums - ours.moments.sums) < 1e-5 * size).all()
    assert theirs.moments.frame_count == ours.moments.frame_count == 3


def test_that_motion_agrees_to_a_hundredth_of_a_millimetre(moving_phantom: Phantom) -> None:
    image = Image4D(moving_phantom.image.data[..., :8], moving_phantom.image.affine, 2.0)
    ours = estimate_motion(image)
    smoother = Smoother.for_grid(image, voxels=0.7)
    told: list[float] = []
    progress = Progress(report=lambda event: told.append(event.fraction))
    reference, fits = fits_on_device(torch, "cpu", smoother, 4, np.arange(8), progress)
    assert told
    for frame, fit in enumerate(fits):
        from app.preprocessing.geometry import rigid_matrix

        matrix = rigid_matrix(ours.parameters[frame], ours.centre_mm)
        error = displacement_at_radius_mm(matrix, fit.matrix, reference.centre_mm, 80.0)
        assert error < 0.01


def test_that_a_batch_that_does_not_fit_is_halved_and_nothing_is_done_twice() -> None:
    done: list[tuple[int, int]] = []

    def work(begin: int, stop: int) -> None:
        if stop - begin > 3:
            raise torch.OutOfMemoryError("too large")
        done.append((begin, stop))

    in_batches(torch, 7, work)
    assert [frame for begin, stop in done for frame in range(begin, stop)] == list(range(7))
    with pytest.raises(torch.OutOfMemoryError):
        in_batches(torch, 2, lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("none")))


def test_that_a_card_without_room_ends_on_the_processor_and_says_so(
    moving_phantom: Phantom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(gpu_frames, "in_batches", full)
    image = Image4D(moving_phantom.image.data[..., :4], moving_phantom.image.affine, 2.0)
    found = estimate_motion(image, device="meta")
    assert found.device == "cpu"
    np.testing.assert_array_equal(found.parameters, estimate_motion(image).parameters)


def test_that_the_processor_is_used_where_it_is_asked_for() -> None:
    assert preprocessing_device("cpu") == "cpu"
    assert preprocessing_device("mps") == "cpu"
    assert preprocessing_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
