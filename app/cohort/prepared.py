"""Prepared participants, read back: what training, evaluation and tests learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.arrays import Bools, Floats, frozen
from app.core.errors import StorageError
from app.core.results import Verdict
from app.models.covariates import covariate_values


@dataclass(frozen=True, slots=True)
class PreparedParticipant:
    """Clean series, connectivity and covariates of one participant; no voxels."""

    identifier: str  # unique person and scan, e.g. "cohort-11_sub-0003"
    responder: bool
    cleaned: Floats  # (frame, parcel), percent, float32; NaN columns = not covered
    good_frames: Bools  # (frame,)
    connectivity: Floats  # (parcel, parcel), float32, diagonal 0; NaN rows = not covered
    age_years: float
    sex: str
    baseline_pain: float
    site: str
    mean_fd_mm: float
    verdict: str  # of the quality report
    scan_sha256: str
    oracle: float  # sum of the true traits; for figures only, never a feature

    def covariates(self) -> Floats:
        """(4,), in the order of `app.models.covariates.NAMES`."""
        return covariate_values(self.age_years, self.sex, self.mean_fd_mm, self.baseline_pain)


def read_prepared(path: Path) -> PreparedParticipant:
    """Read one participant that `prepare-cohort` wrote.

    Raises
    ------
    StorageError
        ``cohort.format`` when it is not such a file, or has no label.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            label = int(archive["label"])
            traits = np.asarray(archive["traits"], float)
            person = PreparedParticipant(
                identifier=path.stem,
                responder=label == 1,
                cleaned=frozen(archive["cleaned"]),
                good_frames=frozen(archive["good_frames"], np.bool_),
                connectivity=frozen(archive["matrix"]),
                age_years=float(archive["age_years"]),
                sex=str(archive["sex"]),
                baseline_pain=float(archive["baseline_pain"]),
                site=str(archive["site"]),
                mean_fd_mm=float(archive["mean_fd_mm"]),
                verdict=str(archive["verdict"]),
                scan_sha256=str(archive["scan_sha256"]),
                oracle=float(traits[0] + traits[1]),
            )
    except (KeyError, ValueError, OSError) as error:
        raise StorageError(
            f"{path.name} is not a prepared participant.",
            "Remove it and run `main.py prepare-cohort` again.",
            code="cohort.format",
        ) from error
    if label < 0:
        raise StorageError(
            f"{path.name} has no label.", "Train on a labelled cohort.", code="cohort.format"
        )
    return person


def read_folder(folder: Path) -> tuple[PreparedParticipant, ...]:
    """All participants of a folder by file name, each person and each scan once.

    Raises
    ------
    StorageError
        ``cohort.empty`` or ``cohort.duplicate``.
    """
    paths = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(".partial.npz"))
    if not paths:
        raise StorageError(
            f"No prepared participants in {folder}.",
            "Run `main.py prepare-cohort` first.",
            code="cohort.empty",
        )
    people = tuple(read_prepared(path) for path in paths)
    refuse_duplicates(people)
    return people


def copy_small(source: Path, target_dir: Path) -> Path:
    """Copy one prepared participant compressed and without its truth, readable as before."""
    target_dir.mkdir(parents=True, exist_ok=True)
    with np.load(source, allow_pickle=False) as archive:
        kept = {name: archive[name] for name in archive.files if name != "truth"}
    target = target_dir / source.name
    np.savez_compressed(target, **kept)
    return target


def refuse_duplicates(people: Sequence[PreparedParticipant]) -> None:
    """A person or a scan that is there twice would be trained on and tested on.

    Raises
    ------
    StorageError
        ``cohort.duplicate``.
    """
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


def usable(people: Sequence[PreparedParticipant]) -> list[PreparedParticipant]:
    """Those whose quality verdict does not withhold a number."""
    return [person for person in people if person.verdict != Verdict.WITHHELD.value]


def split_people(
    people: Sequence[PreparedParticipant], training_count: int
) -> tuple[tuple[PreparedParticipant, ...], tuple[PreparedParticipant, ...]]:
    """First `training_count` by identifier for training, the rest held out; disjoint by check.

    Raises
    ------
    StorageError
        When a person or scan would be in both.
    """
    ordered = sorted(people, key=lambda person: person.identifier)
    refuse_duplicates(ordered)
    return tuple(ordered[:training_count]), tuple(ordered[training_count:])
