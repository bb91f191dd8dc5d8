"""Token orders are stored integers: every token once, the same everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.core.errors import ModelError
from app.models.token_order import token_orders


def test_that_identity_is_the_tokens_own_order() -> None:
    orders, origin = token_orders("identity", 7)
    np.testing.assert_array_equal(orders, [[0, 1, 2, 3, 4, 5, 6]])
    assert origin == "identity"


def test_that_drawn_orders_are_permutations_and_differ() -> None:
    orders, origin = token_orders("random:5:3", 40)
    assert orders.shape == (5, 40)
    assert orders.dtype == np.int32
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(40), (5, 1)))
    assert len({row.tobytes() for row in orders}) == 5
    assert "seed 3" in origin
    np.testing.assert_array_equal(token_orders("random:2:3", 40)[0], orders[:2])


def test_that_stored_orders_come_back_from_both_kinds_of_file(tmp_path: Path) -> None:
    orders, _ = token_orders("random:3", 11)
    np.savez(tmp_path / "result.npz", token_orders=orders, cls=np.zeros(2))
    np.save(tmp_path / "one.npy", orders[1].astype(np.uint16))
    np.testing.assert_array_equal(token_orders(str(tmp_path / "result.npz"), 11)[0], orders)
    np.testing.assert_array_equal(token_orders(str(tmp_path / "one.npy"), 11)[0], orders[1:2])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(10),  # one too few
        np.r_[np.arange(10), 9],  # twice the same
        np.arange(11.0),
        np.arange(1, 12),
        np.zeros((65, 11), int),
        np.zeros((1, 1, 11), int),
        np.array([None] * 11, dtype=object),  # a pickle inside
    ],
)
def test_that_a_file_that_holds_no_permutation_is_refused(tmp_path: Path, array) -> None:
    np.save(tmp_path / "order.npy", array, allow_pickle=True)
    with pytest.raises(ModelError) as caught:
        token_orders(str(tmp_path / "order.npy"), 11)
    assert caught.value.code == "model.token_order"


@pytest.mark.parametrize("wish", ["random", "random:0", "random:65", "shuffled", "", "random:2:-1"])
def test_that_other_words_are_refused(wish: str) -> None:
    with pytest.raises(ModelError):
        token_orders(wish, 11)


def test_that_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not a zip")
    np.savez(tmp_path / "other.npz", cls=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ModelError):
            token_orders(str(tmp_path / name), 11)
