"""The run in the template: every value where one composed map and one spline put it."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from app.core.errors import CancelledError
from app.core.images import Image3D, Image4D, SpatialMap
from app.core.progress import Progress
from app.core.results import Motion
from app.preprocessing.geometry import apply_affine, grid_points_mm, rigid_matrices
from app.preprocessing.template_bold import write_template_bold

SHAPE, GRID = (13, 14, 12), (9, 11, 10)


@pytest.fixture
def parts() -> tuple[Image4D, Motion, SpatialMap, Image3D]:
    rng = np.random.default_rng(0)
    data = rng.integers(100, 900, (*SHAPE, 4)).astype(np.int16)
    affine = np.diag([3.0, 3.2, 4.0, 1.0])
    affine[:3, 3] = [-18.0, -20.0, -22.0]
    nothing = np.zeros(4)
    motion = Motion(
        rng.normal(size=(4, 6)) * np.repeat([0.8, 0.02], 3),
        np.ones(3),
        nothing,
        nothing,
        nothing,
        0,
    )
    shift = np.eye(4)
    shift[:3, 3] = [1.0, -2.0, 0.5]
    place = SpatialMap("T", shift, None, None, "affine", 1.0, 1.0, 1.0, (1.0, 1.0))
    grid_affine = np.diag([4.0, 4.0, 4.0, 1.0])
    grid_affine[:3, 3] = [-24.0, -20.0, -18.0]  # partly outside the field of view
    grid = Image3D(np.zeros(GRID, np.float32), grid_affine, "T")
    return Image4D(data, affine, 2.5, slope=0.5, intercept=7.0), motion, place, grid


def test_that_every_voxel_is_the_composed_map_read_once(
    parts: tuple[Image4D, Motion, SpatialMap, Image3D], tmp_path: Path
) -> None:
    image, motion, place, grid = parts
    path = tmp_path / "run.nii.gz"
    write_template_bold(image, motion, place, grid, path, first_frame=1, threads=2)
    found = nibabel.load(path)
    assert found.shape == (*GRID, 3)
    np.testing.assert_allclose(found.affine, grid.affine)
    assert float(found.header.get_zooms()[3]) == 2.5
    points = apply_affine(place.affine, grid_points_mm(GRID, grid.affine))
    for row in range(3):
        matrix = np.linalg.inv(image.affine) @ rigid_matrices(motion)[1 + row]
        voxels = apply_affine(matrix, points)
        volume = image.data[..., 1 + row].astype(float) * image.slope + image.intercept
        expected = ndimage.map_coordinates(volume, voxels.T, order=3, mode="mirror")
        inside = ((voxels >= 0) & (voxels <= np.array(SHAPE) - 1)).all(axis=1)
        assert 0.2 < inside.mean() < 0.98
        expected[~inside] = 0.0
        got = np.asarray(found.dataobj[..., row]).ravel()
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-3)


def test_that_a_cancel_takes_hold(
    parts: tuple[Image4D, Motion, SpatialMap, Image3D], tmp_path: Path
) -> None:
    with pytest.raises(CancelledError):
        write_template_bold(
            *parts, tmp_path / "run.nii.gz", progress=Progress(cancelled=lambda: True)
        )
