"""One visit of a cohort: the plain recipe, the prepared file, the row. Runs in any process.

What comes in is small (paths and settings) and what goes out is a row. Whatever happens to the
scan becomes the row's reason; only a cancel, and a place that cannot be written, are raised.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.cohort.rows import (
    CohortRow,
    failed_row,
    read_row,
    row_file,
    row_of_case,
    write_row,
)
from app.core.errors import AppError, CancelledError, StorageError
from app.core.logs import log_event, log_fault
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.study.files import link_or_copy, storage_errors, temporary_sibling

CASES = "cases"
PREPARED = "prepared"
_LOOK_EVERY_S = 0.5
OUR_FAULTS = ("study.no_space", "study.read_only", "study.no_permission", "study.not_a_folder")
_NOT_LINKED = ("case.json", "arrays.npz", "manifest.json", "dataset_description.json")
_ANSWERS = ("attribution", "summary")  # stay in the case: another model's answer may be withheld


@dataclass(frozen=True, slots=True)
class VisitTask:
    """One visit to do: what is asked of the recipe, and the row as far as it is known."""

    row: CohortRow
    request: AnalysisRequest
    out_dir: Path
    stop_file: Path  # once it is there, the work ends at its next step


def run_visit(task: VisitTask, told: Callable[[str, float], None] | None = None) -> CohortRow:
    """Analyse one visit and write its row; a case that is there whole is not computed again.

    Parameters
    ----------
    task
        The visit.
    told
        Hears the stage and the fraction of the whole, now and then.

    Raises
    ------
    CancelledError
        The stop file appeared; nothing half-written remains.
    StorageError
        The results cannot be written at all (disk full, read-only): every other visit would
        fail alike.
    """
    # The recipe is imported here, so that a window which only reads rows never loads it.
    from app.analysis import analyse
    from app.cohort.prepared import prepared_case_id, write_prepared

    began, used = time.monotonic(), time.process_time()
    worked: list[str] = []

    def heard(stage: str, fraction: float) -> None:
        worked.append(stage)
        if told is not None:
            told(stage, fraction)

    progress = Progress(lambda event: heard(event.stage, event.fraction), _stopped(task.stop_file))
    try:
        case = analyse(task.request, progress)
        prepared = task.out_dir / PREPARED / f"{task.row.key}.npz"
        if case.signals is not None and prepared_case_id(prepared) != case.case_id:
            write_prepared(case, prepared)
        row = _with_cost_of_before(row_of_case(task.row, case), task.out_dir)
        _publish_names(task, case.case_id)
        if worked:
            row = replace(
                row,
                seconds=round(time.monotonic() - began, 2),
                cpu_seconds=round(time.process_time() - used, 2),
                peak_memory_mib=_peak_memory_mib(),
            )
    except CancelledError:
        raise
    except StorageError as error:
        if error.code in OUR_FAULTS:
            raise
        row = failed_row(task.row, error)
    except AppError as error:
        row = failed_row(task.row, error)
    except MemoryError:
        row = failed_row(task.row, _memory_error())
    except Exception as fault:  # noqa: BLE001 - one bad scan never stops the others
        log_fault("cohort.unexpected", fault)
        row = failed_row(task.row, _unexpected(type(fault).__name__))
    if not row.finished:
        log_event("cohort.visit_failed", reason=row.code)
    write_row(task.out_dir, row)
    return row


def _with_cost_of_before(row: CohortRow, out_dir: Path) -> CohortRow:
    """What the case had cost when it was made, if it was made before."""
    try:
        before = read_row(row_file(out_dir, row.key))
    except StorageError:
        return row
    if before.case_id != row.case_id:
        return row
    return replace(
        row,
        seconds=before.seconds,
        cpu_seconds=before.cpu_seconds,
        peak_memory_mib=before.peak_memory_mib,
    )


def _stopped(stop_file: Path) -> Callable[[], bool]:
    """Asks the disk at most twice a second."""
    last = 0.0

    def asked() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < _LOOK_EVERY_S:
            return False
        last = now
        return stop_file.exists()

    return asked


def _publish_names(task: VisitTask, case_id: str) -> None:
    """Give the case's derivatives their BIDS place too: second names, no second copy.

    ``sub-…/[ses-…/]func/`` holds what outside tools read. It is filled beside its place and
    renamed; a name that another run of the visit has taken stays that run's.
    """
    case_folder = task.request.out_dir / case_id
    row = task.row
    place = (
        task.out_dir / row.participant / row.session
        if row.session
        else (task.out_dir / row.participant)
    )
    target = place / "func"
    with storage_errors():
        target.mkdir(parents=True, exist_ok=True)
        with temporary_sibling(target / case_id) as folder:
            for source in sorted(case_folder.iterdir()):
                if not source.is_file() or source.name in _NOT_LINKED:
                    continue
                if any(word in source.name for word in _ANSWERS):
                    continue
                name = _with_run(source.name, row)
                if (target / name).exists() and os.path.samefile(target / name, source):
                    continue
                link_or_copy(source, folder / name)
                os.replace(folder / name, target / name)


def _with_run(name: str, row: CohortRow) -> str:
    """``sub-…_task-rest_…`` with the other entities of the run, which a case does not carry."""
    extra = [part for part in row.run.split("_") if part and not part.startswith("task-")]
    head, mark, rest = name.partition("_task-")
    if not extra or not mark:
        return name
    task, _, ending = rest.partition("_")
    return f"{head}_task-{task}_{'_'.join(extra)}_{ending}"


def _peak_memory_mib() -> float | None:
    """Most resident memory that this process has had; None where the system does not say."""
    with contextlib.suppress(ImportError):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
    return None


def _memory_error() -> AppError:
    return AppError(
        "The analysis of this scan needs more memory than a worker has.",
        "Run it alone, with --n-workers 1.",
        code="cohort.memory",
    )


def _unexpected(name: str) -> AppError:
    return AppError(
        f"The analysis stopped with an unexpected fault ({name}).",
        "Open this scan in the window; if it happens again, send the diagnostic report.",
        code="cohort.unexpected",
    )
