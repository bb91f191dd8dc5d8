"""Prepared participants, written and read back: what training, evaluation and tests learn from.

A `PreparedVisit` is one scan as it was measured, without a label: labels of real people come
from their own table, and only once the plan of the analysis is fixed. A `PreparedParticipant` is
a visit with its label; simulated people bring theirs along.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.rows import blocking_words
from app.core.arrays import Bools, Floats, frozen
from app.core.errors import StorageError
from app.core.results import Case, Verdict
from app.models.covariates import covariate_values
from app.study.files import replace_file, storage_errors

NOT_LABELLED = -1  # in the files: the label is elsewhere, or nowhere


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


@dataclass(frozen=True, slots=True)
class PreparedVisit:
    """One scan of one person, measured, without a label; NaN or "" where nothing is known."""

    identifier: str  # unique in its folder, e.g. "sub-01_ses-2_task-rest"
    participant: str  # "sub-…": what belongs to one person stays on one side of every split
    session: str  # "ses-…" or ""
    cleaned: Floats  # (frame, parcel), float32, in `units`; NaN columns = not covered
    good_frames: Bools  # (frame,)
    connectivity: Floats  # (parcel, parcel), float32, diagonal 0; NaN rows = not covered
    repetition_time_s: float
    age_years: float
    sex: str
    baseline_pain: float
    site: str
    mean_fd_mm: float
    verdict: str  # of the quality report
    scan_sha256: str
    simulated: bool
    atlas: str
    atlas_sha256: str
    preset: str
    connectivity_kind: str = "pearson"
    units: str = "percent"

    def labelled(self, responder: bool) -> PreparedParticipant:
        """The same scan with the label that a table gives its person."""
        return PreparedParticipant(
            identifier=self.identifier,
            responder=responder,
            cleaned=self.cleaned,
            good_frames=self.good_frames,
            connectivity=self.connectivity,
            age_years=self.age_years,
            sex=self.sex,
            baseline_pain=self.baseline_pain,
            site=self.site,
            mean_fd_mm=self.mean_fd_mm,
            verdict=self.verdict,
            scan_sha256=self.scan_sha256,
            oracle=math.nan,
        )

    def covariates(self) -> Floats:
        """(4,), in the order of `app.models.covariates.NAMES`."""
        return covariate_values(self.age_years, self.sex, self.mean_fd_mm, self.baseline_pain)


def prepared_arrays(case: Case) -> dict[str, Any]:
    """What is kept of a case for learning, as arrays of an ``.npz``; no label, no voxel.

    Raises
    ------
    StorageError
        ``cohort.unfinished`` when the case has no series, quality or connectivity.
    """
    signals, quality, connectome = case.signals, case.quality, case.connectome
    if signals is None or quality is None or connectome is None:
        raise StorageError("The case was not finished.", "Analyse the scan again.",
                           code="cohort.unfinished")  # fmt: skip
    gates = {metric.name: metric.value for metric in quality.metrics}
    person = case.participant
    return {
        "cleaned": np.asarray(signals.cleaned, np.float32),
        "good_frames": np.asarray(signals.good_frames),
        "matrix": np.asarray(connectome.matrix, np.float32),
        "connectivity_kind": connectome.kind,
        "coverage": np.asarray(signals.coverage),
        "repetition_time_s": signals.repetition_time_s,
        "label": NOT_LABELLED,
        "traits": np.full(4, np.nan),
        "participant_label": person.label,
        "session": person.session,
        "age_years": math.nan if person.age_years is None else person.age_years,
        "sex": person.sex or "",
        "baseline_pain": math.nan if person.baseline_pain is None else person.baseline_pain,
        "site": person.site or "",
        "mean_fd_mm": gates.get("mean_fd_power_mm", math.nan),
        "verdict": quality.verdict.value,
        "blocking": blocking_words(case),
        "gates": json.dumps({name: _plain(value) for name, value in gates.items()}),
        "scan_sha256": case.scan.sha256,
        "simulated": case.scan.simulated,
        "atlas": signals.atlas,
        "atlas_sha256": signals.atlas_sha256,
        "preset": signals.preset,
        "units": signals.units,
        "case_id": case.case_id,
    }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def write_prepared(case: Case, path: Path) -> None:
    """Write `prepared_arrays` of a case, whole or not at all.

    Raises
    ------
    StorageError
        Also for a full disk; an older file of the name is as it was.
    """
    packed = io.BytesIO()
    np.savez(packed, **prepared_arrays(case))
    with storage_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, packed.getvalue())


def prepared_case_id(path: Path) -> str:
    """Id of the case that a prepared file was made of; "" where there is none of this format."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return str(archive["case_id"]) if "blocking" in archive.files else ""
    except (KeyError, ValueError, OSError, zipfile.BadZipFile):
        return ""


def read_visit(path: Path) -> PreparedVisit:
    """Read one prepared scan and leave its label alone.

    Raises
    ------
    StorageError
        ``cohort.format``.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            there = set(archive.files)

            def text(name: str, otherwise: str = "") -> str:
                return str(archive[name]) if name in there else otherwise

            return PreparedVisit(
                identifier=path.stem,
                participant=text("participant_label", path.stem),
                session=text("session"),
                **_measured(archive),
                repetition_time_s=float(archive["repetition_time_s"]),
                # a truth beside the scan: the person was simulated
                simulated=bool(archive["simulated"]) if "simulated" in there else True,
                atlas=text("atlas", "HCPEx"),
                atlas_sha256=text("atlas_sha256"),
                preset=text("preset", "simple-highpass"),
                connectivity_kind=text("connectivity_kind", "pearson"),
                units=text("units", "percent"),
            )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise _not_prepared(path) from error


def _measured(archive: Mapping[str, Any]) -> dict[str, Any]:
    """What every prepared scan holds, by the names of the fields."""
    return {
        "cleaned": frozen(archive["cleaned"]),
        "good_frames": frozen(archive["good_frames"], np.bool_),
        "connectivity": frozen(archive["matrix"]),
        "age_years": float(archive["age_years"]),
        "sex": str(archive["sex"]),
        "baseline_pain": float(archive["baseline_pain"]),
        "site": str(archive["site"]),
        "mean_fd_mm": float(archive["mean_fd_mm"]),
        "verdict": str(archive["verdict"]),
        "scan_sha256": str(archive["scan_sha256"]),
    }


def read_visits(folder: Path) -> tuple[PreparedVisit, ...]:
    """All prepared scans of a folder by file name, each scan once, all measured alike.

    Raises
    ------
    StorageError
        ``cohort.empty``, ``cohort.duplicate``, ``cohort.mixed`` or ``cohort.format``.
    """
    visits = tuple(read_visit(path) for path in _files_of(folder))
    refuse_mixed(visits)
    hashes = [visit.scan_sha256 for visit in visits]
    if len(set(hashes)) != len(hashes):
        raise _twice("scan")
    return visits


def refuse_mixed(visits: Sequence[PreparedVisit]) -> None:
    """Scans measured in different ways must not become rows of one table.

    Raises
    ------
    StorageError
        ``cohort.mixed``: names what differs.
    """
    for what, values in (
        ("atlas", {(v.atlas, v.atlas_sha256) for v in visits if v.atlas_sha256}),
        ("atlas", {v.atlas for v in visits}),
        ("number of parcels", {v.cleaned.shape[1] for v in visits}),
        ("cleaning preset", {v.preset for v in visits}),
        ("connectivity measure", {v.connectivity_kind for v in visits}),
        ("unit of the series", {v.units for v in visits}),
    ):
        if len(values) > 1:
            names = ", ".join(sorted(str(v[0] if isinstance(v, tuple) else v) for v in values))
            raise StorageError(
                f"The prepared scans differ in their {what} ({names}).",
                "Prepare all of them with one model's settings, in a folder of their own.",
                code="cohort.mixed",
            )


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
                **_measured(archive),
                oracle=float(traits[0] + traits[1]),
            )
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise _not_prepared(path) from error
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
    people = tuple(read_prepared(path) for path in _files_of(folder))
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
            raise _twice(what)


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


def _files_of(folder: Path) -> list[Path]:
    paths = sorted(
        p
        for p in folder.glob("*.npz")
        if not p.name.endswith(".partial.npz") and not p.name.startswith(".")
    )
    if not paths:
        raise StorageError(
            f"No prepared participants in {folder}.",
            "Run `main.py bids` on a BIDS folder first, or `main.py prepare-cohort`.",
            code="cohort.empty",
        )
    return paths


def _not_prepared(path: Path) -> StorageError:
    return StorageError(
        f"{path.name} is not a prepared participant.",
        "Remove it and prepare the participant again.",
        code="cohort.format",
    )


def _twice(what: str) -> StorageError:
    return StorageError(
        f"One {what} is in the cohort twice.",
        "Remove the copy: it would be trained on and tested on.",
        code="cohort.duplicate",
    )
