"""The interval of the delivered model: refits with their own calibrations, over all windows."""

from __future__ import annotations

import numpy as np
import pytest

from app.models.bundle import load_bundle
from app.models.card import Calibration
from app.models.network_statistics import interval_of


def test_that_each_refit_is_calibrated_by_its_own_line() -> None:
    heads = np.array([[0.0, 2.0, -1.0], [0.5, 1.0, -3.0]])  # (window, head)
    lines = np.array([[1.0, 0.0], [0.5, -1.0], [0.0, 0.3]])  # slope, intercept
    shares = 1 / (1 + np.exp(-np.array([0.0, 0.5, 0.0, -0.5, 0.3, 0.3])))
    low, high = interval_of(Calibration(9.0, 9.0), heads, lines)
    assert (low, high) == pytest.approx(tuple(np.percentile(shares, [2.5, 97.5])))


def test_that_a_bundle_without_them_uses_the_delivered_line() -> None:
    heads = np.linspace(-2, 2, 41)[None]
    low, high = interval_of(Calibration(0.5, 0.1), heads, None)
    ends = 1 / (1 + np.exp(-(0.5 * np.percentile(heads, [2.5, 97.5]) + 0.1)))
    assert (low, high) == pytest.approx(tuple(ends))


def test_that_the_delivered_bundle_carries_one_calibration_a_refit() -> None:
    bundle = load_bundle("simulated-demo")
    heads, parts = bundle.tensors["bootstrap.calibration"].shape
    assert (heads, parts) == (bundle.card.fields.sizes["bootstrap_heads"], 2)
    assert "calibration included" in bundle.summary.interval_method
