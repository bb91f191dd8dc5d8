"""Clusters of small maps, known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app.attribution.clusters import find_clusters, sized_mask

AFFINE = np.array([[-2.0, 0, 0, 10], [0, 3, 0, -20], [0, 0, 4, 5], [0, 0, 0, 1]])


def small_map() -> np.ndarray:
    values = np.zeros((7, 8, 9))
    values[1:3, 1, 1] = 2.0  # two voxels, touching by a face
    values[3, 2, 2] = 5.0  # touches them by a corner only
    values[4, 2, 2] = -1.0  # the other sign, touching by a face
    values[6, 7, 8] = -3.0
    return values


def test_that_signs_stay_apart_and_corners_connect() -> None:
    values = small_map()
    found = find_clusters(values, values != 0, AFFINE)
    assert [(c.number, c.voxels, c.peak, c.mean) for c in found] == [
        (1, 3, 5.0, 3.0),
        (2, 1, -3.0, -3.0),
        (3, 1, -1.0, -1.0),
    ]
    assert found[0].volume_mm3 == pytest.approx(3 * 24.0)
    assert found[0].peak_mm == (10 - 2 * 3, -20 + 3 * 2, 5 + 4 * 2)
    assert found[1].peak_mm == (10 - 2 * 6, -20 + 3 * 7, 5 + 4 * 8)


def test_that_the_peak_of_a_plateau_lies_on_it() -> None:
    values = np.zeros((7, 8, 9))
    values[1:6, 1, 3] = values[1:6, 5, 3] = values[1, 1:6, 3] = 1.0  # a U: its middle is empty
    (found,) = find_clusters(values, values > 0, np.eye(4))
    i, j, k = (round(v) for v in found.peak_mm)
    assert values[i, j, k] == 1.0
    assert found.voxels == 13


def test_that_small_clusters_are_left_out_and_large_ones_stay() -> None:
    values = small_map()
    kept = sized_mask(values, values != 0, 2)
    assert kept.sum() == 3
    assert not kept[6, 7, 8]
    assert not kept[4, 2, 2]
    assert sized_mask(values, values != 0, 1) is not None
    assert sized_mask(values, values != 0, 4).sum() == 0


def test_that_an_empty_map_has_no_clusters() -> None:
    nothing = np.zeros((7, 8, 9))
    assert find_clusters(nothing, nothing > 0, np.eye(4)) == ()
    assert not sized_mask(nothing, nothing > 0, 5).any()
