"""Rigid parameters, matrices and displacements against values known by hand."""

from __future__ import annotations

import numpy as np

from app.preprocessing.geometry import (
    apply_affine,
    displacement_at_radius_mm,
    grid_points_mm,
    rigid_matrix,
    rigid_parameters,
    rotation_matrix,
)


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
