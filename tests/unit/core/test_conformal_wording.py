"""The second line below a probability: never without its level, never without a number."""

from __future__ import annotations

import dataclasses

import pytest

from app.core.conformal_wording import NO_CONFORMAL_SET, conformal_text
from app.core.results import ConformalSet, Outcome
from tests.unit.core.test_wording import FORBIDDEN, RESULT


@pytest.mark.parametrize(
    ("responder", "non_responder", "told"),
    [
        (True, False, "{R} – this score is usual for responders only"),
        (False, True, "{NR} – this score is usual for non-responders only"),
        (True, True, "{both} – this score is usual for responders and for non-responders"),
        (False, False, "{} – this score is unusual for responders and for non-responders"),
    ],
)
def test_that_the_set_comes_with_level_and_what_its_calibration_allows(
    responder, non_responder, told
):
    found = ConformalSet(responder, non_responder, 0.9, (0.805, 0.9985), 17)
    text = conformal_text(dataclasses.replace(RESULT, conformal=found))
    assert text.startswith(f"Conformal set at 90 %: {told}")
    assert "17 calibration participants in the smaller class" in text
    assert "true coverage of 81 to over 99 of 100 (95 % range)" in text
    assert not FORBIDDEN.search(text)


def test_that_its_absence_is_said_and_nothing_is_said_without_a_number():
    assert conformal_text(RESULT) == NO_CONFORMAL_SET
    found = ConformalSet(True, False, 0.9, (0.8, 1.0), 17)
    withheld = dataclasses.replace(RESULT, outcome=Outcome.WITHHELD, conformal=found)
    assert conformal_text(withheld) == ""
    assert "{R}" in conformal_text(dataclasses.replace(withheld, research_only=True))
