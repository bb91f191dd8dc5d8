"""48 storage orders of one run give one answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.preprocessing.chain import Preprocessed
from app.preprocessing.geometry import apply_affine, settled_affine
from app.preprocessing.placement import Placed
from tests.accuracy.heads import Head, place, scan_head
from tests.accuracy.storage import (
    FRAMES,
    Array,
    centres_mm,
    found_anew,
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
def anew(head: Head) -> Preprocessed:
    return found_anew(head.image)


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


@pytest.mark.parametrize("codes", ["ILA", "PSR"])
def test_that_everything_found_anew_has_the_same_bits(
    head: Head, anew: Preprocessed, codes: str, tmp_path: Path
) -> None:
    """Motion, mask, registration and series; 32-bit headers give affines 1e-5 mm apart."""
    image = stored_as(head, codes, tmp_path)
    np.testing.assert_allclose(image.affine, head.image.affine, atol=1e-4)
    found = found_anew(image)
    np.testing.assert_array_equal(found.motion.parameters, anew.motion.parameters)
    np.testing.assert_allclose(
        apply_affine(np.linalg.inv(image.affine), centres_mm(found.spatial_map)),
        apply_affine(np.linalg.inv(head.image.affine), centres_mm(anew.spatial_map)),
        atol=1e-9,
    )
    np.testing.assert_array_equal(found.sampled.series, anew.sampled.series)
    np.testing.assert_array_equal(found.cleaned.values, anew.cleaned.values)


def test_that_images_stay_where_the_file_says_they_lie(head: Head, anew: Preprocessed) -> None:
    """Rounded places are for finding only: a mask must fit its run in other tools."""
    for image in (anew.boldref, anew.mask, anew.white, anew.csf, anew.temporal_snr_map):
        np.testing.assert_array_equal(image.affine, head.image.affine)
    rounded = settled_affine(head.image.affine)
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in head.image.data.shape[:3]]))
    corners = corners.reshape(3, -1).T
    apart = apply_affine(rounded, corners) - apply_affine(head.image.affine, corners)
    assert 0.0 < np.linalg.norm(apart, axis=1).max() < 0.03
