"""Orders for drawing give the model's own order back; the strongest connections are exact."""

from __future__ import annotations

import numpy as np
import pytest

from app.connectome.orders import ORDERS, Ranks, parcel_order, strongest_edges

NETWORKS = ("Default", "Visual", "Default", "Visual", "Cerebellum", "Default", "Visual")
SIDES = ("R", "R", "L", "L", "M", "L", "R")
CENTROIDS = np.array([[9, y, 1] for y in (5.0, -80, 40, -75, -60, 5.0, -90)])


def _matrix() -> np.ndarray:
    rng = np.random.default_rng(1)
    made = np.corrcoef(rng.normal(size=(7, 30)))
    np.fill_diagonal(made, 0.0)
    return made


@pytest.mark.parametrize("kind", ORDERS)
def test_that_every_order_undone_is_the_models_own(kind: str) -> None:
    matrix = _matrix()
    matrix[4] = matrix[:, 4] = np.nan
    order = parcel_order(kind, NETWORKS, SIDES, CENTROIDS, matrix)
    drawn = matrix[np.ix_(order, order)]
    back = np.argsort(order)
    np.testing.assert_array_equal(drawn[np.ix_(back, back)], matrix)


def test_that_orders_are_what_their_names_say() -> None:
    by_network = parcel_order("network", NETWORKS, SIDES, CENTROIDS, None)
    assert by_network.tolist() == [3, 1, 6, 2, 5, 0, 4]  # left before right in each
    assert parcel_order("anatomical", NETWORKS, SIDES, CENTROIDS, None).tolist() == [
        6, 1, 3, 4, 0, 5, 2,
    ]  # fmt: skip
    assert parcel_order("atlas", NETWORKS, SIDES, CENTROIDS, None).tolist() == list(range(7))
    with pytest.raises(KeyError):
        parcel_order("odd", NETWORKS, SIDES, CENTROIDS, None)


def test_that_clustering_puts_alike_rows_side_by_side() -> None:
    rng = np.random.default_rng(5)
    drive = rng.normal(size=(2, 200))
    member = np.array([0, 1, 0, 1, 0, 1, 1])
    matrix = np.corrcoef(drive[member] + 0.3 * rng.normal(size=(7, 200)))
    np.fill_diagonal(matrix, 0.0)
    matrix[6] = matrix[:, 6] = np.nan
    order = parcel_order("cluster", NETWORKS, SIDES, CENTROIDS, matrix)
    assert order[-1] == 6  # not covered: last
    groups = member[order[:-1]]
    assert (np.diff(groups) != 0).sum() == 1


def test_that_the_strongest_connections_are_those_of_a_full_sort() -> None:
    matrix = _matrix()
    matrix[1] = matrix[:, 1] = np.nan
    rows, columns = np.triu_indices(7, 1)
    expected = sorted(
        (
            (-abs(matrix[i, j]), i, j)
            for i, j in zip(rows, columns, strict=True)
            if np.isfinite(matrix[i, j])
        )
    )
    found = strongest_edges(matrix, count=6)
    assert found.pairs() == tuple((i, j) for _, i, j in expected[:6])
    assert found.total == 15
    assert found.limit == -expected[5][0]
    by_value = strongest_edges(matrix, least=found.limit)
    assert by_value.pairs() == found.pairs()
    assert [found.value[k] for k in range(6)] == [matrix[i, j] for i, j in found.pairs()]


def test_that_ties_and_ends_are_settled() -> None:
    matrix = np.zeros((4, 4))
    for i, j in ((0, 3), (0, 1), (1, 2)):
        matrix[i, j] = matrix[j, i] = -0.5
    assert strongest_edges(matrix, count=2).pairs() == ((0, 1), (0, 3))
    assert strongest_edges(matrix, count=0).pairs() == ()
    assert len(strongest_edges(matrix, count=99)) == 3
    assert strongest_edges(np.full((3, 3), np.nan), count=5).limit == np.inf


def test_that_ranks_count_from_the_strongest() -> None:
    matrix = _matrix()
    ranks = Ranks(matrix)
    for place, (first, second) in enumerate(strongest_edges(matrix, count=21).pairs()):
        assert ranks.of(matrix[first, second]) == (place + 1, 21)
