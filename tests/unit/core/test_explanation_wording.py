"""What is said about an explanation, and when its two methods do not support each other."""

from __future__ import annotations

import numpy as np
import pytest

from app.core import wording
from app.core.explanation_health import Sensitivity, Variant
from app.core.explanation_wording import (
    agreement_text,
    agrees_poorly,
    caption,
    card_health_lines,
)
from app.core.results import Attribution, BranchAttribution


def attribution(agreement: float, apart: int, parcels: int = 426) -> Attribution:
    branch = BranchAttribution(
        "m", np.zeros(parcels), np.zeros((parcels, 3)), np.zeros((parcels, parcels)), 0, 0, 8, True
    )
    disagreeing = np.arange(parcels) < apart
    return Attribution("t", branch, branch, agreement, disagreeing, "mean")


@pytest.mark.parametrize(
    ("agreement", "apart", "poor"),
    [
        (0.83, 3, False),
        (0.50, 213, False),
        (0.49, 3, True),
        (0.83, 214, True),
        (0.19, 225, True),
        (float("nan"), 0, True),
    ],
)
def test_that_agreement_has_one_limit(agreement: float, apart: int, poor: bool) -> None:
    assert agrees_poorly(attribution(agreement, apart)) is poor


def test_that_the_caption_says_what_a_map_is_and_is_not() -> None:
    words = caption(attribution(0.19, 225))
    for needed in (
        "not a cause of response",
        "do not support each other: Spearman +0.19 (limit 0.5)",
        "225 of 426 parcels disagree (limit 50 %)",
        "Red moved the estimate up, blue moved it down",
        "Hatched",
    ):
        assert needed in words
    assert wording.ATTRIBUTION_WARNING in words


def test_that_agreeing_methods_are_said_with_their_numbers() -> None:
    expected = "(a) and (b) agree: Spearman +0.83; 3 of 426 parcels disagree (1 %)."
    assert agreement_text(attribution(0.83, 3)) == expected


@pytest.mark.parametrize(("agreement", "apart"), [(0.56, 159), (0.83, 43), (0.7, 3)])
def test_that_methods_between_the_limits_agree_only_in_part(agreement: float, apart: int) -> None:
    told = agreement_text(attribution(agreement, apart))
    assert told.startswith("(a) and (b) agree only in part: Spearman +0.")
    assert told.endswith(f"; {apart} of 426 parcels disagree ({round(100 * apart / 426)} %).")


def sensitivity(*values: float) -> Sensitivity:
    found = tuple(Variant("Token order", f"random order {i}", v) for i, v in enumerate(values))
    return Sensitivity(as_made=0.4, cutoff=0.0, variants=found)


def test_that_the_card_says_how_many_variants_cross_the_cut_off() -> None:
    def said(*values: float) -> str:
        return card_health_lines(attribution(0.8, 3), None, sensitivity(*values), None)[-1]

    assert said(0.1, 0.5) == "None of 2 variants crosses the cut-off"
    assert said(0.1, -0.2, 0.3) == (
        "1 of 3 variants crosses the cut-off: token order random order 1"
    )
    assert said(-0.1, -0.2, 0.3).startswith("2 of 3 variants cross the cut-off: ")
