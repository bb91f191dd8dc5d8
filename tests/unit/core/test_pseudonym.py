"""One rule for pseudonyms and visits."""

from __future__ import annotations

import pytest

from app.core.errors import AppError
from app.core.pseudonym import participant_label, session_label


@pytest.mark.parametrize(
    ("typed", "label"), [("", ""), ("  ", ""), ("07", "sub-07"), (" sub-07 ", "sub-07")]
)
def test_that_a_pseudonym_gets_its_prefix(typed: str, label: str) -> None:
    assert participant_label(typed) == label
    assert session_label(typed.replace("sub", "ses")) == label.replace("sub", "ses")


@pytest.mark.parametrize("typed", ["Anna Meier", "a_b", "sub-", "sub-a-b", "é", "../x", "1" * 41])
def test_that_what_is_no_pseudonym_is_refused(typed: str) -> None:
    with pytest.raises(AppError, match="letters and digits") as refusal:
        participant_label(typed)
    assert refusal.value.code == "participant.label"
    with pytest.raises(AppError, match="letters and digits"):
        session_label(typed)
