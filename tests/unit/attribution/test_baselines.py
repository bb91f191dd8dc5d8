"""An explanation as seen from one baseline: values, stability and agreement known by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from app.attribution.agreement import agreement_of
from app.attribution.baselines import seen_from, square
from app.core.explanation_health import (
    BASELINES,
    OWN_BASELINE,
    ExplanationHealth,
    Repeat,
    Spread,
)
from app.core.results import Attribution, BranchAttribution

# Three parcels, two frames; pairs in the order (0, 1), (0, 2), (1, 2).
PAIRS_A, PAIRS_B = (0.2, -0.1, 0.4), (0.1, 0.3, -0.2)
PARCELS_A, PARCELS_B = (0.6, -0.3, 0.1), (0.2, 0.5, -0.4)


def branch(parcels: tuple[float, ...], pairs: tuple[float, ...]) -> BranchAttribution:
    matrix = square(np.array(pairs))
    series = np.array(parcels) - 0.5 * matrix.sum(axis=1)
    return BranchAttribution(
        "method", series, np.stack([series, 0 * series], axis=1), matrix, 0.001, 0.4, 7, True
    )


@pytest.fixture
def attribution() -> Attribution:
    mean = tuple(np.mean([PARCELS_A, PARCELS_B], axis=0).tolist())
    pairs = tuple(np.mean([PAIRS_A, PAIRS_B], axis=0).tolist())
    return Attribution(
        "target",
        branch((0.3, -0.2, 0.25), (0.0, 0.1, -0.3)),
        branch(mean, pairs),
        0.5,
        np.array([False, True, False]),
        "reference",
    )


@pytest.fixture
def health(attribution: Attribution) -> ExplanationHealth:
    def one(name: str, parcels: tuple[float, ...], pairs: tuple[float, ...] | None) -> Repeat:
        return Repeat(
            BASELINES,
            name,
            np.array(parcels, np.float32),
            0.9,
            0.8,
            0.7,
            0.01,
            3,
            None if pairs is None else np.array(pairs, np.float32),
            None if pairs is None else np.zeros((3, 2), np.float32),
        )

    return ExplanationHealth(
        (
            one("reference 1 of 2 alone", PARCELS_A, PAIRS_A),
            one("reference 2 of 2 alone", PARCELS_B, PAIRS_B),
            one(OWN_BASELINE, tuple(attribution.branches.per_parcel.tolist()), None),
        ),
        np.array([0.9, 0.2, 0.7], np.float32),
        np.full((3, 3), 0.9, np.float32),
        (),
        (),
        "",
        (),
        elsewhere=Spread(np.full(3, 0.02, np.float32), np.full(3, 0.03, np.float32), 2),
    )


def test_that_the_map_is_the_baselines_own(
    attribution: Attribution, health: ExplanationHealth
) -> None:
    found = seen_from(attribution, health, 0)
    assert found is not None
    np.testing.assert_allclose(found[0].scan.per_parcel, PARCELS_A, atol=1e-6)
    np.testing.assert_allclose(found[0].scan.per_connection[[0, 0, 1], [1, 2, 2]], PAIRS_A)
    np.testing.assert_allclose(found[0].scan.per_connection, found[0].scan.per_connection.T)
    assert found[0].branches is attribution.branches
    assert (found[0].scan.output_difference, found[0].scan.nodes) == (0.7, 3)


def test_that_its_stability_is_about_itself(
    attribution: Attribution, health: ExplanationHealth
) -> None:
    found = seen_from(attribution, health, 0)
    assert found is not None
    a, b, own = (np.array(v) for v in (PARCELS_A, PARCELS_B, (0.3, -0.2, 0.25)))
    spread = np.sqrt((((a - b) ** 2 + (a - own) ** 2) / 2.0 + 0.02) / 2.0)
    np.testing.assert_allclose(found[1].stability, abs(a) / (abs(a) + spread), rtol=1e-5)
    pair = (0.4, -0.2, -0.3)  # of parcels 1 and 2 in all three
    wide = np.sqrt((((pair[0] - pair[1]) ** 2 + (pair[0] - pair[2]) ** 2) / 2.0 + 0.03) / 2.0)
    assert found[1].connection_stability[1, 2] == pytest.approx(0.4 / (0.4 + wide), rel=1e-5)
    assert found[1].connection_stability[2, 1] == found[1].connection_stability[1, 2]


def test_that_agreement_is_with_method_a(
    attribution: Attribution, health: ExplanationHealth
) -> None:
    found = seen_from(attribution, health, 1)
    assert found is not None
    expected = spearmanr(PARCELS_B, (0.3, -0.2, 0.25)).statistic
    assert found[0].agreement == pytest.approx(expected)
    _, apart = agreement_of(np.array((0.3, -0.2, 0.25)), np.array(PARCELS_B), np.ones(3, bool))
    np.testing.assert_array_equal(found[0].disagreeing, apart)
    own = seen_from(attribution, health, 2)
    assert own is not None
    assert own[0].scan is attribution.branches
    assert own[0].agreement == attribution.agreement  # not of (a) with itself


def test_that_older_cases_have_no_map_to_draw(
    attribution: Attribution, health: ExplanationHealth
) -> None:
    assert seen_from(attribution, replace(health, elsewhere=None), 0) is None
    assert seen_from(attribution, health, 3) is None
    bare = tuple(replace(one, per_pair=None, per_parcel_frame=None) for one in health.repeats)
    assert seen_from(attribution, replace(health, repeats=bare), 0) is None
