"""The record of how a run was preprocessed."""

from __future__ import annotations

import numpy as np
import pytest

from app.analysis.making import Making, seconds_of_done
from app.core.images import Image3D

SECONDS = {"motion": 4.38149, "slice_timing": 0.0002, "reference": 0.01, "quality": 0.0}


def made(slice_time_s: float | None, recalled: tuple[str, ...]) -> Making:
    image = Image3D(np.zeros((2, 3, 4)), np.eye(4), "scanner")
    return Making(
        image, image, image, "otsu", slice_time_s, 3, "linear", {}, {}, (), recalled, "", ""
    )


@pytest.mark.parametrize(
    ("slice_time_s", "recalled", "listed"),
    [
        (None, (), ["motion", "reference", "quality"]),
        (1.0, (), ["motion", "slice_timing", "reference", "quality"]),
        (1.0, ("motion", "reference"), ["slice_timing", "quality"]),
    ],
)
def test_that_only_stages_that_were_done_have_seconds(
    slice_time_s: float | None, recalled: tuple[str, ...], listed: list[str]
) -> None:
    done = seconds_of_done(SECONDS, made(slice_time_s, recalled))
    assert list(done) == listed
    assert done.get("motion", 4.381) == 4.381


def test_that_a_run_that_came_preprocessed_keeps_all_its_stages() -> None:
    assert list(seconds_of_done(SECONDS, None)) == list(SECONDS)
