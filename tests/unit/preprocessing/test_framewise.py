"""Framewise displacement and DVARS against values known by hand."""

from __future__ import annotations

import numpy as np

from app.preprocessing.framewise import (
    dvars,
    framewise_displacement_jenkinson,
    framewise_displacement_power,
    standardised_dvars,
)


def test_that_power_displacement_adds_steps_and_arc_lengths() -> None:
    parameters = np.zeros((3, 6))
    parameters[1] = [0.1, -0.2, 0.0, 0.001, 0.0, -0.002]
    found = framewise_displacement_power(parameters)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [0.3 + 50 * 0.003] * 2)


def test_that_jenkinson_displacement_of_a_shift_is_its_length() -> None:
    parameters = np.zeros((2, 6))
    parameters[1, :3] = [3.0, 4.0, 12.0]
    found = framewise_displacement_jenkinson(parameters, np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(found[1], 13.0)


def test_that_dvars_is_the_rms_step() -> None:
    voxels = np.array([[1.0, 2.0], [4.0, 6.0], [4.0, 6.0]], np.float32)
    np.testing.assert_allclose(dvars(voxels)[1:], [np.sqrt((9 + 16) / 2), 0.0])


def test_that_standardised_dvars_of_white_noise_is_one_and_a_jump_stands_out() -> None:
    voxels = np.random.default_rng(1).normal(1000.0, 10.0, (150, 700)).astype(np.float32)
    voxels[80:] += 60.0 * np.sign(np.random.default_rng(2).normal(size=700))
    found = standardised_dvars(voxels)
    others = np.delete(found, [0, 80])
    assert found[80] > 1.5 * others.max()
    quiet = standardised_dvars(voxels[:80])
    np.testing.assert_allclose(np.nanmedian(quiet), 1.0, atol=0.03)
