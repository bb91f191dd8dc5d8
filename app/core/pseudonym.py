"""Pseudonyms of participants and names of visits in BIDS spelling, one rule for every door."""

from __future__ import annotations

import re

from app.core.errors import AppError

_WORD = re.compile(r"[A-Za-z0-9]{1,40}")


def participant_label(text: str) -> str:
    """A pseudonym as ``sub-…``, or "" for none.

    Raises
    ------
    AppError
        ``participant.label``: it holds more than letters and digits, or over 40 of them.
    """
    return _entity(
        text,
        "sub-",
        AppError(
            "A participant's label may hold letters and digits only.",
            "Use a pseudonym such as sub-01, never a name or a date of birth.",
            code="participant.label",
        ),
    )


def session_label(text: str) -> str:
    """A visit as ``ses-…``, or "" for none.

    Raises
    ------
    AppError
        ``participant.session``: it holds more than letters and digits, or over 40 of them.
    """
    return _entity(
        text,
        "ses-",
        AppError(
            "A visit's name may hold letters and digits only.",
            "Use a word such as ses-1 or ses-baseline, never a date.",
            code="participant.session",
        ),
    )


def _entity(text: str, prefix: str, refusal: AppError) -> str:
    word = text.strip()
    if not word:
        return ""
    if not _WORD.fullmatch(word.removeprefix(prefix)):
        raise refusal
    return prefix + word.removeprefix(prefix)
