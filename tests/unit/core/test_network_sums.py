"""Sums by network keep positive and negative apart."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.network_sums import NetworkSum, network_sums

NETWORKS = ("Default", "Visual", "Default", "Default", "Odd", "Visual")
SIDES = ("L", "R", "L", "R", "?", "R")


def test_that_positive_and_negative_are_never_set_off_against_each_other() -> None:
    values = np.array([3.0, -1.0, -2.0, 0.5, np.nan, 4.0])
    found = network_sums(values, NETWORKS, SIDES)
    assert found == (
        NetworkSum("Visual", "R", 2, 4.0, -1.0),
        NetworkSum("Default", "L", 2, 3.0, -2.0),
        NetworkSum("Default", "R", 1, 0.5, 0.0),
        NetworkSum("Odd", "M", 1, 0.0, 0.0),
    )
    assert sum(row.net for row in found) == np.nansum(values)
    assert sum(row.parcels for row in found) == 6


def test_that_every_value_needs_its_network() -> None:
    with pytest.raises(ValueError, match="one entry a parcel"):
        network_sums(np.zeros(5), NETWORKS, SIDES)
