"""Network order is a permutation that can be taken back."""

from __future__ import annotations

import numpy as np

from app.connectome.atlases import load_atlas
from app.connectome.networks import (
    NETWORKS,
    block_means,
    names_in_order,
    network_borders,
    network_order,
    network_sizes,
)
from app.core.colours import display_order

NETS = ["Thalamus", "Visual", "Visual", "Default", "Visual", "Odd"]
SIDES = ["L", "R", "L", "L", "R", "L"]


def test_that_left_comes_before_right_inside_each_network():
    assert network_order(NETS, SIDES).tolist() == [2, 1, 4, 3, 0, 5]
    assert names_in_order(NETS) == ("Visual", "Default", "Thalamus", "Odd")
    assert network_borders(NETS) == (
        ("Visual", 0, 3), ("Default", 3, 4), ("Thalamus", 4, 5), ("Odd", 5, 6),
    )  # fmt: skip


def test_that_the_order_round_trips_and_is_the_one_that_is_drawn():
    atlas = load_atlas()
    assert set(atlas.networks) == set(NETWORKS) - {"Cerebellum"}  # A424 has it
    order = network_order(atlas.networks, atlas.hemispheres)
    matrix = np.random.default_rng(0).random((426, 426))
    shown = matrix[np.ix_(order, order)]
    back = np.argsort(order)
    np.testing.assert_array_equal(shown[np.ix_(back, back)], matrix)
    np.testing.assert_array_equal(order, display_order(atlas.networks, atlas.hemispheres))
    assert network_sizes(atlas.networks).sum() == 426


def test_that_block_means_leave_out_the_diagonal_and_what_is_missing():
    matrix = np.arange(36.0).reshape(6, 6)
    matrix = matrix + matrix.T
    matrix[4] = matrix[:, 4] = np.nan
    means = block_means(matrix, NETS)
    assert means[0, 0] == matrix[1, 2]
    assert means[0, 1] == np.mean([matrix[1, 3], matrix[2, 3]])
    assert np.isnan(means[1, 1])
    np.testing.assert_array_equal(means, means.T)
