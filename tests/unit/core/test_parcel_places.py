"""The voxel that stands for a parcel does not depend on how the grid lies on disk."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.core.parcel_places import parcel_places_mm

AFFINE = np.array([[2.0, 0, 0, -10], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])


def test_that_a_curved_parcel_is_shown_inside_itself() -> None:
    labels = np.zeros((7, 5, 3), np.int16)
    labels[1:6, 1, 1] = 2
    labels[1, 1:4, 1] = labels[5, 1:4, 1] = 2  # a U: its mean (3, 1.67, 1) lies beside it
    places = parcel_places_mm(labels, AFFINE)
    assert places.shape == (3, 3)
    assert np.isnan(places[:2]).all()  # nothing, and a parcel without a voxel
    np.testing.assert_array_equal(places[2], [-10 + 2 * 3, 5 + 3 * 1, 7 + 4 * 1])


@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_that_neither_order_nor_direction_of_the_axes_changes_the_place(
    flips: tuple[bool, bool, bool],
) -> None:
    labels = np.random.default_rng(3).integers(0, 9, (6, 7, 5)).astype(np.int16)
    labels[:2, :2, 0] = 9  # four voxels that are equally near to their mean
    expected = parcel_places_mm(labels, AFFINE)
    for order in itertools.permutations(range(3)):
        turned, affine = labels.transpose(order), np.eye(4)
        affine[:3, :3], affine[:3, 3] = AFFINE[:3, list(order)], AFFINE[:3, 3]
        for axis in range(3):
            if flips[axis]:
                turned = np.flip(turned, axis)
                affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
                affine[:3, axis] *= -1
        np.testing.assert_allclose(parcel_places_mm(turned, affine), expected, atol=1e-9)


def test_that_a_grid_without_parcels_has_no_place() -> None:
    assert np.isnan(parcel_places_mm(np.zeros((2, 3, 4), np.int16), AFFINE)).all()
