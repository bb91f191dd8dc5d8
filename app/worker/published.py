"""All that can be installed, from the rooms that use it, and what of it is there.

The rooms do not know each other; here their lists are put together. Light: neither torch nor
nibabel is imported, so that window and command line may look things up here.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.connectome import a424
from app.core.errors import AppError
from app.core.folders import installed_atlas_folder, installed_encoder_folder
from app.core.published import HASH_WORDS, Published
from app.models.catalogue import ENCODERS

CATALOGUE: tuple[Published, ...] = (*ENCODERS, a424.PUBLISHED)
RECORD_NAME = "installed.toml"
IMPORT_MARK = ".import"  # in the incoming folder: its files are copies of an import
_LARGEST_RECORD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class InstalledState:
    """What is there of one entry of the catalogue."""

    id: str
    installed: bool
    trouble: str = ""  # one sentence where something is there that cannot be used
    partial_bytes: int = 0  # of a download that can be taken up again
    checks: tuple[str, ...] = ()  # of each source file: pinned, reported or unknown
    record: dict[str, Any] = field(default_factory=dict)
    unfinished_import: bool = False  # copies of an import that was killed

    @property
    def trust(self) -> str:
        """The weakest check of all source files: verified, as reported, unverified."""
        if not self.checks or not set(self.checks) <= {"pinned", "reported"}:
            return "unverified"
        return "verified" if set(self.checks) == {"pinned"} else "as reported"

    @property
    def words(self) -> str:
        """The state in a few words."""
        if self.trouble:
            return "damaged"
        if self.installed:
            return f"installed, {self.trust}"
        if self.unfinished_import:
            return "an unfinished import"
        if self.partial_bytes:
            return f"{self.partial_bytes / 1e6:.1f} MB of a download kept"
        return "not installed"


def find_published(name: str) -> Published:
    """The entry with this id; capital letters do not matter.

    Raises
    ------
    AppError
        ``models.unknown``.
    """
    for entry in CATALOGUE:
        if entry.id.lower() == name.lower():
            return entry
    raise AppError(
        f"Nothing that can be installed has the name {name[:60]!a}.",
        f"There are: {', '.join(entry.id for entry in CATALOGUE)}.",
        code="models.unknown",
    )


def folder_of(entry: Published) -> Path:
    """Where an entry lies once it is installed."""
    if entry.kind == "atlas":
        return installed_atlas_folder(entry.id)
    return installed_encoder_folder(entry.id)


def incoming_folder(entry: Published) -> Path:
    """Where its files arrive; kept between the tries of a download."""
    target = folder_of(entry)
    return target.with_name(f".incoming-{target.name}")


def state_of(entry: Published) -> InstalledState:
    """What is there, by the record and the names and sizes of files; hashes are for `verify`."""
    folder, incoming = folder_of(entry), incoming_folder(entry)
    partial = sum(
        path.stat().st_size
        for file in entry.files
        for path in (incoming / file.name, incoming / f"{file.name}.partial")
        if path.is_file()
    )
    if not folder.exists():
        marked = (incoming / IMPORT_MARK).exists()
        return InstalledState(entry.id, False, partial_bytes=partial, unfinished_import=marked)
    record = read_record(folder)
    trouble = record_trouble(entry, folder, record)
    checks = tuple(str(item.get("check", "")) for item in record.get("source", {}).values())
    return InstalledState(entry.id, not trouble, trouble, partial, checks, record)


def read_record(folder: Path) -> dict[str, Any]:
    """`installed.toml` of a folder; empty when it is missing or not what this program writes."""
    try:
        with (folder / RECORD_NAME).open("rb") as handle:
            record = tomllib.loads(handle.read(_LARGEST_RECORD_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    tables = (record.get("source"), record.get("files"))
    plain = all(
        isinstance(table, dict) and all(isinstance(item, dict) for item in table.values())
        for table in tables
    )
    return record if plain else {}


def record_trouble(entry: Published, folder: Path, record: dict[str, Any]) -> str:
    """Why an installed folder cannot be used, or ""; reads no file's content."""
    if record.get("id") != entry.id:
        return "Its record (installed.toml) is missing or belongs to something else."
    for name, item in record["files"].items():
        path = folder / name
        if "/" in name or "\\" in name or path.is_symlink() or not path.is_file():
            return f"Its file {name[:60]!a} is missing."
        if path.stat().st_size != item.get("size_bytes"):
            return f"Its file {name[:60]!a} has another size than when it was installed."
    if not record["files"]:
        return "Its record (installed.toml) names no files."
    return ""


def trust_words(check: str) -> str:
    """What a source file's check means, in words."""
    for origin, words in HASH_WORDS.items():
        if origin == check:
            return words
    return HASH_WORDS["unknown"]


def free_bytes(folder: Path) -> int:
    """Free space where `folder` is or would be."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free
