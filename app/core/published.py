"""What somebody else has published and a user may install: where it lies and on what terms.

Plain facts only. The rooms that use such things list them (`app.models.catalogue`,
`app.connectome.published`); worker and command line put the lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How far a SHA-256 written here can be trusted: "pinned" was computed from the file itself by
# this project, "reported" stands in somebody else's report, "unknown" means that there is none.
HashOrigin = Literal["pinned", "reported", "unknown"]
Kind = Literal["encoder", "atlas"]

HASH_WORDS: dict[HashOrigin, str] = {
    "pinned": "verified: the SHA-256 is the pinned one",
    "reported": "as reported: the SHA-256 is one that a third party reported, not verified by us",
    "unknown": "unverified: no SHA-256 of this file is known",
}


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """One file at one pinned address.

    `largest_bytes` is never exceeded, whatever a server says. `size_bytes` is None where only an
    estimate is known.
    """

    name: str  # as it is stored here
    url: str  # of one commit or revision, never of a branch
    largest_bytes: int
    size_bytes: int | None = None
    sha256: str = ""
    sha256_origin: HashOrigin = "unknown"
    also_named: tuple[str, ...] = ()  # names under which people carry it in


@dataclass(frozen=True, slots=True)
class Licence:
    """Terms that the user must accept before anything is fetched or taken over."""

    name: str
    text: str
    address: str  # of the full text
    non_commercial: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """One thing that can be installed, with all that a person needs to know before."""

    id: str
    kind: Kind
    title: str
    source: str  # whose, and which commit or revision
    files: tuple[PublishedFile, ...]
    licence: Licence
    who_may_not_use_it: str
    needs: tuple[str, ...] = ()  # ids of other published things
    about: str = ""
    reference: str = ""
    # Fields of the encoder's config.json that tell it from others; empty for an atlas.
    recognised_by: tuple[tuple[str, object], ...] = ()

    @property
    def download_bytes(self) -> int:
        """Size of all files; the upper bound where only that is known."""
        return sum(file.size_bytes or file.largest_bytes for file in self.files)

    @property
    def exact_size(self) -> bool:
        """Whether every file's size is known."""
        return all(file.size_bytes is not None for file in self.files)
