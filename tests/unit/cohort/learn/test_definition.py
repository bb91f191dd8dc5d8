"""Responder definitions: reading, computing by hand, refusing."""

from __future__ import annotations

import numpy as np
import pytest

from app.cohort.learn.definition import Outcome, parse_definition, refuse_contradictions
from app.core.errors import AppError


@pytest.mark.parametrize(
    ("text", "scale", "direction", "threshold", "unit"),
    [
        ("VAS fall >= 30 %", "VAS", "decrease", 30.0, "percent"),
        ("NRS reduction ≥ 2 points", "NRS", "decrease", 2.0, "absolute"),
        ("post VAS < 4", "VAS", "below", 4.0, "absolute"),
        ("McGill total decrease >= 50 percent", "McGill total", "decrease", 50.0, "percent"),
        ("walking distance rise >= 20%", "walking distance", "increase", 20.0, "percent"),
        ("quality of life > 70", "quality life", "above", 70.0, "absolute"),
    ],
)
def test_that_words_are_read(text, scale, direction, threshold, unit):
    found = parse_definition(text)
    assert (found.scale, found.direction, found.threshold, found.unit) == (
        scale, direction, threshold, unit,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "better", "VAS fall > 30 %", "VAS >= 30 %", "VAS <= 4", "fall >= 30 %",
     "VAS fall >= 130 %", "VAS fall rise >= 3", "VAS fall >= 0 points"],
)  # fmt: skip
def test_that_ambiguous_words_are_refused(text):
    with pytest.raises(AppError) as refused:
        parse_definition(text)
    assert refused.value.code == "cohort.definition"


def test_that_labels_are_those_computed_by_hand():
    outcome = Outcome(
        "post",
        np.array([7.0, 4.27, 3.9, 5.0, np.nan, 0.0]),
        np.array([10.0, 6.1, 4.0, 0.0, 8.0, 4.0]),
        lower_is_better=True,
    )
    # 30.0 %, 30.0 % but for rounding, 2.5 %, no baseline pain, unknown, 100 %
    np.testing.assert_array_equal(
        outcome.responders(parse_definition("VAS fall >= 30 %")), [1, 1, 0, np.nan, np.nan, 1]
    )
    np.testing.assert_array_equal(
        outcome.responders(parse_definition("VAS < 4")), [0, 0, 1, 0, np.nan, 1]
    )
    np.testing.assert_array_equal(
        outcome.responders(parse_definition("VAS fall >= 3 points")), [1, 0, 0, 0, np.nan, 1]
    )


def test_that_one_who_falls_by_half_also_falls_by_a_third():
    rng = np.random.default_rng(0)
    outcome = Outcome("post", rng.uniform(0, 10, 50), rng.uniform(4, 10, 50), True)
    low, high = (
        outcome.responders(parse_definition(f"VAS fall >= {percent} %")) for percent in (30, 50)
    )
    assert 0 < high.sum() < low.sum()
    assert not (high > low).any()


def test_that_higher_can_be_better():
    outcome = Outcome("post", np.array([8.0, 6.0]), np.array([5.0, 5.5]), lower_is_better=False)
    np.testing.assert_array_equal(
        outcome.responders(parse_definition("function rise >= 2 points")), [1, 0]
    )
    with pytest.raises(AppError, match="opposite"):
        outcome.responders(parse_definition("function fall >= 2 points"))


def test_that_a_percent_column_cannot_tell_a_state():
    outcome = Outcome("percent_improvement", np.array([20.0, 40.0]), None, True)
    np.testing.assert_array_equal(outcome.responders(parse_definition("VAS fall >= 30 %")), [0, 1])
    for text in ("VAS < 4", "VAS fall >= 2 points"):
        with pytest.raises(AppError, match="cannot be computed"):
            outcome.responders(parse_definition(text))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("VAS fall >= 30 %", "NRS fall >= 30 %"), "mix"),
        (("VAS fall >= 30 %", "VAS rise >= 30 %"), "contradict"),
        (("VAS fall >= 30 %", "VAS reduction >= 30 percent"), "twice"),
    ],
)
def test_that_mixed_definitions_are_refused(texts, words):
    with pytest.raises(AppError, match=words):
        refuse_contradictions([parse_definition(text) for text in texts])
