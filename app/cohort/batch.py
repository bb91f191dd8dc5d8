"""A BIDS folder through the plain recipe: plan, run, resume; one row a participant-visit.

`plan_batch` reads names and tables only. `run_batch` hands each visit to the engine; a visit
whose case lies there whole is recognised by the hash of its bytes and settings and not computed
again, so running the same command again goes on where it stopped.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.cohort.engine import TaskEnd, open_engine
from app.cohort.engine_settings import EngineSettings
from app.cohort.results_table import write_results
from app.cohort.rows import (
    FAILED,
    CohortRow,
    failed_row,
    read_row,
    read_rows,
    row_file,
    write_row,
)
from app.cohort.visit_run import CASES, OUR_FAULTS, VisitTask
from app.core.errors import AppError, CancelledError, StorageError
from app.core.progress import Progress
from app.core.request import AnalysisRequest, Question
from app.core.results import Finding
from app.scans.visits import Visit, Visits, list_visits
from app.study.files import check_writable, recover, storage_errors

OnRow = Callable[[CohortRow], None]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What is asked: a BIDS folder, where to, whom of it, and how each scan is analysed."""

    bids_dir: Path
    out_dir: Path
    participants: tuple[str, ...] = ()  # labels; empty = all
    sessions: tuple[str, ...] = ()
    task: str = ""  # "" = any whose name holds "rest"
    keys: tuple[str, ...] = ()  # visits by key; empty = all
    model_id: str = "simulated-demo"
    device: str = "cpu"  # one for all: results of one table are made alike
    attribution: bool = True
    write_pdf: bool = False
    seed: int = 0
    template: str = "MNI152NLin2009cAsym"


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Every visit with what is to be done, or why nothing can be."""

    request: BatchRequest
    rows: tuple[CohortRow, ...]
    tasks: dict[str, AnalysisRequest] = field(default_factory=dict)  # by key
    findings: tuple[Finding, ...] = ()
    units: dict[str, str] = field(default_factory=dict)
    largest_file_bytes: int = 0
    unlisted: frozenset[str] = frozenset()  # keys of labels that neither folder nor table knows


def plan_batch(request: BatchRequest) -> BatchPlan:
    """List what would be done; reads names and tables, opens no image and writes nothing.

    Raises
    ------
    AppError
        ``cohort.no_folder``, ``cohort.nobody``, ``cohort.inside``.
    """
    root, out = request.bids_dir.absolute(), request.out_dir.absolute()
    if not root.is_dir():
        raise AppError("There is no such BIDS folder.", "Check the spelling.",
                       code="cohort.no_folder")  # fmt: skip
    below = out.relative_to(root).parts if root == out or root in out.parents else None
    if below is not None and below[:1] != ("derivatives",):
        raise AppError(
            "The results may not go among the data.",
            "Choose a folder outside, or below derivatives/.",
            code="cohort.inside",
        )
    found = list_visits(
        root,
        participants=request.participants,
        sessions=request.sessions,
        task=request.task,
        template=request.template,
    )
    visits = [v for v in found.visits if not request.keys or v.key in request.keys]
    if not visits:
        raise AppError(
            "The folder holds no participant that was asked for.",
            "Participants lie in folders named sub-…, their runs in func/; check the labels.",
            code="cohort.nobody",
        )
    rows = tuple(_row(visit, root) for visit in visits)
    tasks = {
        visit.key: _analysis(visit, request, out) for visit in visits if visit.scan_path is not None
    }
    sizes = [_size(visit.scan_path) for visit in visits if visit.scan_path is not None]
    unlisted = frozenset(
        visit.key
        for visit in visits
        if visit.code == "cohort.no_images" and not (found.columns and visit.in_table)
    )
    return BatchPlan(
        request, rows, tasks, _findings(found), found.units, max(sizes, default=0), unlisted
    )


def run_batch(
    plan: BatchPlan,
    engine: EngineSettings,
    progress: Progress,
    *,
    on_row: OnRow = lambda _row: None,
    say: Callable[[str], None] = lambda _words: None,
) -> tuple[CohortRow, ...]:
    """Do the plan and return all its rows, in order; the results table is written at the end.

    The table holds the rows of earlier runs too, so that one label a job makes one table.

    Parameters
    ----------
    plan
        What `plan_batch` found.
    engine
        Where it runs.
    progress
        One stage "participants"; a cancel takes hold within a step of each running scan.
    on_row
        Told of each row as it is there, in this thread.
    say
        Told once where the dashboard is and on how many workers it runs.

    Raises
    ------
    CancelledError
        What is done is kept, and so is the table of it.
    StorageError
        The results cannot be written (disk full, read-only); what is done is kept.
    """
    out = plan.request.out_dir.absolute()
    check_writable(out)
    with storage_errors():
        out.mkdir(parents=True, exist_ok=True)
    _clean_up(out)
    stop_file = out / f".stop-{uuid.uuid4().hex[:12]}"
    rows = {row.key: row for row in plan.rows}
    for row in plan.rows:
        if row.outcome == FAILED:
            if row.key not in plan.unlisted:  # a slip of the command is told, and not kept
                write_row(out, row)
            on_row(row)
    tasks = {
        key: VisitTask(rows[key], request, out, stop_file) for key, request in plan.tasks.items()
    }

    def ended(end: TaskEnd) -> None:
        if isinstance(end.error, StorageError) and end.error.code in OUR_FAULTS:
            raise end.error
        if isinstance(end.error, CancelledError):
            return
        row = end.answer
        if end.error is not None:
            row = failed_row(rows[end.key], end.error)
            write_row(out, row)
        rows[end.key] = row
        on_row(row)

    from app.cohort.dask_worker import do_visit

    try:
        with progress.stage("participants"), open_engine(engine) as running:
            say(_engine_words(running.workers, running.link))
            running.run(do_visit, tasks, ended, progress, stop=stop_file.touch)
    finally:
        stop_file.unlink(missing_ok=True)
        _clean_up(out)
        listed = [row for row in plan.rows if row.key not in plan.unlisted]
        write_results(out, every_row(out, listed), plan.units, source=plan.request.bids_dir)
    return tuple(rows[row.key] for row in plan.rows)


def known_rows(plan: BatchPlan) -> tuple[CohortRow, ...]:
    """The plan's rows with what earlier runs have left in the results folder."""
    out = plan.request.out_dir.absolute()
    return tuple(_latest(out, row) for row in plan.rows)


def every_row(out: Path, planned: Sequence[CohortRow]) -> tuple[CohortRow, ...]:
    """All rows that a results folder holds and those of `planned` that are not there, by key."""
    rows = {row.key: row for row in planned} | {row.key: row for row in read_rows(out)[0]}
    return tuple(rows[key] for key in sorted(rows))


def _latest(out: Path, row: CohortRow) -> CohortRow:
    try:
        return read_row(row_file(out, row.key))
    except StorageError:
        return row


def _row(visit: Visit, root: Path) -> CohortRow:
    drug, arm, time_point, definition = visit.stated
    path = visit.scan_path
    row = CohortRow(
        key=visit.key,
        participant=visit.participant,
        session=visit.session,
        run=visit.run,
        source="" if path is None else path.absolute().relative_to(root).as_posix(),
        site=visit.site,
        age_years=visit.age_years,
        sex=visit.sex or "",
        baseline_pain=visit.baseline_pain,
        drug=drug,
        arm=arm,
        time_point=time_point,
        responder_definition=definition,
    )
    if path is None:
        return replace(row, outcome=FAILED, reason=visit.obstacle, code=visit.code)
    return row


def _analysis(visit: Visit, request: BatchRequest, out: Path) -> AnalysisRequest:
    assert visit.scan_path is not None
    drug, arm, time_point, definition = visit.stated
    return AnalysisRequest(
        scan_path=visit.scan_path.absolute(),
        out_dir=out / CASES,
        model_id=request.model_id,
        device=request.device,
        threads=1,  # one a worker; changes no bit
        seed=request.seed,
        attribution=request.attribution,
        write_pdf=request.write_pdf,
        question=Question(drug, arm, time_point, definition),
    )


def _findings(found: Visits) -> tuple[Finding, ...]:
    from app.core.results import Severity

    unlisted = sum(not visit.in_table for visit in found.visits)
    if not unlisted:
        return found.findings
    return (
        *found.findings,
        Finding(
            "cohort.not_in_table",
            Severity.WARNING,
            f"{unlisted} {'visits have' if unlisted > 1 else 'visit has'} no row in "
            "participants.tsv: age, sex, pain and site are unknown there.",
        ),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _clean_up(out: Path) -> None:
    """Remove what killed workers left half-written, here and among the cases."""
    for place in (out, out / CASES, out / "rows", out / "prepared"):
        if place.is_dir():
            recover(place)
    for stale in out.glob(".stop-*") if out.is_dir() else ():
        stale.unlink(missing_ok=True)


def _engine_words(workers: int, link: str) -> str:
    words = f"{workers} worker process{'es' if workers != 1 else ''}"
    return f"{words}; dashboard: {link}" if link else words


def default_engine(settings: EngineSettings, plan: BatchPlan) -> EngineSettings:
    """Room for the largest scan of the plan: its inflated bytes twice beside the usual peak."""
    inflated = 2 * plan.largest_file_bytes
    return replace(settings, task_memory_bytes=settings.task_memory_bytes + 2 * inflated)


__all__: Sequence[str] = (
    "BatchPlan", "BatchRequest", "default_engine", "known_rows", "plan_batch", "run_batch",
)  # fmt: skip
