"""The T1 route on a distorted scan, with the right image and with somebody else's.

An undistorted scan, mirrored anatomy, noise and an empty image are in
tests/unit/preprocessing/test_t1_route.py; all of them on many people by ``tests.accuracy.run``.
"""

from __future__ import annotations

import numpy as np
import pytest

from app.core.images import Image3D, SpatialMap
from tests.accuracy.heads import Head, errors_mm, regions
from tests.accuracy.routes import QUICK, bad_t1, both_routes, direct_of, route_head, t1_of


@pytest.fixture(scope="module")
def head() -> Head:
    return route_head(1, 5.0)


@pytest.fixture(scope="module")
def own(head: Head) -> Image3D:
    return t1_of(head)


@pytest.fixture(scope="module")
def direct(head: Head) -> SpatialMap:
    return direct_of(head)


def test_that_the_route_kept_is_never_worse_than_the_direct_one(
    head: Head, own: Image3D, direct: SpatialMap
) -> None:
    kept, other = both_routes(head, direct, own, QUICK)
    assert other is not None
    undistorted = regions(head)["undistorted"]
    found, plain = (np.median(errors_mm(head, m)[undistorted]) for m in (kept, direct))
    print(f"kept {kept.route}: {found:.2f} mm, direct {plain:.2f} mm")
    assert set(dict(kept.route_scores)) == {"direct", "t1"}
    assert found <= plain + 0.1
    assert found <= 1.5


def test_that_the_t1_image_of_another_head_is_dropped_or_refused(
    head: Head, own: Image3D, direct: SpatialMap
) -> None:
    kept, other = both_routes(head, direct, bad_t1("another head", own, 1), QUICK)
    assert kept.route == "direct"
    if other is not None:
        assert np.median(errors_mm(head, other)) > 2 * np.median(errors_mm(head, direct))
