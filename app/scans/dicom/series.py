"""A folder of DICOM files as a table of series; people, studies and series stay apart."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from app.core.progress import Progress
from app.core.results import Finding, Severity
from app.scans.contents import Choice, Contents, SourceKind
from app.scans.dicom.files import Listing, list_files
from app.scans.dicom.grid import Grid, make_grid
from app.scans.dicom.reading import MR_STORAGE, Instance, read_instance
from app.scans.faults import Fault
from app.scans.header import MAXIMUM_DATA_BYTES, MINIMUM_VOLUMES

_SILENT = Progress()
_REST = re.compile(r"rest|resting|\brs\b|rsfmri|rs-?fmri|_rs_|fc_?mri", re.IGNORECASE)
_WORDS = (
    ("localiser", re.compile(r"locali[sz]er|\bloc\b|scout|survey|aahead|plan_?scan", re.I)),
    ("single-band reference", re.compile(r"sbref", re.I)),
    ("fieldmap", re.compile(r"field_?map|fmap|b0_?map|topup|echo_?field|gre_?field|_sefm", re.I)),
    ("diffusion", re.compile(r"dwi|dti|diff|trace|_adc|_fa\b", re.I)),
    ("perfusion", re.compile(r"\basl\b|pcasl|pasl|perf", re.I)),
    ("physiology", re.compile(r"physio", re.I)),
)  # fmt: skip
_T1 = re.compile(r"t1|mprage|mp2rage|spgr|bravo|tfl3d|fspgr", re.I)
_T2 = re.compile(r"t2|flair|space", re.I)


@dataclass(frozen=True, slots=True)
class Series:
    """One series with its layout; `grid` is None where it cannot be converted."""

    key: str
    instances: tuple[Instance, ...]  # one a SOP instance
    choice: Choice
    grid: Grid | None
    faults: tuple[Fault, ...]
    findings: tuple[Finding, ...]


def read_folder(root: Path, progress: Progress = _SILENT) -> tuple[tuple[Series, ...], Listing]:
    """Every series below a folder; a second look at an unchanged folder costs a listing only.

    Raises
    ------
    ScanError
        No such folder, too many files, or no DICOM file in it (``dicom.none``).
    """
    listing = list_files(root, progress.step)
    key = (str(listing.root), listing.signature)
    kept = _KEPT.get(key)
    if kept is None:
        kept = _group(_read_all(listing, progress.step))
        _KEPT.clear()  # one folder at a time: a large one holds many headers
        _KEPT[key] = kept
    if not kept:
        raise Fault(
            "dicom.none",
            "The folder holds no DICOM file.",
            "Choose a DICOM folder, a BIDS dataset, fMRIPrep derivatives or a NIfTI scan.",
        ).error()
    return kept, listing


_KEPT: dict[tuple[str, str], tuple[Series, ...]] = {}


def contents_of(root: Path, progress: Progress = _SILENT) -> Contents:
    """The series table of a folder."""
    series, listing = read_folder(root, progress)
    findings = [*listing.findings, *_folder_findings(series)]
    choices = tuple(replace(item.choice, path=listing.root) for item in series)
    return Contents(SourceKind.DICOM, listing.root, choices, tuple(findings))


def find_series(root: Path, wanted: str, progress: Progress = _SILENT) -> Series:
    """One series by key, series number or UID; without a wish the only one that is BOLD.

    Raises
    ------
    ScanError
        ``dicom.no_series``, ``dicom.choose_series``.
    """
    series, _ = read_folder(root, progress)
    if wanted:
        found = [
            item
            for item in series
            if wanted in (item.key, str(item.choice.number), item.instances[0].series_uid)
        ]
        exact = [item for item in found if item.key == wanted]
        found = exact or found
        if len(found) == 1:
            return found[0]
        words = "No series has" if not found else f"{len(found)} series have"
        raise Fault(
            "dicom.no_series",
            f"{words} this number or key.",
            "List the series with --list, or choose one in the window.",
        ).error()
    functional = [item for item in series if item.choice.kind in ("rest", "bold")]
    bold = [item for item in functional if item.choice.openable] or functional
    if len(bold) == 1:
        return bold[0]
    if not bold and len(series) == 1:
        return series[0]
    raise Fault(
        "dicom.choose_series",
        f"The folder holds {len(series)} series, {len(bold)} of them functional runs.",
        "Choose one: list them with --list and name one with --series, or pick it in the window.",
    ).error()


def _read_all(listing: Listing, step: Callable[[float, str], None]) -> list[Instance]:
    found = []
    for index, path in enumerate(listing.files):
        try:
            size = path.stat().st_size
        except OSError:
            continue
        item = read_instance(path, size)
        if item is not None:
            found.append(item)
        step((index + 1) / len(listing.files), f"{index + 1} of {len(listing.files)} files")
    return found


def _group(instances: Sequence[Instance]) -> tuple[Series, ...]:
    """Split by person, study, series, echo, component and size of the data set's kind."""
    groups: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for item in instances:
        groups[_identity(item)].append(item)
    people = defaultdict(set)
    for item in instances:
        if item.series_uid:
            people[item.series_uid].add((item.person, item.study_uid))
    made = [
        _series(members, shared=len(people[members[0].series_uid]) > 1)
        for members in groups.values()
        if members[0].series_uid
    ]
    broken = [m for m in groups.values() if not m[0].series_uid]
    made += [_series([item for group in broken for item in group], shared=False)] if broken else []
    made.sort(key=lambda item: (item.choice.date, item.choice.number, item.key))
    return tuple(made)


def _identity(item: Instance) -> tuple[object, ...]:
    component = item.texts.get("ComplexImageComponent", "") or next(
        (word for word in ("M", "P", "R", "I", "PHASE", "MAGNITUDE") if word in item.image_type), ""
    )
    return (
        item.person,
        item.study_uid,
        item.series_uid,
        round(item.numbers.get("EchoTime", 0.0), 3),
        component,
        item.sop_class,
    )


def _key(item: Instance) -> str:
    """Name of a series that holds nothing of its UIDs."""
    text = "\0".join(map(str, _identity(item)))
    return "series-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def _series(members: list[Instance], *, shared: bool) -> Series:
    unique, doubled, faults = _without_copies(members)
    first = unique[0]
    grid, more, findings = make_grid(unique)
    faults += more
    if grid is not None:
        faults += _size_faults(grid, first)
    if doubled:
        findings.append(
            Finding(
                "dicom.duplicate_files",
                Severity.WARNING,
                f"{doubled} files are copies of others in the folder; each is used once.",
            )
        )
    if shared:
        findings.append(
            Finding(
                "dicom.mixed_people",
                Severity.WARNING,
                "Files with the same series number of the archive name different people or "
                "examinations; they were kept apart.",
                "Check with the archive whose scan this is before using it.",
            )
        )
    if first.texts.get("BurnedInAnnotation", "").upper() == "YES":
        findings.append(
            Finding(
                "dicom.burned_in",
                Severity.WARNING,
                "The header says that text is burned into the pixels; it may hold a name.",
                "Use the original series.",
            )
        )
    if first.texts.get("LossyImageCompression") == "01":
        findings.append(
            Finding(
                "dicom.lossy",
                Severity.WARNING,
                "The images were compressed with loss: values are not those of the scanner.",
                "Use the original series.",
            )
        )
    kind, reason = classify(first, grid)
    shape = grid.shape if grid is not None else (first.columns, first.rows, 0, 0)
    obstacle = faults[0].message if faults else _not_functional(kind, reason)
    milliseconds = first.numbers.get("RepetitionTime")
    choice = Choice(
        key=_key(first),
        path=first.path.parent,
        source=SourceKind.DICOM,
        title=first.texts.get("SeriesDescription") or first.texts.get("ProtocolName", ""),
        kind=kind,
        reason=reason,
        number=int(first.numbers.get("SeriesNumber", 0)),
        volumes=shape[3],
        repetition_time_s=milliseconds / 1000.0 if milliseconds else None,
        matrix=(shape[0], shape[1], shape[2]),
        date=first.texts.get("Date", ""),
        modality=first.texts.get("Modality", ""),
        obstacle=obstacle,
    )
    return Series(choice.key, tuple(unique), choice, grid, tuple(faults), tuple(findings))


def _without_copies(members: list[Instance]) -> tuple[list[Instance], int, list[Fault]]:
    """One file an instance: identical copies are dropped, different ones are a fault."""
    by_uid: dict[str, list[Instance]] = defaultdict(list)
    for item in sorted(members, key=lambda item: item.path):
        by_uid[item.sop_uid or str(item.path)].append(item)
    faults = []
    for same in by_uid.values():
        if len(same) > 1 and len({_content(item.path) for item in same}) > 1:
            faults.append(
                Fault(
                    "dicom.same_uid_differs",
                    "Two different files claim to be the same image.",
                    "Export the series again; do not mix exports in one folder.",
                )
            )
            break
    unique = [same[0] for same in by_uid.values()]
    return unique, len(members) - len(unique), faults


@lru_cache(maxsize=4096)
def _content(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return str(path)


def _size_faults(grid: Grid, first: Instance) -> list[Fault]:
    bytes_each = int(first.numbers.get("BitsAllocated", 16)) // 8
    columns, rows, slices, volumes = grid.shape
    size = columns * rows * slices * volumes * bytes_each
    if size > MAXIMUM_DATA_BYTES:
        return [Fault("dicom.too_large", f"The series claims {size / 2**30:.1f} GiB of voxels.")]
    return []


def _not_functional(kind: str, reason: str) -> str:
    if kind in ("rest", "bold"):
        return ""
    return f"Not a functional run: {reason}"


def classify(first: Instance, grid: Grid | None) -> tuple[str, str]:
    """What a series is, and what in its header says so.

    Returns
    -------
    tuple
        ("rest", "bold", "phase", "T1w", "T2w", "localiser", "fieldmap", "diffusion",
        "perfusion", "single-band reference", "physiology" or "other"; the reason).
    """
    words = f"{first.texts.get('SeriesDescription', '')} {first.texts.get('ProtocolName', '')}"
    if first.texts.get("Modality", "MR") != "MR" or first.sop_class not in MR_STORAGE:
        return "other", "it is no MR image"
    if {"P", "PHASE"} & set(first.image_type):
        return "phase", "the image type is phase"
    if "LOCALIZER" in first.image_type:
        return "localiser", "the image type says so"
    if {"DIFFUSION", "ADC", "FA"} & set(first.image_type) or first.numbers.get("DiffusionBValue"):
        return "diffusion", "the header states a diffusion weighting"
    for kind, pattern in _WORDS:
        if pattern.search(words):
            return kind, "its description says so"
    volumes = grid.shape[3] if grid is not None else 0
    sequence = f"{first.texts.get('SequenceName', '')} {first.texts.get('PulseSequenceName', '')}"
    planar = (
        "EP" in first.texts.get("ScanningSequence", "").split()
        or first.texts.get("EchoPlanarPulseSequence", "") == "YES"
        or re.search(r"\*?ep(fid|2d|i)", sequence, re.I) is not None
    )
    if planar and volumes >= MINIMUM_VOLUMES:
        if _REST.search(words):
            return "rest", f"echo-planar, {volumes} volumes, its description says rest"
        return "bold", f"echo-planar, {volumes} volumes; whether at rest is not stated"
    if volumes >= MINIMUM_VOLUMES:
        return "bold", f"{volumes} volumes; the sequence is not stated"
    if _T1.search(words) or _T1.search(sequence):
        return "T1w", "description or sequence says T1"
    if _T2.search(words):
        return "T2w", "its description says T2"
    if planar and grid is None:
        return "bold", "echo-planar"
    return "other", f"{volumes} volumes" if volumes else "nothing in the header says what it is"


def _folder_findings(series: Sequence[Series]) -> list[Finding]:
    people = {item.person for entry in series for item in entry.instances if item.series_uid}
    if len(people) < 2:
        return []
    return [
        Finding(
            "dicom.several_people",
            Severity.WARNING,
            f"The folder holds scans of {len(people)} people; they are listed apart and never "
            "merged.",
            "Check that the series you choose is the right person's.",
        )
    ]
