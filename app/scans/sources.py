"""Which door a path leads to, judged by names and first bytes, and the table behind that door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from app.core.errors import ScanError
from app.core.progress import Progress
from app.scans import dataset, parcel_series
from app.scans.bids import entities_of, stem_of
from app.scans.contents import Choice, Contents, SourceKind
from app.scans.dicom.reading import is_dicom
from app.scans.dicom.series import contents_of as dicom_contents
from app.scans.faults import Fault
from app.scans.fmriprep import is_derivative

NIFTI_ENDINGS = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
_SILENT = Progress()


def source_kind(path: Path) -> SourceKind:
    """Which reader a file or folder belongs to.

    Raises
    ------
    ScanError
        ``scan.missing``, ``scan.unknown_kind``.
    """
    if path.is_dir():
        if (path / "case.json").is_file():
            return SourceKind.CASE
        return SourceKind.BIDS if dataset.is_dataset(path) else SourceKind.DICOM
    if not path.exists():
        raise Fault("scan.missing", "There is no such file.", "Choose the scan again.").error()
    name = path.name.lower()
    if name.endswith(NIFTI_ENDINGS):
        return SourceKind.DERIVATIVES if is_derivative(path) else SourceKind.NIFTI
    if parcel_series.looks_like_series(path):
        return SourceKind.PARCELS
    if is_dicom(path) or name == "dicomdir":
        return SourceKind.DICOM
    raise Fault(
        "scan.unknown_kind",
        "This kind of file cannot be opened.",
        "Open a NIfTI scan (.nii, .nii.gz), a DICOM or BIDS folder, fMRIPrep derivatives, a table "
        "of parcel series, or a case folder.",
    ).error()


def contents_of(path: Path, progress: Progress = _SILENT) -> Contents:
    """What a path holds; a single file is a table of one row.

    Raises
    ------
    ScanError
        Nothing that could be opened.
    """
    kind = source_kind(path)
    if kind is SourceKind.DICOM:
        return _folder_contents(path, progress)
    if kind is SourceKind.BIDS:
        series = _series_below(path)
        if series and not dataset.has_images(path):
            return Contents(SourceKind.PARCELS, path, _numbered(series))
        folder = dataset.contents_of(path, progress)
        return Contents(folder.kind, path, _numbered([*folder.choices, *series]), folder.findings)
    if kind is SourceKind.DERIVATIVES:
        whole = dataset.file_contents(path)
        return Contents(kind, path, (whole,))
    return Contents(kind, path, (_single(path, kind),))


def _folder_contents(path: Path, progress: Progress) -> Contents:
    """DICOM series of a folder; where there are none, the NIfTI files that lie in it."""
    if not path.is_dir():
        return dicom_contents(path.parent, progress)
    try:
        return dicom_contents(path, progress)
    except ScanError as error:
        if error.code != "dicom.none":
            raise
    images = _images_in(path)
    if not images:
        raise Fault(
            "scan.nothing_to_open",
            "Nothing in the folder can be opened.",
            "Choose a DICOM folder, a BIDS dataset, fMRIPrep derivatives or a NIfTI scan.",
        ).error()
    choices = []
    for place, image in enumerate(images, start=1):
        choices.append(replace(dataset.image_contents(image), number=place))
        progress.step(place / len(images), f"{place} of {len(images)} images")
    return Contents(SourceKind.NIFTI, path, tuple(choices))


def _images_in(folder: Path) -> list[Path]:
    """NIfTI files of a folder; of an .hdr/.img pair the header only."""
    try:
        names = sorted(folder.iterdir())[: dataset.MAXIMUM_RUNS]
    except OSError:
        return []
    found = [item for item in names if item.name.lower().endswith(NIFTI_ENDINGS)]
    headers = {stem_of(item) for item in found if ".hdr" in item.name.lower()}
    return [
        item
        for item in found
        if item.is_file() and not (".img" in item.name.lower() and stem_of(item) in headers)
    ]


def _numbered(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    """Rows with the numbers that the command line takes."""
    return tuple(replace(choice, number=place) for place, choice in enumerate(choices, start=1))


def _single(path: Path, kind: SourceKind) -> Choice:
    entities = entities_of(stem_of(path))
    return Choice(
        key=f"{kind.value}-1",
        path=path,
        source=kind,
        title=path.name,
        kind="parcels" if kind is SourceKind.PARCELS else "bold",
        reason="named by the user",
        number=1,
        participant=f"sub-{entities['sub']}" if "sub" in entities else "",
    )


def _series_below(root: Path) -> list[Choice]:
    """Parcel series of a derivatives folder (XCP-D and this program write them beside runs)."""
    found = []
    for pattern in ("func/*timeseries.tsv", "ses-*/func/*timeseries.tsv",
                    "sub-*/func/*timeseries.tsv", "sub-*/ses-*/func/*timeseries.tsv"):  # fmt: skip
        for path in sorted(root.glob(pattern))[:5000]:
            if parcel_series.atlas_of(path) and parcel_series.looks_like_series(path):
                entities = entities_of(path.stem)
                found.append(
                    Choice(
                        key=path.stem,
                        path=path,
                        source=SourceKind.PARCELS,
                        title=path.stem,
                        kind="parcels",
                        reason=f"parcel series of atlas {parcel_series.atlas_of(path)}",
                        participant=f"sub-{entities.get('sub', '')}",
                        session=f"ses-{entities['ses']}" if "ses" in entities else "",
                        run=entities.get("run", ""),
                    )
                )
    return found
