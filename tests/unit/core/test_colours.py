"""Scales that the window and the report share."""

from __future__ import annotations

import numpy as np

from app.core.colours import MagnitudeScale, sequential_table


def test_that_magnitudes_run_from_the_darkest_to_the_brightest_colour() -> None:
    scale = MagnitudeScale(80.0, "tSNR")
    table = sequential_table()
    found = scale.rgb(np.array([0.0, 40.0, 80.0, 200.0, np.nan]))
    assert found.tolist() == table[[0, 128, 255, 255, 0]].tolist()


def test_that_only_values_beyond_the_end_are_clipped() -> None:
    scale = MagnitudeScale(80.0, "tSNR")
    assert not scale.clipped(np.array([0.0, 80.0, np.nan]))
    assert scale.clipped(np.array([80.1]))
