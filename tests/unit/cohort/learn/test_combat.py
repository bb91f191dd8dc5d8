"""ComBat: against the published algorithm by hand, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest

from app.cohort.learn.combat import Combat
from app.core.errors import AppError


def two_sites(seed=0, features=200):
    rng = np.random.default_rng(seed)
    shift, scale = rng.normal(1.0, 0.3, features), np.sqrt(rng.gamma(20, 0.1, features))
    sites = ["a"] * 30 + ["b"] * 24
    rows = rng.standard_normal((54, features))
    rows[30:] = shift + scale * rows[30:]
    return rows, sites


def test_that_sites_become_alike():
    rows, sites = two_sites()
    found = Combat.fit(rows, sites).apply(rows, sites)
    a, b = found[:30], found[30:]
    assert np.abs(rows[:30].mean(0) - rows[30:].mean(0)).mean() > 0.8
    assert abs((a.mean(0) - b.mean(0)).mean()) < 0.03
    assert np.abs(np.log(a.var(0) / b.var(0))).mean() < 0.3


def test_that_the_fit_solves_the_equations_of_the_paper():
    rows, sites = two_sites(1)
    found = Combat.fit(rows, sites)
    unit = (rows[30:] - found.mean) / found.spread
    located, varied = unit.mean(0), unit.var(0, ddof=1)
    gamma_bar, tau = located.mean(), located.var(ddof=1)
    m, s = varied.mean(), varied.var(ddof=1)
    shape, rate = (2 * s + m**2) / s, (m * s + m**3) / s
    gamma, delta = found.shift[1], found.scale[1] ** 2
    np.testing.assert_allclose(
        gamma, (24 * tau * located + delta * gamma_bar) / (24 * tau + delta), rtol=1e-4
    )
    squares = ((unit - gamma) ** 2).sum(0)
    np.testing.assert_allclose(delta, (0.5 * squares + rate) / (12 + shape - 1), rtol=1e-4)


def test_that_values_of_test_people_do_not_matter():
    rows, sites = two_sites()
    fitted = Combat.fit(rows[:50], sites[:50])
    again = rows.copy()
    again[50:] += 100.0
    other = Combat.fit(again[:50], sites[:50])
    np.testing.assert_array_equal(fitted.shift, other.shift)
    np.testing.assert_array_equal(fitted.scale, other.scale)


def test_that_a_new_scanner_cannot_be_served():
    rows, sites = two_sites()
    fitted = Combat.fit(rows, sites)
    with pytest.raises(AppError, match="'c' was not among"):
        fitted.apply(rows[:1], ["c"])
    with pytest.raises(AppError, match="'b' has 9 training people"):
        Combat.fit(rows[:39], sites[:39])
    with pytest.raises(AppError, match="one site only"):
        Combat.fit(rows[:30], sites[:30])
