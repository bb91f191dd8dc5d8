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

    @property
    def size_words(self) -> str:
        """ "30.5 MB", or "up to 80 MB" where only a bound is known."""
        size = self.download_bytes
        if self.exact_size:
            return f"{size / 1e6:.1f} MB"
        return f"up to {size / 1e9:.1f} GB" if size >= 1e9 else f"up to {size / 1e6:.0f} MB"


def fact_lines(entry: Published) -> list[str]:
    """What it is and where it comes from."""
    return [
        entry.title,
        *([entry.about] if entry.about else []),
        f"Source: {entry.source}",
        f"Size: {entry.size_words}",
        *([f"Needs: {', '.join(entry.needs)}"] if entry.needs else []),
        f"Cite: {entry.reference}",
    ]


def file_lines(entry: Published) -> list[str]:
    """Address, size and SHA-256 of each file."""
    lines = []
    for file in entry.files:
        size = f"{file.size_bytes} bytes" if file.size_bytes else f"at most {file.largest_bytes}"
        known = f"{file.sha256} ({file.sha256_origin})" if file.sha256 else "not known"
        lines += [f"{file.name} ({size})", f"  {file.url}", f"  SHA-256 {known}"]
    return lines


def licence_lines(entry: Published) -> list[str]:
    """The terms, and who may not accept them."""
    return [
        f"Licence: {entry.licence.name}",
        f"Who may not use it: {entry.who_may_not_use_it}",
        "",
        *entry.licence.text.rstrip().splitlines(),
        f"Full text: {entry.licence.address}",
    ]
