"""Connectivity recomputed along the path: the sums must close over a truly curved path."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.attribution.expected_gradients import expected_gradients

FRAMES, PARCELS = 30, 5


def _correlation(series: torch.Tensor) -> torch.Tensor:
    centred = series - series.mean(0)
    unit = centred / centred.square().sum(0).sqrt()
    return unit.T @ unit * (1 - torch.eye(series.shape[1], dtype=series.dtype))


@pytest.fixture
def series():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(4, FRAMES, PARCELS, generator=generator, dtype=torch.float64)


def test_that_both_routes_sum_to_the_difference_in_log_odds(series):
    weights = torch.linspace(-1, 1, PARCELS, dtype=torch.float64)
    pairs = torch.arange(25, dtype=torch.float64).view(5, 5) / 10

    def series_score(x):
        return (x.square().mean(0) * weights).sum()

    def matrix_score(c):
        return (torch.atanh(c) * pairs).sum()

    found = expected_gradients(series_score, matrix_score, _correlation, series[0], series[1:])
    part = series_score(series[0]) - torch.stack([series_score(r) for r in series[1:]]).mean()
    assert float(found.series.sum()) == pytest.approx(float(part), abs=1e-9)
    assert found.converged
    assert float(found.series.sum() + found.connections.sum()) == pytest.approx(
        found.difference, abs=0.01
    )
    np.testing.assert_allclose(found.connections, found.connections.T, atol=1e-12)


def test_that_scaling_a_series_moves_no_connection(series):
    # correlation ignores scale: from 0.2 x to x only the series route may count
    found = expected_gradients(
        lambda x: x.square().sum(),
        lambda c: (c**2).sum(),
        _correlation,
        series[0],
        0.2 * series[:1],
    )
    assert float(found.connections.abs().max()) < 1e-12
    assert float(found.series.sum()) == pytest.approx(
        0.96 * float(series[0].square().sum()), rel=1e-9
    )


def test_that_a_connection_nobody_weighs_gets_nothing(series):
    only = torch.zeros(5, 5, dtype=torch.float64)
    only[1, 3] = 2.0
    found = expected_gradients(
        lambda x: 0.0 * x.sum(), lambda c: (c * only).sum(), _correlation, series[0], series[1:]
    )
    expected = np.zeros((5, 5), bool)
    expected[1, 3] = expected[3, 1] = True
    np.testing.assert_array_equal(np.abs(found.connections.numpy()) > 1e-12, expected)
    assert float(found.connections[1, 3] + found.connections[3, 1]) == pytest.approx(
        found.difference, abs=0.01
    )
