"""What a reader adds to a participant summary: comment, name, and the signature that closes it."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_COMMENT = 2000  # characters
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class ReaderNote:
    """Comment and signature of one version of a summary; unsigned while `signed_utc` is empty."""

    comment: str = ""
    reader: str = ""  # a name or initials, as the reader wants it; may stay empty
    signed_utc: str = ""  # ISO 8601; "" = not signed
    version: int = 0  # from 1 once signed
    supersedes: str = ""  # id of the report before, "" for the first
    quality_confirmed: bool = False  # the reader looked at the quality page

    @property
    def signed(self) -> bool:
        """Whether this version is closed."""
        return bool(self.signed_utc)


UNSIGNED = ReaderNote()
