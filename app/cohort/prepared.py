"""One participant after the whole recipe, small enough to keep: what training reads."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import StorageError
from app.models.covariates import covariate_values

FORMAT = 1


@dataclass(frozen=True, slots=True)
class PreparedParticipant:
    """Clean series, connectivity and covariates of one participant; no voxels."""

    identifier: str  # unique person, e.g. "seed20-sub-0003"
    responder: bool
    cleaned: Floats  # (frame, parcel), percent, float32; NaN columns = not covered
    good_frames: Bools  # (frame,)
    connectivity: Floats  # (parcel, parcel), float32; NaN rows = not covered
    age_years: float
    sex: str
    baseline_pain: float
    site: str
    mean_fd_mm: float
    quality: str  # verdict
    scan_sha256: str
    preset: str
    atlas: str

    def covariates(self) -> Floats:
        """(4,), in the order of `app.models.covariates.NAMES`."""
        return covariate_values(self.age_years, self.sex, self.mean_fd_mm, self.baseline_pain)


ARRAYS = ("cleaned", "good_frames", "connectivity")
FACTS = tuple(name for name in PreparedParticipant.__slots__ if name not in ARRAYS)


def write_prepared(path: Path, person: PreparedParticipant) -> None:
    """Write one `.npz`; it appears only when it is whole."""
    facts = {name: getattr(person, name) for name in FACTS} | {"format": FORMAT}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as handle:
        np.savez_compressed(
            handle,
            facts=np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8),
            cleaned=np.asarray(person.cleaned, np.float32),
            good_frames=person.good_frames,
            connectivity=np.asarray(person.connectivity, np.float32),
        )
    os.replace(partial, path)


def read_prepared(path: Path) -> PreparedParticipant:
    """Read one participant back.

    Raises
    ------
    StorageError
        When the file is of another format.
    """
    with np.load(path, allow_pickle=False) as archive:
        facts = json.loads(archive["facts"].tobytes())
        arrays = {name: frozen(archive[name]) for name in ARRAYS}
    if facts.pop("format", None) != FORMAT:
        raise StorageError(
            "A prepared participant is of another format.",
            "Remove the folder and prepare the cohort again.",
            code="cohort.format",
        )
    return PreparedParticipant(**facts, **arrays)


def read_all(folder: Path) -> tuple[PreparedParticipant, ...]:
    """All participants of a folder, by file name; each person and each scan once.

    Raises
    ------
    StorageError
        When the folder holds none, or one person or scan twice.
    """
    people = tuple(read_prepared(path) for path in sorted(folder.glob("*.npz")))
    if not people:
        raise StorageError(
            f"No prepared participants in {folder}.",
            "Run `main.py prepare-cohort` first.",
            code="cohort.empty",
        )
    for what, keys in (
        ("person", [person.identifier for person in people]),
        ("scan", [person.scan_sha256 for person in people]),
    ):
        if len(set(keys)) != len(keys):
            raise StorageError(
                f"One {what} is in the cohort twice.",
                "Remove the copy: it would be trained on and tested on.",
                code="cohort.duplicate",
            )
    return people
