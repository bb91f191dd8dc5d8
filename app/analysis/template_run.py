"""The 4-D run in the template beside the other files of a case, where it is asked for."""

from __future__ import annotations

import tempfile
from pathlib import Path

from app.analysis.measure import Measured, thread_count
from app.analysis.opening import open_images
from app.core.folders import private_prefix
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.preprocessing.slice_timing import correct_slice_timing
from app.preprocessing.template_bold import write_template_bold
from app.study.case_store import update_case

TEMPLATE_RUN_SECONDS = 60.0


def template_run_name(case: Case) -> str:
    """fMRIPrep's name, beside which nilearn's `load_confounds` finds the confound table."""
    assert case.signals is not None
    return f"{case.stem()}_space-{case.signals.template}_desc-preproc_bold.nii.gz"


def add_template_run(
    request: AnalysisRequest, case: Case, measured: Measured, folder: Path, progress: Progress
) -> Path:
    """Read the run again, write it in the template, and let the case folder grow by it.

    Rows are the same frames as those of the tables.

    Raises
    ------
    AppError
        As reading and writing do.
    """
    signals, made = measured.signals, measured.made
    assert made is not None
    assert measured.spatial_map is not None
    name = template_run_name(case)
    with tempfile.TemporaryDirectory(prefix=private_prefix(), dir=request.out_dir) as private:
        loaded = open_images(request, Path(private), progress)
        image, threads = loaded.image, thread_count(request)
        if made.slice_time_s is not None:
            image = correct_slice_timing(
                image,
                loaded.scan.slice_times_s,
                made.slice_time_s,
                first_frame=made.steady_frame,
                scratch=Path(private),
                progress=progress,
                threads=threads,
            )
        path = Path(private) / name
        write_template_bold(
            image,
            measured.motion if loaded.scan.space == "scanner" else None,
            measured.spatial_map,
            measured.template.t1_2mm,
            path,
            first_frame=signals.first_frame,
            progress=progress,
            threads=threads,
        )
        sidecar = {
            "RepetitionTime": signals.repetition_time_s,
            "TaskName": case.scan.task or "rest",
            "SpatialReference": signals.template,
            "SkullStripped": False,
            "SliceTimingCorrected": made.slice_time_s is not None,
            "StartTime": made.slice_time_s or 0.0,
            "NumberOfVolumesDiscardedByUser": signals.first_frame,
            "Sources": [f"urn:sha256:{case.scan.sha256}"],
        }
        return update_case(folder, case, {name: path, name.replace(".nii.gz", ".json"): sidecar})
