"""48 storage orders of one run give one answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.preprocessing.placement import Placed
from tests.accuracy.heads import Head, place, scan_head
from tests.accuracy.storage import (
    FRAMES,
    Array,
    centres_mm,
    placed_anew,
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


def test_that_the_place_found_anew_moves_by_less_than_a_twentieth_of_a_millimetre(
    head: Head, placed: Placed, plain: Array, tmp_path: Path
) -> None:
    """Headers hold 32-bit places, so affines differ by 1e-5 mm; the registration enlarges that."""
    image = stored_as(head, "ILA", tmp_path)
    np.testing.assert_allclose(image.affine, head.image.affine, atol=1e-4)
    again = placed_anew(head, image)
    apart = np.linalg.norm(centres_mm(again) - centres_mm(placed), axis=1)
    difference = relative_difference(series_of(image, again), plain)
    print(f"centres up to {apart.max():.4f} mm apart, series {difference:.1e}")
    assert apart.max() <= 0.05
    assert difference <= 5e-3
