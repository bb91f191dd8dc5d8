"""Stages as people read them."""

from __future__ import annotations

import pytest

from app.core.progress import stage_words
from app.preprocessing.steps import STEPS


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("steady_state", "Steady state"),
        ("brain_mask", "Brain mask"),
        ("template_run", "Run in the template"),
        ("Verify brainlm_13m-x", "Verify brainlm_13m-x"),
        ("", ""),
    ],
)
def test_that_a_stage_is_named_in_words(name: str, words: str) -> None:
    assert stage_words(name) == words


def test_that_no_step_shows_its_identifier() -> None:
    for step in STEPS:
        assert "_" not in stage_words(step.name)
        assert stage_words(step.name)[0].isupper()
