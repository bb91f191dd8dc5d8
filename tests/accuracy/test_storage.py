"""48 storage orders of one run give one answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.preprocessing.placement import Placed
from tests.accuracy.heads import Head, place, scan_head
from tests.accuracy.storage import (
    FRAMES,
    Array,
    placed_series,
    relative_difference,
    series_of,
    storage_orders,
    stored_as,
)

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def head() -> Head:
    return scan_head(1, frames=FRAMES)


@pytest.fixture(scope="module")
def placed(head: Head) -> Placed:
    return place(head)


@pytest.fixture(scope="module")
def plain(head: Head, placed: Placed) -> Array:
    return series_of(head.image, placed)


def test_that_there_are_48_orders() -> None:
    assert len(set(storage_orders())) == 48


@pytest.mark.parametrize("codes", storage_orders())
def test_that_the_storage_order_changes_no_parcel_series(
    head: Head, placed: Placed, plain: Array, codes: str, tmp_path: Path
) -> None:
    found = series_of(stored_as(head, codes, tmp_path), placed)
    assert relative_difference(found, plain) <= TOLERANCE


@pytest.mark.parametrize("codes", ["ILA"])
def test_that_it_changes_nothing_with_the_place_found_anew(
    head: Head, plain: Array, codes: str, tmp_path: Path
) -> None:
    found = placed_series(head, stored_as(head, codes, tmp_path))
    assert relative_difference(found, plain) <= TOLERANCE
