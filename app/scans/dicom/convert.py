"""One series becomes NIfTI: by dcm2niix in a private folder, then judged against our own layout.

The source is only read. The copy that the converter sees holds the chosen series and nothing
else, under numbers instead of names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.core.errors import ScanError
from app.core.folders import private_prefix
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.core.results import Finding, Severity
from app.scans.bids import ParticipantFacts
from app.scans.dicom.compare import Stored, slice_times_of, take_image
from app.scans.dicom.converter import run_converter
from app.scans.dicom.grid import Grid
from app.scans.dicom.opaque import check_opaque
from app.scans.dicom.series import Series, find_series
from app.scans.dicom.sidecar import sidecar_of
from app.scans.faults import Fault, raise_all
from app.scans.nifti import LoadedScan, read_nifti
from app.scans.spool import storage_error
from app.scans.timing import LIMITS_S

CONFLICT_SHARE = 0.02  # of the repetition time, between header and clocks
CONFLICT_S = 0.02
_SILENT = Progress()
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class _Copy:
    """The chosen series in a private folder, and the hash of what it came from."""

    folder: Path
    paths: tuple[Path, ...]  # in the order of the instances
    sha256: str


def series_sha256(series: Series) -> str:
    """Hash of a series that does not depend on names or order: SOP instances and their bytes."""
    return _sha256_of(series, [file_sha256(item.path) for item in series.instances])


def _sha256_of(series: Series, hashes: Sequence[str]) -> str:
    """Hash of the series from those of its files, in the order of the instances."""
    pairs = zip(series.instances, hashes, strict=True)
    lines = sorted(f"{item.sop_uid} {sha256}\n" for item, sha256 in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_dicom(
    root: Path | str,
    *,
    series: str = "",
    cache_dir: Path,
    stated_repetition_time_s: float | None = None,
    progress: Progress = _SILENT,
) -> LoadedScan:
    """Open one series of a DICOM folder; the folder itself is only read.

    Parameters
    ----------
    root
        Folder with the series, alone or among others.
    series
        Key, series number or UID; "" where only one is a functional run.
    cache_dir
        Private folder for the uncompressed voxels.
    stated_repetition_time_s
        What the user stated; wins over headers and clocks.

    Raises
    ------
    ScanError
        What is wrong with the folder or the series. Nothing is left behind.
    """
    chosen = find_series(Path(root), series, progress)
    raise_all(chosen.faults)
    if chosen.choice.obstacle:
        raise ScanError(
            chosen.choice.obstacle, "Choose the functional series.", code="dicom.not_functional"
        )
    grid = chosen.grid
    assert grid is not None
    faults, findings = _time_conflict(grid, stated_repetition_time_s)
    raise_all(faults)
    with _private_folder() as private:
        copy = _copy(chosen, private / "in", progress)
        out = private / "out"
        out.mkdir(mode=0o700)
        stored = Stored(chosen.instances, copy.paths)
        image, record = _converted(copy, out, grid, stored, progress)
        named = out / "scan.nii"
        noticed = []
        if image is not None and not stored.readable:
            noticed += check_opaque(
                image,
                grid,
                stored,
                private,
                lambda source, to: _run(source, to, grid, stored, progress)[0],
            )
        noticed += take_image(image, record, grid, stored, named)
        times = slice_times_of(named, grid)
        sidecar = sidecar_of(record, grid.header_repetition_time_s, times, chosen.choice.kind)
        named.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
        loaded = read_nifti(
            named,
            cache_dir=cache_dir,
            stated_repetition_time_s=stated_repetition_time_s,
            progress=progress,
        )
    source = loaded.scan.repetition_time_source
    scan = replace(
        loaded.scan,
        sha256=copy.sha256,
        repetition_time_source="DICOM header" if source == "sidecar" else source,
        simulated=False,
    )
    return LoadedScan(
        scan,
        loaded.image,
        (*chosen.findings, *findings, *noticed, *loaded.findings),
        loaded.voxel_file,
    )


def _converted(
    copy: _Copy, out: Path, grid: Grid, stored: Stored, progress: Progress
) -> tuple[Path | None, dict[str, Any]]:
    """The converter's image and sidecar; no image where it could not join readable pixels."""
    try:
        return _run(copy.folder, out, grid, stored, progress)
    except ScanError as error:
        if error.code in ("dicom.converter_split", "dicom.converter_failed") and stored.readable:
            return None, {}
        raise


def _run(
    source: Path, out: Path, grid: Grid, stored: Stored, progress: Progress
) -> tuple[Path, dict[str, Any]]:
    return run_converter(source, out, _voxel_bytes(grid, stored), progress)


def facts_of(series: Series) -> ParticipantFacts:
    """Age and sex; the pseudonym is the user's to give."""
    first = series.instances[0]
    age = first.texts.get("PatientAge", "")
    years = float(age[:3]) if len(age) == 4 and age[:3].isdigit() and age[3] == "Y" else None
    sex = first.texts.get("PatientSex", "").upper()
    return ParticipantFacts(
        age_years=years if years is not None and 0 < years < 90 else None,
        sex=sex if sex in ("F", "M", "O") else None,
    )


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Owner-only, named after this process so that its killer can find it, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix=private_prefix()))
    try:
        yield folder
    except OSError as error:
        raise storage_error(error) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(series: Series, folder: Path, progress: Progress) -> _Copy:
    """Copy the series' files under numbers, hashing them; their preambles become zeros."""
    folder.mkdir(mode=0o700)
    total = sum(item.stored_bytes for item in series.instances)
    if shutil.disk_usage(folder).free < 2 * total:
        raise OSError(28, "disk full")
    paths, hashes = [], []
    for index, item in enumerate(series.instances):
        target = folder / f"{index:06d}.dcm"
        digest = hashlib.sha256()
        try:
            source = item.path.open("rb")
        except OSError:
            raise _changed() from None
        with source, target.open("wb") as copy:
            head = source.read(128)
            digest.update(head)
            copy.write(b"\0" * len(head))
            while piece := source.read(_PIECE):
                digest.update(piece)
                copy.write(piece)
        if target.stat().st_size != item.stored_bytes:
            raise _changed()
        hashes.append(digest.hexdigest())
        paths.append(target)
        progress.step((index + 1) / len(series.instances), "Copying the series")
    return _Copy(folder, tuple(paths), _sha256_of(series, hashes))


def _changed() -> ScanError:
    return Fault("dicom.changed", "Files of the series changed or vanished while it was read.",
                 "Open the folder again.").error()  # fmt: skip


def _voxel_bytes(grid: Grid, stored: Stored) -> int:
    return int(np.prod(grid.shape)) * max(
        int(stored.instances[0].numbers.get("BitsAllocated", 16)) // 8, 2
    )


def _time_conflict(grid: Grid, stated_s: float | None) -> tuple[list[Fault], list[Finding]]:
    """Header against clocks: nothing is used silently where they contradict each other."""
    header, interval = grid.header_repetition_time_s, grid.interval_s
    if header is None or interval is None:
        return [], []
    if abs(header - interval) <= max(CONFLICT_SHARE * header, CONFLICT_S):
        return [], []
    words = (
        f"The header's repetition time is {header:g} s, but the volumes were taken every "
        f"{interval:.3f} s"
    )
    if stated_s is None:
        low, high = LIMITS_S
        hint = "Check the protocol, then state the repetition time when opening the scan"
        if low <= interval <= high:
            hint += f" (the clocks say {interval:.2f} s)"
        return [Fault("dicom.tr_conflict", f"{words}.", f"{hint}.")], []
    return [], [
        Finding("dicom.tr_conflict", Severity.WARNING, f"{words}; {stated_s:g} s was stated.")
    ]
