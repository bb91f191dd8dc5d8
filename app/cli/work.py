"""Work from the command line: in the worker process, or here for debugging."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.settings import load_settings
from app.scans.contents import Contents
from app.worker.process import Worker
from app.worker.protocol import Job, JobAnnouncement, JobProgress
from app.worker.requests import analyse_job, contents_of, look_job


def in_worker(job: Job) -> dict[str, Any]:
    """Do a job in the worker process, with its stages on standard error.

    Raises
    ------
    AppError
        Whatever the job, or the worker process, ends with.
    """
    with StageLines() as lines:

        def show(event: JobProgress | JobAnnouncement) -> None:
            if isinstance(event, JobProgress):
                lines.show(event.event)

        settings, _refused = load_settings()
        with Worker(memory_limit_bytes=settings.worker_memory_limit_mb << 20) as worker:
            return worker.run(job, show)


def run_analysis(request: AnalysisRequest, *, in_process: bool = False) -> Path:
    """Run the recipe, show its stages, and return the case folder.

    Raises
    ------
    AppError
        Whatever the recipe, or the worker process, ends with.
    """
    if not in_process:
        return Path(in_worker(analyse_job(request))["case_folder"])
    from app.analysis import analyse

    with StageLines() as lines:
        case = analyse(request, Progress(lines.show))
    return request.out_dir / case.case_id


def look(path: Path, *, in_process: bool = False) -> Contents:
    """List what a path holds, in the worker process.

    Raises
    ------
    AppError
        Nothing that could be opened.
    """
    if not in_process:
        return contents_of(in_worker(look_job(path)))
    from app.scans import sources

    with StageLines() as lines:
        return sources.contents_of(path, Progress(lines.show))
