"""Many tasks on Dask: on this machine, on a scheduler that runs somewhere, or through SLURM.

Dask is imported when an engine opens, never before. Tasks are paths and settings, answers are
rows; no array passes the scheduler. Workers are processes with one thread each, so that a crash
or a kill costs one task at most, and its retry. A task whose worker dies `ALLOWED_DEATHS` times
is given up with a reason. A local engine binds to 127.0.0.1 only, its dashboard too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.cohort.engine_settings import (
    ALLOWED_DEATHS,
    CANCEL_WAIT_S,
    EngineSettings,
    worker_count,
)
from app.core.errors import AppError, WorkerError
from app.core.progress import Progress
from app.study.private_folders import clean_scratch

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_EVERY_S = 0.1
_EVENTS = "neuroresponder-stages"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How one task ended: its answer, or the error that says why not."""

    key: str
    answer: Any = None
    error: AppError | None = None


@dataclass
class Engine:
    """An open connection; `run` may be called several times."""

    client: Client
    settings: EngineSettings
    link: str  # of the dashboard, "" where there is none
    workers: int
    stages: dict[str, tuple[str, float]] = field(default_factory=dict)  # running: key -> stage

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Mapping[str, Any],
        ended: Callable[[TaskEnd], None],
        progress: Progress,
        *,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Do every task once, in any order.

        Parameters
        ----------
        function
            Of a module that the workers can import; takes a task, gives a small answer.
        tasks
            By key; small, picklable.
        ended
            Told of each task in the calling thread. What it raises ends the run.
        progress
            Told in the current stage, and asked for a cancel.
        stop
            Called at a cancel: asks the running tasks to end by themselves.

        Raises
        ------
        CancelledError
            A cancel was asked; running tasks have ended or were killed.
        WorkerError
            The scheduler went away.
        """
        if not tasks:
            return
        from distributed import as_completed

        resources = {"GPU": 1} if self.settings.gpus else None
        keys = list(tasks)
        futures: list[Future[Any]] = self.client.map(
            function, [tasks[key] for key in keys], key=[f"visit-{key}" for key in keys],
            retries=1, pure=False, resources=resources,
        )  # fmt: skip
        names = dict(zip((future.key for future in futures), keys, strict=True))
        waiting = as_completed(futures, loop=self.client.loop)
        del futures  # an answer that was read is let go
        done = 0
        try:
            while done < len(names):
                for future in waiting.next_batch(block=False):
                    done += 1
                    key = names[future.key]
                    self.stages.pop(key, None)
                    ended(_end_of(key, future))
                    future.release()
                if self.client.status not in ("running", "connecting"):
                    raise _scheduler_gone()
                progress.step(done / len(names), self._words(done, len(names)))
                time.sleep(_LOOK_EVERY_S)
        except BaseException:
            stop()
            self._let_end(waiting, names)
            raise

    def _words(self, done: int, count: int) -> str:
        running = sum(1 for _ in list(self.stages))
        return f"{done} of {count} done" + (f", {running} running" if running else "")

    def _let_end(self, waiting: Any, names: Mapping[Any, str]) -> None:
        """After `stop`: wait a little for what runs, forget what does not."""
        deadline = time.monotonic() + CANCEL_WAIT_S
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            busy = {key for keys in self.client.processing().values() for key in keys}
            queued = [f for f in list(waiting.futures) if f.key not in busy]
            self.client.cancel(queued, force=True)
            while busy and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)
                now = {key for keys in self.client.processing().values() for key in keys}
                busy &= now

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """A worker told of a stage; in the client's own thread."""
        _time, told = event
        self.stages[str(told["key"])] = (str(told["stage"]), float(told["fraction"]))


@contextlib.contextmanager
def open_engine(settings: EngineSettings) -> Iterator[Engine]:
    """Start or join the workers; everything that was started ends with the block.

    Raises
    ------
    WorkerError
        ``cohort.no_scheduler``, ``cohort.no_slurm``, ``cohort.no_gpu_worker``,
        ``cohort.other_version``.
    """
    import dask

    from app.cohort import engine_places as places

    with contextlib.ExitStack() as stack:
        stack.enter_context(dask.config.set(places.configuration()))
        stack.enter_context(places.quiet_logs())
        if settings.scheduler:
            client = stack.enter_context(places.joined(settings))
            places.check_strangers(client, settings)
        else:
            cluster = stack.enter_context(places.cluster(settings))
            client = stack.enter_context(places.client(cluster))
        from app.cohort.dask_worker import WorkerSetup

        client.register_plugin(WorkerSetup(gpus=settings.gpus, own=not settings.scheduler))
        count = len(client.scheduler_info(n_workers=-1)["workers"]) or worker_count(settings)
        engine = Engine(client, settings, places.link(client, settings), count)
        client.subscribe_topic(_EVENTS, engine._hear)
        try:
            yield engine
        finally:
            with contextlib.suppress(ValueError, OSError, RuntimeError):
                client.unsubscribe_topic(_EVENTS)
    clean_scratch()  # voxels of workers that were killed


def report_stage(key: str, stage: str, fraction: float) -> None:
    """In a worker: tell the coordinator where a task stands; nothing elsewhere."""
    from distributed import get_worker

    with contextlib.suppress(ValueError):  # not in a worker
        get_worker().log_event(_EVENTS, {"key": key, "stage": stage, "fraction": fraction})


def _end_of(key: str, future: Future[Any]) -> TaskEnd:
    from distributed.scheduler import KilledWorker

    try:
        if future.status == "finished":
            return TaskEnd(key, future.result())
        fault = future.exception() if future.status == "error" else None
    except (OSError, TimeoutError, RuntimeError) as gone:
        fault = gone
    if isinstance(fault, AppError):
        return TaskEnd(key, error=fault)
    if isinstance(fault, KilledWorker):
        return TaskEnd(
            key,
            error=WorkerError(
                f"The worker process ended {ALLOWED_DEATHS} times during this scan (crash, kill "
                "or memory limit).",
                "Analyse it alone with --n-workers 1, or allow more with --mem-mb.",
                code="cohort.worker_died",
            ),
        )
    what = type(fault).__name__ if fault is not None else future.status
    return TaskEnd(
        key,
        error=WorkerError(
            f"The work on this scan was lost ({what}).", "Run the cohort again.",
            code="cohort.lost",
        ),
    )  # fmt: skip


def _scheduler_gone() -> WorkerError:
    return WorkerError(
        "The scheduler has gone away.",
        "Run the same command again: what is done is kept.",
        code="cohort.scheduler_gone",
    )
