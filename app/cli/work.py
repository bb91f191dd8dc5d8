"""Work from the command line: in the worker process, or here for debugging."""

from __future__ import annotations

from pathlib import Path

from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.settings import load_settings
from app.scans.contents import Contents
from app.worker.process import Worker
from app.worker.protocol import JobAnnouncement, JobProgress
from app.worker.requests import analyse_job, contents_of, look_job


def run_analysis(request: AnalysisRequest, *, in_process: bool = False) -> Path:
    """Run the recipe, show its stages, and return the case folder.

    Raises
    ------
    AppError
        Whatever the recipe, or the worker process, ends with.
    """
    lines = StageLines()
    try:
        if in_process:
            from app.analysis import analyse

            case = analyse(request, Progress(lines.show))
            return request.out_dir / case.case_id

        def show(event: JobProgress | JobAnnouncement) -> None:
            if isinstance(event, JobProgress):
                lines.show(event.event)

        settings, _refused = load_settings()
        limit = settings.worker_memory_limit_mb << 20
        with Worker(memory_limit_bytes=limit) as worker:
            return Path(worker.run(analyse_job(request), show)["case_folder"])
    finally:
        lines.end()


def look(path: Path, *, in_process: bool = False) -> Contents:
    """List what a path holds, in the worker process.

    Raises
    ------
    AppError
        Nothing that could be opened.
    """
    lines = StageLines()
    try:
        if in_process:
            from app.scans import sources

            return sources.contents_of(path, Progress(lines.show))

        def show(event: JobProgress | JobAnnouncement) -> None:
            if isinstance(event, JobProgress):
                lines.show(event.event)

        settings, _refused = load_settings()
        with Worker(memory_limit_bytes=settings.worker_memory_limit_mb << 20) as worker:
            return contents_of(worker.run(look_job(path), show))
    finally:
        lines.end()
