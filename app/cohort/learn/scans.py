"""Prepared scans of a folder, whoever prepared them: case folders, or files of `prepare-cohort`.

Nothing of an outcome is read here: a file of `prepare-cohort` holds its simulated label, which is
left where it is; labels come from the participants table alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from app.cohort.rows import blocking_words
from app.core.arrays import Bools, Floats, frozen
from app.core.errors import AppError, StorageError
from app.core.progress import Progress
from app.core.provenance import array_sha256, record_sha256
from app.models.baselines.people import CORRELATION_SLACK
from app.study.case_store import CASE_FILE, read_case

PREPARED_ATLAS, PREPARED_PRESET = "HCPEx", "simple-highpass"  # of `prepare-cohort`
PREPARED_FOLDER = "prepared"
_SUBJECT = re.compile(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?")
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class PreparedScan:
    """One scan after the whole recipe, without its outcome."""

    participant: str  # "sub-…", as in the participants table
    session: str  # "ses-…" or ""
    source: str  # file or folder name, for messages
    cleaned: Floats  # (frame, parcel), percent, float32; NaN columns = not covered
    good_frames: Bools  # (frame,)
    connectivity: Floats  # (parcel, parcel), float32, diagonal 0; NaN rows = not covered
    mean_fd_mm: float
    verdict: str  # of the quality report
    atlas: str
    preset: str
    repetition_time_s: float
    scan_sha256: str
    content_sha256: str  # of the cleaned series: the same scan under two names has one
    simulated: bool
    atlas_sha256: str = ""
    age_years: float = float("nan")  # as stated at the scan; the table counts before it
    sex: str = ""
    baseline_pain: float = float("nan")
    site: str = ""
    blocking: str = ""  # finding that forbids to use the scan, as of unknown orientation

    def prepared_sha256(self) -> str:
        """Hash over everything that a figure may depend on; not over names and compression."""
        return record_sha256(
            [
                self.content_sha256, self.scan_sha256, self.verdict, self.atlas, self.preset,
                array_sha256(self.good_frames, self.connectivity), str(self.mean_fd_mm),
                str(self.repetition_time_s), str(self.age_years), self.sex,
                str(self.baseline_pain), self.site, self.simulated,
            ]
        )  # fmt: skip


def scans_of(folder: Path, progress: Progress | None = None) -> tuple[PreparedScan, ...]:
    """All scans below a folder, in order of participant and session.

    Raises
    ------
    StorageError
        ``cohort.empty``, ``cohort.format`` or ``cohort.duplicate``.
    """
    progress = progress or Progress()
    files = _files(folder)
    cases = [] if files and not list(folder.glob("*.npz")) else sorted(_cases(folder, 0))
    if not files and not cases:
        raise StorageError(
            "The folder holds no prepared participant.",
            "Run the recipe on the data set first (bids BIDS_DIR OUT_DIR participant), then give "
            "its output folder.",
            code="cohort.empty",
        )
    found: list[PreparedScan] = []
    for number, path in enumerate((*files, *cases), start=1):
        scan = _of_file(path) if path.suffix == ".npz" else _of_case(path)
        if scan is not None:
            found.append(scan)
        progress.step(number / (len(files) + len(cases)), f"scan {number}")
    found.sort(key=lambda scan: (scan.participant, scan.session, scan.source))
    refuse_duplicates(found)
    return tuple(found)


def _files(folder: Path) -> list[Path]:
    """Prepared files of the folder, or of ``prepared`` in it: what `bids` leaves."""
    for place in (folder, folder / PREPARED_FOLDER):
        found = sorted(p for p in place.glob("*.npz") if not p.name.endswith(".partial.npz"))
        if found:
            return found
    return []


def refuse_duplicates(scans: list[PreparedScan]) -> None:
    """The same scan twice would be trained on and tested on, under whatever names.

    Raises
    ------
    StorageError
        ``cohort.duplicate``.
    """
    for what, keys in (
        ("participant and session", [f"{one.participant} {one.session}" for one in scans]),
        ("scan (bytes of the file)", [one.scan_sha256 for one in scans]),
        ("scan (its parcel series)", [one.content_sha256 for one in scans]),
    ):
        twice = sorted({key for key in keys if key and keys.count(key) > 1})
        if twice:
            names = sorted(
                one.source for one, key in zip(scans, keys, strict=True) if key == twice[0]
            )
            raise StorageError(
                f"One {what} is in the cohort {len(names)} times: {', '.join(names[:3])}.",
                "Remove the copies: they would be trained on and tested on.",
                code="cohort.duplicate",
            )


def _cases(folder: Path, depth: int) -> Iterator[Path]:
    if not folder.is_dir() or depth > _DEEPEST:
        return
    for place in folder.iterdir():
        if not place.is_dir() or place.is_symlink() or place.name.startswith("."):
            continue
        if (place / CASE_FILE).is_file():
            yield place
        else:
            yield from _cases(place, depth + 1)


def _of_file(path: Path) -> PreparedScan:
    subject = _SUBJECT.search(path.stem)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            kind, units = (
                _text(archive, "connectivity_kind", "pearson"),
                _text(archive, "units", ""),
            )
            if kind != "pearson" or units not in ("", "percent"):
                raise _uncleaned(path.name)
            cleaned = frozen(np.asarray(archive["cleaned"], np.float32))
            scan = PreparedScan(
                participant=_text(archive, "participant_label", subject[1] if subject else ""),
                session=_text(archive, "session", (subject[2] or "") if subject else ""),
                source=path.name,
                cleaned=cleaned,
                good_frames=frozen(archive["good_frames"], np.bool_),
                connectivity=frozen(np.asarray(archive["matrix"], np.float32)),
                mean_fd_mm=float(archive["mean_fd_mm"]),
                verdict=str(archive["verdict"]),
                atlas=_text(archive, "atlas", PREPARED_ATLAS),
                preset=_text(archive, "preset", PREPARED_PRESET),
                repetition_time_s=float(archive["repetition_time_s"]),
                scan_sha256=str(archive["scan_sha256"]),
                content_sha256=array_sha256(cleaned),
                # without the word it is of `prepare-cohort`, which knows simulated people only
                simulated=bool(archive["simulated"]) if "simulated" in archive.files else True,
                atlas_sha256=_text(archive, "atlas_sha256", ""),
                age_years=float(archive["age_years"]),
                sex=str(archive["sex"]),
                baseline_pain=float(archive["baseline_pain"]),
                site=str(archive["site"]),
                blocking=_text(archive, "blocking", ""),
            )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as error:
        raise _unreadable(path.name) from error
    if not scan.participant:
        raise StorageError(
            f"{path.name} does not say whose scan it is.",
            "Its name must hold sub-<label>, as in BIDS.",
            code="cohort.format",
        )
    return _checked(scan)


def _text(archive: np.lib.npyio.NpzFile, key: str, default: str) -> str:
    return str(archive[key]) if key in archive.files else default


def _of_case(folder: Path) -> PreparedScan | None:
    try:
        case = read_case(folder)
    except AppError as error:
        raise _unreadable(folder.name) from error
    signals, matrix, quality = case.signals, case.connectome, case.quality
    if signals is None or matrix is None or quality is None:
        return None  # a run that never came so far
    if matrix.kind != "pearson" or signals.units != "percent":
        raise _uncleaned(folder.name)
    known = np.asarray(signals.confounds.get("framewise_displacement", np.array([np.nan])), float)
    known = known[np.isfinite(known)]
    person = case.participant
    cleaned = frozen(np.asarray(signals.cleaned, np.float32))
    return _checked(
        PreparedScan(
            participant=person.label,
            session=person.session,
            source=folder.name,
            cleaned=cleaned,
            good_frames=signals.good_frames,
            connectivity=frozen(np.asarray(matrix.matrix, np.float32)),
            mean_fd_mm=float(known.mean()) if known.size else float("nan"),
            verdict=quality.verdict.value,
            atlas=signals.atlas,
            preset=signals.preset,
            repetition_time_s=signals.repetition_time_s,
            scan_sha256=case.scan.sha256,
            content_sha256=array_sha256(cleaned),
            simulated=case.scan.simulated,
            atlas_sha256=signals.atlas_sha256,
            age_years=float("nan") if person.age_years is None else person.age_years,
            sex=person.sex or "",
            baseline_pain=float("nan") if person.baseline_pain is None else person.baseline_pain,
            site=person.site or "",
            blocking=blocking_words(case),
        )
    )


def _checked(scan: PreparedScan) -> PreparedScan:
    parcels = scan.connectivity.shape[-1]
    fits = (
        scan.cleaned.ndim == 2
        and scan.connectivity.shape == (parcels, parcels)
        and scan.cleaned.shape == (len(scan.good_frames), parcels)
    )
    infinite = np.isinf(scan.cleaned).any() or np.isinf(scan.connectivity).any()
    if not fits or infinite or not np.isfinite(scan.cleaned).any():
        raise _unreadable(scan.source)
    matrix = scan.connectivity
    uneven = np.nanmax(np.abs(matrix - matrix.T), initial=0.0) > CORRELATION_SLACK
    if uneven or np.nanmax(np.abs(matrix), initial=0.0) > 1.0 + CORRELATION_SLACK:
        raise StorageError(
            f"{scan.source} holds a connectivity matrix that is not symmetric or goes beyond 1: "
            "these are no correlations.",
            "Remove it, or run the recipe on this participant again.",
            code="cohort.format",
        )
    return scan


def _uncleaned(name: str) -> StorageError:
    return StorageError(
        f"{name} holds uncleaned series without correlations; models learn from cleaned ones.",
        "Prepare the cohort with a preset that cleans, such as simple-highpass.",
        code="cohort.mixed",
    )


def _unreadable(name: str) -> StorageError:
    return StorageError(
        f"{name} cannot be read as a prepared participant.",
        "Remove it, or run the recipe on this participant again.",
        code="cohort.format",
    )
