"""Points to the scanner and back, volumes to the template, the Jacobian."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.images import Image3D, SpatialMap
from app.preprocessing.geometry import grid_points_mm, rotation_matrix
from app.preprocessing.spatial_map import (
    displacement_at,
    identity_map,
    jacobian_determinant,
    normalised_correlation,
    overlap_dice,
    read_at,
    to_scanner,
    to_template,
    warp_volume_to_scanner,
    warp_volume_to_template,
)


@pytest.fixture
def bent() -> SpatialMap:
    """A rotation, shift and scale after a smooth displacement of up to about 3 mm."""
    affine = np.eye(4)
    affine[:3, :3] = rotation_matrix(np.array([0.1, -0.2, 0.3])) * 1.05
    affine[:3, 3] = [4.0, -7.0, 11.0]
    grid = np.diag([4.0, 4.0, 4.0, 1.0])
    grid[:3, 3] = [-30.0, -40.0, -20.0]
    points = grid_points_mm((16, 19, 13), grid).reshape(16, 19, 13, 3)
    field = 3.0 * np.sin(points[..., [1, 2, 0]] / 12.0)
    return SpatialMap("T", affine, field, grid, "affine+warp", 0.5, 0.6, 0.9, (0.5, 1.5))


def test_that_the_inverse_undoes_the_map(bent: SpatialMap) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform([-25, -35, -15], [25, 25, 25], (300, 3))
    back = to_template(bent, to_scanner(bent, points))
    np.testing.assert_allclose(back, points, atol=3e-3)


def test_that_displacement_is_linear_between_grid_points_and_zero_outside(
    bent: SpatialMap,
) -> None:
    field, grid = bent.displacement_mm, bent.displacement_affine
    assert field is not None and grid is not None
    halfway = grid[:3, 3] + [2.0, 4.0, 8.0]
    np.testing.assert_allclose(
        displacement_at(bent, halfway[None])[0], (field[0, 1, 2] + field[1, 1, 2]) / 2
    )
    np.testing.assert_array_equal(displacement_at(bent, np.array([[500.0, 0, 0]])), 0.0)


def test_that_a_constant_stretch_has_its_own_determinant() -> None:
    grid = np.diag([2.0, 3.0, 4.0, 1.0])
    points = grid_points_mm((7, 8, 9), grid).reshape(7, 8, 9, 3)
    stretch = SpatialMap(
        "T", np.eye(4), points * [0.1, -0.2, 0.5], grid, "affine+warp", 0, 0, 0, (1, 1)
    )
    np.testing.assert_allclose(jacobian_determinant(stretch), 1.1 * 0.8 * 1.5, rtol=1e-12)


def test_that_a_ramp_keeps_its_world_values_in_the_template(bent: SpatialMap) -> None:
    affine = np.diag([3.0, 3.5, 4.0, 1.0])
    affine[:3, 3] = [-60.0, -70.0, -60.0]
    shape = (40, 41, 35)
    ramp = (grid_points_mm(shape, affine) @ [1.0, 2.0, 3.0]).reshape(shape)
    grid = np.diag([5.0, 5.0, 5.0, 1.0])
    grid[:3, 3] = [-20.0, -20.0, -10.0]
    for order in (1, 3):
        warped = warp_volume_to_template(
            Image3D(ramp, affine, "scanner"), bent, grid, (7, 8, 6), order
        )
        expected = to_scanner(bent, grid_points_mm((7, 8, 6), grid)) @ [1.0, 2.0, 3.0]
        np.testing.assert_allclose(warped.data.ravel(), expected, atol=0.05)
        assert warped.space == "T"


def test_that_a_mask_comes_back_to_the_scanner_where_its_points_lie(bent: SpatialMap) -> None:
    grid = np.diag([2.0, 2.0, 2.0, 1.0])
    mask = np.zeros((20, 22, 24), bool)
    mask[5:15, 6:16, 7:17] = True
    template_mask = Image3D(mask, grid, "T")
    affine = np.diag([2.5, 2.5, 2.5, 1.0])
    affine[:3, 3] = [-30.0, -30.0, -10.0]
    like = Image3D(np.zeros((40, 41, 42)), affine, "scanner")
    rigid = replace(bent, displacement_mm=None)  # its determinant is 1.05^3 everywhere
    back = warp_volume_to_scanner(template_mask, rigid, like, order=0)
    assert back.data.dtype == bool
    centre = to_scanner(rigid, np.array([[19.0, 21.0, 23.0]]))
    assert read_at(back, centre, 0)[0]
    volume = back.data.sum() * 2.5**3
    assert abs(volume / (mask.sum() * 8.0 * 1.05**3) - 1.0) < 0.1


def test_that_values_outside_the_volume_are_zero() -> None:
    image = Image3D(np.ones((4, 5, 6)), np.eye(4), "scanner")
    points = np.array([[0.0, 0, 0], [-0.4, 0, 0], [-0.6, 0, 0], [3.0, 4.6, 5.0]])
    np.testing.assert_array_equal(read_at(image, points, 1), [1, 1, 0, 0])


def test_that_identity_leaves_points_alone() -> None:
    points = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(to_template(identity_map("T"), points), points)


def test_that_dice_and_correlation_match_hand_values() -> None:
    first = np.array([True, True, False, False])
    second = np.array([True, False, True, False])
    assert overlap_dice(first, second) == 0.5
    assert overlap_dice(first & False, second & False) == 0.0
    values = np.array([1.0, 2.0, 3.0, 9.0])
    keep = np.array([True, True, True, False])
    assert normalised_correlation(values, -values, keep) == pytest.approx(-1.0)
    assert normalised_correlation(values, np.ones(4), keep) == 0.0
