"""What holds in every worker process of the engine; imported where Dask is, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

from distributed import Worker, WorkerPlugin

from app import __version__
from app.cohort.engine import report_stage
from app.cohort.rows import CohortRow
from app.cohort.visit_run import VisitTask, run_visit
from app.study.private_folders import clean_scratch

# One thread in every library, before it is imported: the same bits on any number of workers.
# Torch keeps its two, which decide its bits (`app/models/device.py`), on the one core of a worker.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MPLBACKEND": "Agg",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
_NICENESS = 10
_TELL_EVERY_S = 1.0


class WorkerSetup(WorkerPlugin):
    """Politeness, no core dumps, and a card of its own for each worker of this machine."""

    def __init__(self, *, gpus: int, own: bool) -> None:
        self.gpus = gpus
        self.own = own  # we started the worker: it stands below the window and ends with us

    def setup(self, worker: Worker) -> None:
        """In the worker process, before its first task."""
        clean_scratch()
        if not self.own:
            return
        if threading.current_thread() is threading.main_thread():
            # Ctrl-C goes to the coordinator, which decides.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self.gpus and str(worker.name).isdigit():
            cards = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            listed = [card for card in cards.split(",") if card] or list(map(str, range(self.gpus)))
            os.environ["CUDA_VISIBLE_DEVICES"] = listed[int(worker.name) % len(listed)]
        if sys.platform != "win32":
            import resource

            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with contextlib.suppress(OSError):
                os.nice(_NICENESS)
        if str(worker.name).isdigit():
            keep_to_one_core(int(worker.name))


def keep_to_one_core(number: int) -> None:
    """Let this process and its threads to come run on one core, as Linux counts them.

    What several workers cost is then what one of them costs: torch's two threads would else take
    the cores of other workers and leave them idle in turn. Elsewhere the system places threads.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            cores = sorted(os.sched_getaffinity(0))
            for thread in threading.enumerate():
                os.sched_setaffinity(thread.native_id or 0, {cores[number % len(cores)]})


def version() -> str:
    """Of the program that a worker runs."""
    return __version__


def do_visit(task: VisitTask) -> CohortRow:
    """One visit in a worker; its stage is told once a second."""
    last = 0.0

    def told(stage: str, fraction: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL_EVERY_S:
            last = now
            report_stage(task.row.key, stage, fraction)

    return run_visit(task, told)
