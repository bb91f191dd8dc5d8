"""Rigid parameters, matrices and displacements against values known by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.preprocessing.geometry import (
    apply_affine,
    displacement_at_radius_mm,
    grid_points_mm,
    is_orthogonal,
    rigid_matrix,
    rigid_parameters,
    rotation_matrix,
    settled_affine,
)

Array = NDArray[Any]


def test_that_a_quarter_turn_about_z_takes_right_to_front() -> None:
    turned = rotation_matrix(np.array([0.0, 0.0, np.pi / 2])) @ np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(turned, [0.0, 1.0, 0.0], atol=1e-15)


def test_that_rotations_are_applied_about_x_first() -> None:
    angles = np.array([np.pi / 2, np.pi / 2, 0.0])
    # about x: y -> z; about y: z -> x
    np.testing.assert_allclose(
        rotation_matrix(angles) @ [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], atol=1e-15
    )


def test_that_the_centre_moves_by_the_translation_only() -> None:
    centre = np.array([3.0, -8.0, 21.0])
    matrix = rigid_matrix(np.array([1.0, 2.0, -0.5, 0.1, -0.2, 0.3]), centre)
    np.testing.assert_allclose(apply_affine(matrix, centre[None])[0], [4.0, -6.0, 20.5])


def test_that_parameters_come_back_from_their_matrix() -> None:
    centre = np.array([5.0, 6.0, 7.0])
    parameters = np.array([1.5, -2.0, 0.3, 0.2, -0.15, 0.05])
    np.testing.assert_allclose(
        rigid_parameters(rigid_matrix(parameters, centre), centre), parameters, atol=1e-12
    )


def test_that_displacement_over_the_sphere_matches_a_direct_average() -> None:
    centre = np.array([2.0, -3.0, 10.0])
    first = rigid_matrix(np.array([0.4, 0.1, -0.2, 0.01, 0.0, 0.02]), centre)
    second = rigid_matrix(np.array([-0.3, 0.5, 0.6, -0.01, 0.03, 0.0]), centre)
    rng = np.random.default_rng(0)
    ball = rng.uniform(-80.0, 80.0, (400_000, 3))
    ball = ball[(ball**2).sum(axis=1) <= 80.0**2] + centre
    back = apply_affine(np.linalg.inv(first), ball)
    steps = apply_affine(second, back) - ball
    direct = np.sqrt((steps**2).sum(axis=1).mean())
    formula = displacement_at_radius_mm(first, second, centre, 80.0)
    np.testing.assert_allclose(formula, direct, rtol=3e-3)


def test_that_grid_points_run_in_c_order() -> None:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = [10.0, 20.0, 30.0]
    points = grid_points_mm((2, 3, 4), affine)
    assert points.shape == (24, 3)
    np.testing.assert_allclose(points[1], [10.0, 20.0, 34.0])
    np.testing.assert_allclose(points[-1], [12.0, 26.0, 42.0])


def _as_stored(affine: Array, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """The affine after a round trip through a 32-bit header with some axes turned round."""
    turned = np.array(affine)
    flipped = np.flatnonzero(rng.random(3) < 0.5)
    for axis in flipped:
        turned[:3, 3] += turned[:3, axis] * (shape[axis] - 1)
        turned[:3, axis] *= -1
    back = turned.astype(np.float32).astype(np.float64)
    for axis in flipped:
        back[:3, 3] += back[:3, axis] * (shape[axis] - 1)
        back[:3, axis] *= -1
    return back


def test_that_a_settled_place_forgets_the_storage_order() -> None:
    rng = np.random.default_rng(5)
    shape, same, tried = (64, 74, 36), 0, 200
    for _ in range(tried):
        edges = rng.choice([2.0, 2.4, 3.4375, 3.28125, 4.0, 1.796875, 3.3], 3)
        affine = np.eye(4)
        affine[:3, :3] = rotation_matrix(rng.normal(0.0, 0.2, 3)) * edges
        affine[:3, 3] = rng.uniform(-120.0, 120.0, 3)
        found = [settled_affine(_as_stored(affine, shape, rng)) for _ in range(6)]
        same += all((one == found[0]).all() for one in found)
        np.testing.assert_allclose(found[0][:3, 3], affine[:3, 3], atol=0.011)
        np.testing.assert_allclose(found[0][:3, :3], affine[:3, :3], atol=1e-3)
        assert is_orthogonal(found[0])
    assert same >= 0.97 * tried  # a place on the border of a step may still fall on either side


@pytest.mark.parametrize("edge", [2.4, 3.4375, 3.28125, 2.203125, 0.735])
def test_that_decimal_and_binary_places_are_never_on_a_border(edge: float) -> None:
    rng = np.random.default_rng(6)
    affine = np.diag([edge, edge, 3.6, 1.0])
    for origin in ((-90.0, -126.0, -72.0), (-108.28125, -113.4375, -61.35), (-0.005, 7.125, 0.0)):
        affine[:3, 3] = origin
        found = [settled_affine(_as_stored(affine, (64, 74, 36), rng)) for _ in range(20)]
        assert all((one == found[0]).all() for one in found)


def test_that_a_plain_place_stays_what_it_is() -> None:
    affine = np.array([[-2.0, 0, 0, 90.0], [0, 2.4, 0, -126.5], [0, 0, 3.3, -72.25], [0, 0, 0, 1]])
    np.testing.assert_array_equal(settled_affine(affine), affine)


def test_that_a_sheared_place_stays_sheared() -> None:
    affine = np.diag([3.0, 3.0, 4.0, 1.0])
    affine[1, 2] = 0.40004
    found = settled_affine(affine)
    np.testing.assert_allclose(found, affine, atol=1e-4)
    assert not is_orthogonal(found)
