"""A BIDS folder, raw or fMRIPrep's: every run with what lies beside it; problems only warn.

Names are read from folders and files, nothing is fetched, and no run is refused for its name:
whatever is odd is collected and told together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from app.core.errors import AppError
from app.core.progress import Progress
from app.core.results import Finding, Severity
from app.scans.bids import IMAGE_ENDINGS, entities_of, read_sidecar, stem_of
from app.scans.contents import Choice, Contents, SourceKind
from app.scans.faults import Fault
from app.scans.fmriprep import check_rows, is_derivative, match_run
from app.scans.nifti import inspect_header

MAXIMUM_RUNS = 5_000
_KNOWN = {
    "sub", "ses", "sample", "task", "tracksys", "acq", "ce", "trc", "stain", "rec", "dir", "run",
    "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording",
    "chunk", "seg", "res", "den", "label", "desc", "cohort", "suffix",
}  # fmt: skip
_ANATOMY = re.compile(r"_T1w$")
_FIELDMAPS = ("phasediff", "phase1", "phase2", "magnitude1", "magnitude2", "magnitude", "fieldmap",
              "epi")  # fmt: skip
_SILENT = Progress()


@dataclass(frozen=True, slots=True)
class Companions:
    """What lies beside a run: T1 images and fieldmaps of the same session, or of the person."""

    t1w: tuple[Path, ...]
    fieldmaps: tuple[Path, ...]


def is_dataset(root: Path) -> bool:
    """Whether a folder is BIDS: a description, or images where BIDS puts them."""
    return (root / "dataset_description.json").is_file() or has_images(root)


def has_images(root: Path) -> bool:
    """Whether there is a single run, T1 image or fieldmap where BIDS puts them."""
    return next(_images(root), None) is not None


def contents_of(root: Path, progress: Progress = _SILENT) -> Contents:
    """Every functional run, T1 image and fieldmap of a dataset or of one participant's folder.

    Raises
    ------
    ScanError
        ``bids.no_runs`` when there is not a single run.
    """
    images = list(_images(root))
    if not images:
        raise Fault(
            "bids.no_runs",
            "The folder holds no functional run.",
            "Choose a BIDS dataset, fMRIPrep derivatives or a DICOM folder.",
        ).error()
    derived = _is_derivatives(root, images)
    choices, findings = [], _dataset_findings(root, images, derived)
    for index, path in enumerate(images):
        choices.append(_choice(path))
        progress.step((index + 1) / len(images), f"{index + 1} of {len(images)} images")
    kind = SourceKind.DERIVATIVES if derived else SourceKind.BIDS
    return Contents(kind, root, tuple(choices), tuple(findings))


def functional_files(root: Path) -> Iterator[Path]:
    """Every functional run of a dataset by participant, session and name; nothing is opened."""
    for place in _places(root):
        for path in _files(place / "func"):
            if entities_of(stem_of(path)).get("suffix") == "bold":
                yield path


def file_contents(path: Path) -> Choice:
    """One image of a dataset as a row."""
    return replace(_choice(path), number=1)


def image_contents(path: Path) -> Choice:
    """A NIfTI file that lies in a folder of no known layout as a row; its header decides."""
    if is_derivative(path):
        return file_contents(path)
    entities = entities_of(stem_of(path))
    volumes, matrix, seconds, obstacle = _header_facts(path)
    task = entities.get("task", "")
    kind = "bold" if volumes > 1 else entities.get("suffix", "image")
    return Choice(
        key=f"image-{sha256(path.name.encode('utf-8', 'replace')).hexdigest()[:12]}",
        path=path,
        source=SourceKind.NIFTI,
        title=path.name,
        kind="rest" if kind == "bold" and re.search("rest", task, re.IGNORECASE) else kind,
        reason=f"{volumes} volumes in its header",
        volumes=volumes,
        repetition_time_s=seconds,
        matrix=matrix,
        participant=f"sub-{entities['sub']}" if "sub" in entities else "",
        session=f"ses-{entities['ses']}" if "ses" in entities else "",
        run=entities.get("run", ""),
        obstacle=obstacle,
    )


def companions_of(bold: Path) -> Companions:
    """T1 images and fieldmaps of a raw run, by folder and name; the run is not opened."""
    session = bold.parent.parent
    places = [session]
    if session.name.startswith("ses-"):
        places.append(session.parent)
    own = entities_of(stem_of(bold))
    t1w: list[Path] = []
    for place in places:
        for folder in (place / "anat", *((s / "anat") for s in _folders(place, "ses-"))):
            t1w += [path for path in _files(folder) if _ANATOMY.search(stem_of(path))]
        if t1w:
            break
    maps = [
        path
        for path in _files(session / "fmap")
        if entities_of(stem_of(path)).get("suffix") in _FIELDMAPS
        and entities_of(stem_of(path)).get("sub") == own.get("sub")
    ]
    return Companions(tuple(t1w), tuple(maps))


def companion_findings(bold: Path) -> list[Finding]:
    """What the report says of fieldmaps: found, and not applied."""
    count = len(companions_of(bold).fieldmaps)
    if not count:
        return []
    return [
        Finding(
            "scan.fieldmap_not_applied",
            Severity.NOTE,
            f"{count} fieldmap images lie beside the run; distortion is not corrected here.",
        )
    ]


def _choice(path: Path) -> Choice:
    stem = stem_of(path)
    entities = entities_of(stem)
    suffix = entities.get("suffix", "")
    volumes, matrix, seconds, obstacle = _header_facts(path)
    question, kind, reason = "", suffix, "its name says so"
    candidates: tuple[Path, ...] = ()
    source = SourceKind.BIDS
    if suffix == "bold":
        task = entities.get("task", "")
        resting = re.search(r"rest", task, re.IGNORECASE) is not None
        kind = "rest" if resting else "bold"
        reason = f"task {task}" if task else "no task in its name"
        if is_derivative(path):
            source = SourceKind.DERIVATIVES
            run = match_run(path)
            faults = [*run.faults, *check_rows(run, volumes)]
            obstacle = obstacle or (faults[0].message if faults else "")
            question, candidates = run.question, run.candidates
            reason += f", {entities.get('space', 'own space')}"
        else:
            beside = companions_of(path)
            reason += f", {len(beside.t1w)} T1 and {len(beside.fieldmaps)} fieldmap images"
    else:
        obstacle = "Not a functional run."
        kind = "fieldmap" if suffix in _FIELDMAPS else suffix
    return Choice(
        key=stem,
        path=path,
        source=source,
        title=stem,
        kind=kind,
        reason=reason,
        volumes=volumes,
        repetition_time_s=seconds,
        matrix=matrix,
        modality="MR",
        participant=f"sub-{entities.get('sub', '')}",
        session=f"ses-{entities['ses']}" if "ses" in entities else "",
        run=entities.get("run", ""),
        obstacle=obstacle,
        question=question,
        confounds=candidates,
    )


def _header_facts(path: Path) -> tuple[int, tuple[int, int, int], float | None, str]:
    """Volumes, matrix, repetition time, and why the run cannot be used."""
    try:
        facts = inspect_header(path)
    except AppError as error:
        seconds = read_sidecar(path).get("RepetitionTime")
        return 0, (0, 0, 0), seconds if isinstance(seconds, int | float) else None, error.message
    x, y, z, volumes = facts["shape"]
    faults = facts["faults"]
    return volumes, (x, y, z), facts["repetition_time_s"], faults[0][1] if faults else ""


def _dataset_findings(root: Path, images: list[Path], derived: bool) -> list[Finding]:
    findings = []
    if not (root / "dataset_description.json").is_file() and not root.name.startswith("sub-"):
        findings.append(
            Finding(
                "bids.no_description",
                Severity.WARNING,
                "The dataset has no dataset_description.json.",
            )
        )
    odd = [
        path
        for path in images
        if set(entities_of(stem_of(path))) - _KNOWN or "sub" not in entities_of(stem_of(path))
    ]
    if odd:
        findings.append(
            Finding(
                "bids.odd_names",
                Severity.WARNING,
                f"{len(odd)} images have names with entities that BIDS does not know; they are "
                "listed all the same.",
            )
        )
    misplaced = [
        path
        for path in images
        if f"sub-{entities_of(stem_of(path)).get('sub', '')}" not in path.parts
    ]
    if misplaced and not root.name.startswith("sub-"):
        findings.append(
            Finding(
                "bids.misplaced",
                Severity.WARNING,
                f"{len(misplaced)} images lie in the folder of another participant than their "
                "names say.",
                "Check whose images these are.",
            )
        )
    prepared = [
        folder for folder in _folders(root / "derivatives", "") if _describes_derivatives(folder)
    ]
    if prepared and not derived:
        findings.append(
            Finding(
                "bids.has_derivatives",
                Severity.NOTE,
                f"The dataset brings {len(prepared)} folders of derivatives.",
                "Open such a folder itself to use preprocessed runs.",
            )
        )
    return findings


def _is_derivatives(root: Path, images: list[Path]) -> bool:
    bold = [path for path in images if entities_of(stem_of(path)).get("suffix") == "bold"]
    return _describes_derivatives(root) or (bool(bold) and all(map(is_derivative, bold)))


def _describes_derivatives(root: Path) -> bool:
    try:
        path = root / "dataset_description.json"
        if path.stat().st_size > 1 << 20:
            return False
        described = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(described, dict) and described.get("DatasetType") == "derivative"


def _images(root: Path) -> Iterator[Path]:
    """Functional runs, T1 images and fieldmaps, by participant, session and name."""
    count = 0
    for session in _places(root):
        for kind in ("anat", "fmap", "func"):
            for path in _files(session / kind):
                suffix = entities_of(stem_of(path)).get("suffix", "")
                wanted = {
                    "anat": suffix == "T1w" and "space" not in entities_of(stem_of(path)),
                    "fmap": suffix in _FIELDMAPS and not is_derivative(path),
                    "func": suffix == "bold",
                }[kind]
                if wanted and count < MAXIMUM_RUNS:
                    count += 1
                    yield path


def _places(root: Path) -> Iterator[Path]:
    """Folders of participants and of their sessions."""
    people = [root] if root.name.startswith(("sub-", "ses-")) else _folders(root, "sub-")
    for person in people:
        yield from (person, *_folders(person, "ses-"))


def _folders(place: Path, prefix: str) -> list[Path]:
    try:
        return sorted(
            entry for entry in place.iterdir() if entry.name.startswith(prefix) and entry.is_dir()
        )
    except OSError:
        return []


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if path.name.lower().endswith(IMAGE_ENDINGS)
            and not path.name.lower().endswith((".img", ".img.gz"))
            and not path.name.startswith(".")
        )
    except OSError:
        return []
