"""The percentile of a newcomer: exact where distances are exchangeable; nobody beyond n/(n+1)."""

from __future__ import annotations

import numpy as np
import pytest

from app.models.novelty import is_beyond, newcomer_percentile


def test_that_ranks_count_the_newcomer_too():
    quantiles = np.array([1.0, 2.0, 3.0, 4.0])  # of four people: every one of them
    for distance, percentile in ((0.5, 0.0), (1.0, 20.0), (2.0, 40.0), (4.0, 80.0), (99.0, 80.0)):
        assert newcomer_percentile(distance, quantiles, 4) == pytest.approx(percentile)
    assert newcomer_percentile(2.5, quantiles, 4) == pytest.approx(50.0)


@pytest.mark.parametrize(("count", "limit"), [(39, 95.0), (79, 97.5), (200, 97.5), (30, 90.0)])
def test_that_no_more_newcomers_are_stopped_than_the_limit_says(count, limit):
    rng = np.random.default_rng(count)
    percent, stopped = np.linspace(0.0, 100.0, count), 0
    for _ in range(4000):
        *others, newcomer = rng.chisquare(5, count + 1)
        quantiles = np.percentile(others, percent)
        percentile = newcomer_percentile(newcomer, quantiles, count)
        stopped += is_beyond(percentile, newcomer, quantiles, limit)
    allowed = 1.0 - limit / 100.0
    assert stopped / 4000 <= allowed + 3.0 * np.sqrt(allowed / 4000)
    assert stopped / 4000 >= 0.6 * allowed


def test_that_few_people_still_stop_what_is_beyond_all_of_them():
    quantiles = np.linspace(1.0, 2.0, 5)
    percentile = newcomer_percentile(2.1, quantiles, 10)
    assert percentile < 97.5
    assert is_beyond(percentile, 2.1, quantiles, 97.5)
    assert not is_beyond(newcomer_percentile(2.0, quantiles, 10), 2.0, quantiles, 97.5)
    assert is_beyond(float("nan"), float("nan"), quantiles, 97.5)
