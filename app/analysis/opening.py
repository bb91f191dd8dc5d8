"""Any door of the program for one request: the scan, who it is of, and the hash of its bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from app.connectome.atlases import ATLASES, load_atlas
from app.core.errors import AppError, ScanError
from app.core.progress import Progress
from app.core.provenance import files_sha256
from app.core.request import AnalysisRequest
from app.core.results import Finding, Scan
from app.scans.bids import ParticipantFacts, participant_of
from app.scans.contents import SourceKind
from app.scans.dataset import companion_findings
from app.scans.dicom.convert import facts_of, read_dicom, series_sha256
from app.scans.dicom.series import Series, find_series, read_folder
from app.scans.faults import raise_all
from app.scans.fmriprep import DerivativeRun, match_run
from app.scans.nifti import LoadedScan, read_nifti, stored_files
from app.scans.parcel_series import ParcelSeries, read_parcel_series
from app.scans.sources import source_kind


def open_images(request: AnalysisRequest, cache_dir: Path, progress: Progress) -> LoadedScan:
    """The 4-D run of a request: a NIfTI file, or one series of a DICOM folder.

    Raises
    ------
    AppError
        What is wrong with it; ``dicom.choose_series`` when the request must say which.
    """
    if source_kind(request.scan_path) is SourceKind.DICOM:
        return read_dicom(
            dicom_root(request.scan_path),
            series=request.series,
            cache_dir=cache_dir,
            stated_repetition_time_s=request.repetition_time_s,
            progress=progress,
        )
    loaded = read_nifti(
        request.scan_path,
        cache_dir=cache_dir,
        stated_repetition_time_s=request.repetition_time_s,
        progress=progress,
    )
    beside = tuple(companion_findings(request.scan_path))
    return LoadedScan(loaded.scan, loaded.image, (*loaded.findings, *beside), loaded.voxel_file)


def checked_derivative(request: AnalysisRequest) -> DerivativeRun:
    """The files of an fMRIPrep run, if they are all there and fit for use.

    Raises
    ------
    ScanError
        ``derivative.…``; ``derivative.choose_confounds`` when the request must name the table.
    """
    run = match_run(request.scan_path, request.confounds_path)
    raise_all(run.faults)
    if run.confounds is None:
        count = len(run.candidates)
        raise ScanError(
            run.question,
            f"{count} tables lie beside the run; name one with --confounds or pick it in the "
            "window."
            if count
            else "Put fMRIPrep's confound table beside the run.",
            code="derivative.choose_confounds",
        )
    return run


def scan_sha256(request: AnalysisRequest) -> str:
    """What `Scan.sha256` will be: of the file or pair, or of the series' instances."""
    if source_kind(request.scan_path) is SourceKind.DICOM:
        return series_sha256(dicom_series(request))
    return files_sha256(*stored_files(request.scan_path))


def with_series_of(request: AnalysisRequest, sha256: str) -> AnalysisRequest:
    """The request for the series of that hash, where its DICOM folder holds several."""
    if not request.scan_path.exists() or source_kind(request.scan_path) is not SourceKind.DICOM:
        return request
    for series in read_folder(dicom_root(request.scan_path))[0]:
        if series_sha256(series) == sha256:
            return replace(request, series=series.key)
    return request


def open_series(request: AnalysisRequest) -> ParcelSeries:
    """Parcel series of a request, in the order of their atlas."""
    return read_parcel_series(
        request.scan_path,
        installed_parcel_names(),
        atlas=request.atlas,
        stated_repetition_time_s=request.repetition_time_s,
    )


def describe_series(request: AnalysisRequest) -> tuple[Scan, tuple[Finding, ...]]:
    """Parcel series as a scan without a grid, with findings; a case's own table brings its scan."""
    from app.analysis.parcels import own_case, scan_of

    case = own_case(request.scan_path)
    if case is not None:
        return case.scan, case.findings
    series = open_series(request)
    return scan_of(series, request.scan_path), series.findings


def facts_about(request: AnalysisRequest) -> ParticipantFacts:
    """What name, tables or DICOM headers say of the person."""
    if source_kind(request.scan_path) is SourceKind.DICOM:
        return facts_of(dicom_series(request))
    return participant_of(request.scan_path)


def dicom_series(request: AnalysisRequest) -> Series:
    """The series that a request means."""
    return find_series(dicom_root(request.scan_path), request.series)


def dicom_root(path: Path) -> Path:
    """The folder of a series; a single file stands for its folder."""
    return path if path.is_dir() else path.parent


def installed_parcel_names() -> Mapping[str, Sequence[str]]:
    """Atlas name -> parcel names of every atlas that can be loaded on this machine."""
    names: dict[str, Sequence[str]] = {}
    for entry in ATLASES:
        try:
            names[entry.name] = load_atlas(entry.name).parcel_names
        except AppError:
            continue  # an atlas that the user has not fetched
    return names
