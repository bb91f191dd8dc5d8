"""Which classes a probability leaves open, and thresholds from counted probabilities."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from app.cohort.learn.conformal import threshold_of
from app.core.resources import model_weights_path
from app.models.card import parse_card
from app.models.conformal_set import ConformalFields, conformal_set, thresholds_of_histogram

FIELDS = {
    "level": 0.9, "responder_from": 0.3, "non_responder_to": 0.6, "calibration_responders": 17,
    "calibration_non_responders": 21, "coverage_range": [0.8, 1.0], "source": "held-out people",
}  # fmt: skip


@pytest.mark.parametrize(
    ("probability", "responder", "non_responder"),
    [(0.29, False, True), (0.3, True, True), (0.6, True, True), (0.61, True, False)],
)
def test_that_a_class_is_in_the_set_from_its_own_value_on(probability, responder, non_responder):
    found = conformal_set(ConformalFields.model_validate(FIELDS), probability)
    assert found is not None
    assert (found.responder, found.non_responder) == (responder, non_responder)
    assert (found.level, found.coverage_range, found.calibration_people) == (0.9, (0.8, 1.0), 17)


def test_that_values_that_leave_a_gap_give_the_empty_set_and_no_table_gives_none():
    gap = ConformalFields.model_validate(FIELDS | {"responder_from": 0.7, "non_responder_to": 0.4})
    found = conformal_set(gap, 0.5)
    assert found is not None and not found.responder and not found.non_responder
    assert conformal_set(None, 0.5) is None


def test_that_counted_probabilities_give_thresholds_that_are_never_too_narrow():
    rng = np.random.default_rng(4)
    edges = np.linspace(0, 1, 11)
    for _ in range(50):
        yes, no = rng.beta(3, 2, rng.integers(5, 40)), rng.beta(2, 3, rng.integers(5, 40))
        low, high = thresholds_of_histogram(
            edges, np.histogram(yes, edges)[0], np.histogram(no, edges)[0], 0.9
        )
        exact_low, exact_high = threshold_of(yes, 0.9), 1.0 - threshold_of(1.0 - no, 0.9)
        assert low <= max(exact_low, 0.0) < low + 0.1 + 1e-9
        assert high >= min(exact_high, 1.0) > high - 0.1 - 1e-9


def test_that_too_few_people_leave_every_class_open():
    assert thresholds_of_histogram([0, 0.5, 1], [0, 5], [5, 0], 0.9) == (0.0, 1.0)


def test_that_the_delivered_card_has_what_its_own_histogram_gives():
    card = tomllib.loads((model_weights_path() / "simulated-demo" / "card.toml").read_text())
    counts, stated = card["histogram"], card["conformal"]
    low, high = thresholds_of_histogram(
        counts["edges"], counts["responder"], counts["non_responder"], stated["level"]
    )
    assert (stated["responder_from"], stated["non_responder_to"]) == pytest.approx((low, high))
    assert stated["calibration_responders"] == sum(counts["responder"])
    assert stated["calibration_non_responders"] == sum(counts["non_responder"])
    covered = sum(n for n, e in zip(counts["responder"], counts["edges"], strict=False) if e >= low)
    assert covered >= 0.9 * sum(counts["responder"])


def test_that_a_card_of_people_may_not_carry_somebodys_own_score():
    import tomli_w

    from app.core.errors import ModelError
    from tests.unit.models.bundled import card_of

    card = card_of("pearson-logistic")
    card["model"]["simulated"] = False
    card["training"]["sites"] = [{"name": "a", "count": card["training"]["count"]}]
    card["golden"] = []
    card["conformal"] = FIELDS
    parse_card(tomli_w.dumps(card).encode())
    card["conformal"] = FIELDS | {"responder_from": 0.3123}
    with pytest.raises(ModelError, match="nobody's own score"):
        parse_card(tomli_w.dumps(card).encode())
