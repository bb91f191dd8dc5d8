"""Quick versions of the cohort studies: few cohorts, so only what must always hold is asserted.

The large ones, which say how often, are run by command; `cohorts.md` holds their figures.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.cohort.experiments.simulated import correlation, fitted_series, network_pairs
from app.simulation.cohort import CohortSettings, draw_participant
from app.simulation.signature import parcel_table
from tests.accuracy import cohorts
from tests.accuracy.cohort_attribution import (
    REACHED,
    attribution_record,
    summarise_attribution,
)
from tests.accuracy.cohort_novelty import corruption_record, false_alarms, guarded
from tests.accuracy.cohort_pool import CHUNK, Pool, network_dynamics, pool_of
from tests.accuracy.corruptions import KINDS, SEVERITIES

PEOPLE = CHUNK  # of the quick pool
LEARNT_FROM, ASKED = 1000, 500  # where the model reaches its oracle
KEPT = Path(__file__).resolve().parents[1] / "reference" / "cohort_pool"  # 1500 people, made here
TESTED = 100


@pytest.fixture(scope="module")
def pool() -> Pool:
    return pool_of(CohortSettings(seed=cohorts.SEED), PEOPLE, KEPT)


def test_that_the_kept_pool_is_what_the_simulator_makes_and_holds_what_was_planted(
    pool: Pool,
) -> None:
    whole = pool_of(CohortSettings(seed=cohorts.SEED), LEARNT_FROM + ASKED, KEPT)
    for index in (0, 7, 249, 1000, 1499):
        truth = draw_participant(CohortSettings(seed=cohorts.SEED), index)
        series = fitted_series(truth)
        pairs = network_pairs(correlation(series)[None], parcel_table().network_of)
        np.testing.assert_allclose(pairs[0], whole.connectivity[index], rtol=1e-5)
        np.testing.assert_allclose(network_dynamics(series), whole.dynamics[index], rtol=1e-5)
        assert bool(truth.responder) == whole.responder[index]
        assert truth.age_years == whole.age_years[index]
    for trait in (0, 1):
        assert np.corrcoef(pool.oracle[:, trait], pool.traits[:, trait])[0, 1] > 0.6


def test_that_p_of_null_cohorts_is_not_small_more_often_than_it_may(
    pool: Pool, tmp_path: Path
) -> None:
    records = [
        cohorts.null_record(
            pool, seed, tmp_path, people=32, permutations=1, of_covariates=39, upto=PEOPLE
        )
        for seed in range(1, 11)
    ]
    p = np.array([record["covariates"]["p"] for record in records])
    assert (p <= 0.05).sum() <= 3  # of 10: more happens once in a thousand if the test is valid
    assert 0.15 < p.mean() < 0.85
    for record in records:
        assert record["fused"]["p"] in (0.5, 1.0)  # one permutation: its whole grid


def test_that_calibration_and_conformal_sets_are_right_on_average(pool: Pool) -> None:
    upto = PEOPLE - TESTED
    slopes, covered = [], []
    for seed in range(1, 7):
        one = cohorts.calibration_record(pool, seed, people=100, upto=upto, tested=TESTED)
        other = cohorts.conformal_record(pool, seed, people=80, upto=upto, tested=TESTED)
        slopes.append(one["slope"])
        covered.append(other["coverage"])
        assert one["auroc"] > 0.6
        assert other["both"] + other["empty"] <= 1.0
    assert 0.4 < np.median(slopes) < 2.5
    assert np.mean(covered) == pytest.approx(0.9, abs=0.07)


def test_that_a_covariate_that_carries_the_label_is_flagged(pool: Pool, tmp_path: Path) -> None:
    """The pool's own label has nothing to do with covariates; each is made to carry it in turn."""
    rng = np.random.default_rng(3)
    part = pool.rows(np.arange(120))
    side = np.where(part.responder, 1.0, -1.0)
    moved = {
        "none": part,
        "age": _changed(part, age_years=55 + 10 * side + 8 * rng.standard_normal(120)),
        "baseline_pain": _changed(part, baseline_pain=6 + side + rng.standard_normal(120)),
        "motion": _changed(
            part, mean_fd_mm=0.2 * np.exp(0.4 * side + 0.3 * rng.standard_normal(120))
        ),
        "site": _changed(
            part, site=np.where(rng.random(120) < 0.5 + 0.35 * side, "site-1", "site-2")
        ),
    }
    found = cohorts.confound_record(moved, 1, tmp_path, people=100)
    for name in cohorts.CONFOUNDS:
        assert found[name][name], name
    assert sum(found["none"].values()) <= 1


def _changed(pool: Pool, **columns: np.ndarray) -> Pool:
    return Pool(**{**{n: getattr(pool, n) for n in pool.__dataclass_fields__}, **columns})


def test_that_a_model_that_reaches_its_oracle_is_explained_by_what_was_planted() -> None:
    """Magnitude on suppressors is told beside it: whoever reads a label well subtracts them."""
    pool = pool_of(CohortSettings(seed=cohorts.SEED), LEARNT_FROM + ASKED, KEPT)
    records = [
        attribution_record(pool, seed, people=LEARNT_FROM, tested=ASKED, explained=6)
        for seed in (1, 2)
    ]
    for found in records:
        assert found["auroc"] >= found["oracle"] - REACHED > 0.75
        assert found["converged"] == found["explained"]
        assert found["connections"] >= 0.9  # among all, suppressors too
        assert found["parcels_but_suppressors"] >= 0.9
        assert found["other_connections"] <= 0.2
        assert 0.3 <= found["suppressor_connections"] <= 0.8
        assert 0.4 <= found["suppressor_parcels"] <= 1.2
    (line,) = summarise_attribution(records)
    assert "(reached)" in line and "suppressors beside planted: connections 0." in line


def test_that_a_model_that_learnt_nothing_explains_nothing_planted() -> None:
    """The ranks above are no gift of the maps: labels drawn at random lose them."""
    pool = pool_of(CohortSettings(seed=cohorts.SEED), LEARNT_FROM + ASKED, KEPT)
    label = np.random.default_rng(4).permutation(pool.responder)
    found = attribution_record(
        _changed(pool, responder=label), 1, people=LEARNT_FROM, tested=ASKED, explained=2
    )
    assert found["auroc"] < 0.6
    assert found["connections"] < 0.8
    assert found["parcels_but_suppressors"] < 0.8


def test_that_gross_corruptions_that_move_the_answer_are_caught() -> None:
    assert len(KINDS) >= 30 and len(SEVERITIES) == 5
    model = guarded(60, 801)
    rows = corruption_record(model, 1)["rows"]
    gross = [row for row in rows if row[1] >= 4 and row[2]]
    assert len(gross) >= 15
    assert sum(row[3] for row in gross) >= 0.8 * len(gross)
    assert false_alarms(model, 20, 900) <= 0.3
