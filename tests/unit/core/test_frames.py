"""Frames in words and back."""

from __future__ import annotations

import pytest

from app.core.errors import AppError
from app.core.frames import frames_of_text, frames_text


def test_that_runs_of_frames_are_told_by_their_ends() -> None:
    assert frames_text([120, 41, 40, 42, 42]) == "40–42, 120"
    assert frames_text([]) == ""


def test_that_words_give_the_frames_back() -> None:
    assert frames_of_text(" 40-42, 120 ") == (40, 41, 42, 120)
    assert frames_of_text(frames_text((3, 4, 9))) == (3, 4, 9)
    assert frames_of_text("") == ()


@pytest.mark.parametrize("text", ["a", "4-", "9-4", "1,,2", "-3", "1.5"])
def test_that_words_that_name_no_frames_are_refused(text: str) -> None:
    with pytest.raises(AppError) as refusal:
        frames_of_text(text)
    assert refusal.value.code == "frames.text"
