"""The second line below a probability: never without its level, never without a number."""

from __future__ import annotations

import dataclasses
import re

import pytest

from app.core.conformal_wording import NO_CONFORMAL_SET, conformal_text
from app.core.results import ConformalSet, Outcome
from tests.unit.core.test_wording import FORBIDDEN, RESULT


@pytest.mark.parametrize(
    ("responder", "non_responder", "told"),
    [
        (True, False, "compatible with a response, and unusual without one."),
        (False, True, "compatible with no response, and unusual with one."),
        (True, True, "compatible with a response and with none:"),
        (False, False, "unusual with a response and without one:"),
    ],
)
def test_that_the_set_comes_with_level_and_what_its_calibration_allows(
    responder, non_responder, told
):
    found = ConformalSet(responder, non_responder, 0.9, (0.805, 0.9985), 17)
    text = conformal_text(dataclasses.replace(RESULT, conformal=found))
    assert text.startswith(f"Second check (conformal set, 90 % level): scores like this are {told}")
    assert "17 calibration participants in the smaller class" in text
    assert "true coverage of 81 to over 99 of 100 (95 % range)" in text
    assert not FORBIDDEN.search(text)


def test_that_its_absence_is_said_and_nothing_is_said_without_a_number():
    assert conformal_text(RESULT) == NO_CONFORMAL_SET
    found = ConformalSet(True, False, 0.9, (0.8, 1.0), 17)
    withheld = dataclasses.replace(RESULT, outcome=Outcome.WITHHELD, conformal=found)
    assert conformal_text(withheld) == ""
    overridden = conformal_text(dataclasses.replace(withheld, research_only=True))
    assert "compatible with a response" in overridden
    assert "Not a verdict" in overridden


@pytest.mark.parametrize("responder", [True, False])
@pytest.mark.parametrize("non_responder", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.RESULT, Outcome.INCONCLUSIVE])
def test_that_a_set_never_reads_as_a_class_or_a_verdict(responder, non_responder, outcome):
    found = ConformalSet(responder, non_responder, 0.9, (0.805, 0.9985), 17)
    text = conformal_text(dataclasses.replace(RESULT, outcome=outcome, conformal=found))
    assert "Not a verdict:" in text
    assert not re.search(r"[{}]|\bnon-responder|\bresponder|\bonly\b|will ", text)
    spans = "the answer stays inconclusive, as its interval says." in text
    assert spans is (outcome is Outcome.INCONCLUSIVE)
