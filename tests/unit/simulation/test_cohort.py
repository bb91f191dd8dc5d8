"""Who takes part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.core.errors import AppError
from app.simulation.cohort import CohortSettings, draw_cohort, draw_participant


def test_that_a_participant_depends_on_seed_and_index_alone() -> None:
    few, many = CohortSettings(count=3, seed=12), CohortSettings(count=50, seed=12)
    assert draw_cohort(few) == draw_cohort(many)[:3]
    assert draw_participant(many, 7) == draw_cohort(many)[7]
    assert draw_participant(replace(few, seed=13), 1) != draw_participant(few, 1)


def test_that_the_base_rate_is_about_45_percent() -> None:
    labels = [p.responder for p in draw_cohort(CohortSettings(count=2000, seed=1))]
    assert 0.41 < np.mean(labels) < 0.49


def test_that_traits_are_separated_by_the_fixed_effect_and_covariates_are_not() -> None:
    people = draw_cohort(CohortSettings(count=2000, seed=2))
    labels = np.array([p.responder for p in people])
    for name, low, high in (
        ("trait_connectivity", 1.25, 1.55),
        ("trait_dynamics", 1.25, 1.55),
        ("suppressor_connectivity", -0.12, 0.12),
        ("suppressor_dynamics", -0.12, 0.12),
        ("age_years", -2, 2),
        ("baseline_pain", -0.25, 0.25),
        ("motion_level", -0.06, 0.06),
    ):
        values = np.array([getattr(p, name) for p in people])
        assert low < values[labels].mean() - values[~labels].mean() < high, name


@pytest.mark.parametrize(
    ("confound", "field"),
    [("age", "age_years"), ("baseline_pain", "baseline_pain"), ("motion", "motion_level")],
)
def test_that_a_confound_differs_between_the_groups(confound: str, field: str) -> None:
    people = draw_cohort(CohortSettings(count=800, seed=3, confound=confound))
    labels = np.array([p.responder for p in people])
    values = np.array([getattr(p, field) for p in people])
    pooled = np.sqrt(0.5 * (values[labels].var() + values[~labels].var()))
    assert 0.75 < (values[labels].mean() - values[~labels].mean()) / pooled < 1.2


def test_that_site_and_sex_can_be_confounded() -> None:
    for confound, field, value in (("site", "site", "site-1"), ("sex", "sex", "F")):
        people = draw_cohort(CohortSettings(count=800, seed=3, confound=confound))
        share = [
            np.mean([getattr(p, field) == value for p in people if p.responder is label])
            for label in (True, False)
        ]
        assert 0.3 < share[0] - share[1] < 0.5


def test_that_pain_agnostic_participants_have_no_label() -> None:
    people = draw_cohort(CohortSettings(count=400, seed=4, labelled=False))
    assert {p.responder for p in people} == {None}
    assert abs(np.mean([p.trait_connectivity for p in people])) < 0.2
    assert abs(np.std([p.trait_connectivity for p in people]) - 1.0) < 0.12


@pytest.mark.parametrize("wrong", [{"confound": "shoe size"}, {"count": 0}, {"frames": 1}])
def test_that_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AppError) as caught:
        CohortSettings(**wrong)  # type: ignore[arg-type]
    assert caught.value.code == "simulation.settings"
