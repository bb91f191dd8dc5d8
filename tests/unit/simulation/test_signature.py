"""The planted sets, and what an oracle can read."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from app.simulation.cohort import CohortSettings, draw_cohort
from app.simulation.series import parcel_series
from app.simulation.signature import (
    CONNECTIVITY_NETWORKS,
    DYNAMICS_NETWORKS,
    auroc,
    coupling,
    in_networks,
    oracle_score,
    oracle_traits,
    parcel_table,
    planted_signature,
    slow_fast_log_ratio,
)


def oracle_auroc(settings: CohortSettings) -> float:
    people = draw_cohort(settings)
    scores = [
        oracle_score(parcel_series(person, settings.frames, settings.repetition_time_s), 2.0)
        for person in people
    ]
    return auroc(np.array(scores), np.array([person.responder for person in people]))


def test_that_the_table_has_426_parcels_in_mirror_pairs() -> None:
    table = parcel_table()
    assert len(table.names) == 426
    assert (table.mirror_of[table.mirror_of] == np.arange(426)).all()
    assert (table.mirror_of != np.arange(426)).all()
    left = np.array(table.hemispheres) == "L"
    assert (left != left[table.mirror_of]).all()
    assert (table.centroids_mm[left, 0] < 4).all()


def test_that_planted_sets_are_whole_networks_and_disjoint() -> None:
    planted = planted_signature()
    table = parcel_table()
    assert {table.networks[i] for i in np.flatnonzero(planted.connectivity_parcels)} == {
        "Ventral Attention",
        "Somatomotor",
    }
    assert {table.networks[i] for i in np.flatnonzero(planted.dynamics_parcels)} == {
        "Frontoparietal",
        "Thalamus",
    }
    sets = (planted.connectivity_parcels, planted.dynamics_parcels, planted.suppressor_parcels)
    assert (np.sum(sets, axis=0) <= 1).all()
    assert (planted.connectivity_edges == planted.connectivity_edges.T).all()
    assert planted.connectivity_edges.sum() == 2 * 44 * 56
    assert not (planted.connectivity_edges & planted.suppressor_edges).any()


def test_that_what_is_switched_off_is_not_listed() -> None:
    planted = planted_signature(connectivity=False)
    assert not planted.connectivity_parcels.any()
    assert not planted.connectivity_edges.any()
    assert planted.dynamics_parcels.any()


def test_that_the_oracle_reads_the_default_strength_between_085_and_095() -> None:
    assert 0.85 <= oracle_auroc(CohortSettings(count=500, seed=5)) <= 0.95


def test_that_a_null_cohort_carries_no_label() -> None:
    # 200 people: the standard error of an AUROC of 0.5 is 0.041
    assert abs(oracle_auroc(CohortSettings(count=200, seed=6, null=True)) - 0.5) < 0.13


@pytest.mark.parametrize("off", ["connectivity", "dynamics"])
def test_that_each_trait_can_be_switched_off(off: str) -> None:
    settings = CohortSettings(count=200, seed=8, **{f"{off}_strength": 0.0})
    people = draw_cohort(settings)
    traits = np.array([oracle_traits(parcel_series(p, 240, 2.0), 2.0) for p in people])
    labels = np.array([p.responder for p in people])
    values = {
        "connectivity": auroc(traits[:, 0], labels),
        "dynamics": auroc(traits[:, 1], labels),
    }
    assert abs(values.pop(off) - 0.5) < 0.13
    assert values.popitem()[1] > 0.68


def test_that_suppressors_move_the_observables_and_can_be_subtracted() -> None:
    people = draw_cohort(CohortSettings(count=150, seed=9))
    series = [parcel_series(p, 240, 2.0) for p in people]
    raw = np.array(
        [
            [coupling(x, *CONNECTIVITY_NETWORKS) for x in series],
            [slow_fast_log_ratio(x, in_networks(*DYNAMICS_NETWORKS), 2.0) for x in series],
        ]
    )
    freed = np.array([oracle_traits(x, 2.0) for x in series]).T
    shared = np.array([[p.suppressor_connectivity, p.suppressor_dynamics] for p in people]).T
    for branch in range(2):
        assert np.corrcoef(raw[branch], shared[branch])[0, 1] > 0.3
        assert abs(np.corrcoef(freed[branch], shared[branch])[0, 1]) < 0.25


def test_that_auroc_agrees_with_scikit_learn_with_ties() -> None:
    rng = np.random.default_rng(0)
    scores, labels = np.round(rng.standard_normal(71), 1), rng.random(71) < 0.4
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
