"""Many tasks on Dask: on this machine, on a scheduler that runs somewhere, or through SLURM.

Dask is imported when an engine opens, never before. Tasks are paths and settings, answers are
rows; no array passes the scheduler. Workers are processes with one thread each, so that a crash
or a kill costs one task at most, and its retry. A task whose worker dies `ALLOWED_DEATHS` times
is given up with a reason. A local engine binds to 127.0.0.1 only, its dashboard too.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.cohort.engine_settings import (
    CANCEL_WAIT_S,
    EngineSettings,
    worker_count,
)
from app.core.errors import AppError, WorkerError
from app.core.logs import log_fault
from app.core.progress import Progress
from app.study.private_folders import clean_scratch

if TYPE_CHECKING:
    from distributed import Client, Future

WORKER_DIED = "cohort.worker_died"
_LOOK_EVERY_S = 0.1
_EVENTS = "neuroresponder-stages"


@dataclass(frozen=True, slots=True)
class TaskEnd:
    """How one task ended: its answer, or the error that says why not."""

    key: str
    answer: Any = None
    error: AppError | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """Some tasks, and whom to tell."""

    function: Callable[[Any], Any]
    tasks: Mapping[str, Any]
    ended: Callable[[TaskEnd], None]
    look: Callable[[], None]
    stop: Callable[[], None]
    window: int


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
        suspects: dict[str, Any] = {}
        count = len(tasks)
        done = 0

        def count_one(end: TaskEnd) -> None:
            nonlocal done
            done += 1
            ended(end)

        def first_pass(end: TaskEnd) -> None:
            if end.error is not None and end.error.code == WORKER_DIED:
                suspects[end.key] = tasks[end.key]
            else:
                count_one(end)

        def look() -> None:
            if self.client.status not in ("running", "connecting"):
                raise _scheduler_gone()
            progress.step(done / count, self._words(done, count))

        self._do(_Pass(function, tasks, first_pass, look, stop, self._window(count)))
        for key, task in suspects.items():  # alone, so that no neighbour's crash is laid to it
            self._do(_Pass(function, {key: task}, count_one, look, stop, 1))

    def _do(self, work: _Pass) -> None:
        """Every task of a pass, `window` of them with the scheduler at a time."""
        from distributed import as_completed

        group = f"visit-{uuid.uuid4().hex[:8]}"  # one for all: they wait in the scheduler's queue
        queue = iter(work.tasks.items())
        names: dict[Any, str] = {}
        waiting = as_completed(loop=self.client.loop)
        more, left = work.window, len(work.tasks)
        try:
            while left:
                for key, task in itertools.islice(queue, more):
                    future = self.client.submit(
                        work.function, task, key=(group, len(names)), retries=1, pure=False,
                        resources={"GPU": 1} if self.settings.gpus else None,
                    )  # fmt: skip
                    names[future.key] = key
                    waiting.add(future)
                more = 0
                for future in waiting.next_batch(block=False):
                    if future.status in ("lost", "pending"):
                        waiting.add(future)  # its worker died with the answer: it is done again
                        continue
                    left, more = left - 1, more + 1
                    self.stages.pop(names[future.key], None)
                    work.ended(_end_of(names[future.key], future))
                    future.release()
                work.look()
                time.sleep(_LOOK_EVERY_S)
        except BaseException:
            self._let_end(waiting, work.stop)
            raise

    def _window(self, count: int) -> int:
        """Tasks that the scheduler has at a time.

        A worker that dies blames each task that was assigned to it. Many tasks of one group wait
        in the scheduler; few, and those that ask for a card, are all assigned at once, so no
        more of them are handed over than can run.
        """
        few = count <= 4 * self.workers
        return max(self.workers, 1) if few or self.settings.gpus else count

    def _words(self, done: int, count: int) -> str:
        running = sum(1 for _ in list(self.stages))
        return f"{done} of {count} done" + (f", {running} running" if running else "")

    def _let_end(self, waiting: Any, stop: Callable[[], None]) -> None:
        """Forget what has not begun, ask what runs to end, and wait a little for it."""
        deadline = time.monotonic() + CANCEL_WAIT_S
        try:
            busy = self._busy()
            queued = [f for f in list(waiting.futures) if f.key not in busy]
            self.client.cancel(queued, force=True)
        except (OSError, TimeoutError, RuntimeError):
            busy = set()  # the scheduler is gone
        stop()
        with contextlib.suppress(OSError, TimeoutError, RuntimeError):
            while busy and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)
                busy &= self._busy()

    def _busy(self) -> set[Any]:
        return {key for keys in self.client.processing().values() for key in keys}

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
    import distributed  # noqa: F401  (before `set`, which would take its defaults away at the end)

    from app.cohort import engine_places as places

    with contextlib.ExitStack() as stack:
        stack.callback(clean_scratch)  # last of all: voxels of workers that were killed
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


def report_stage(key: str, stage: str, fraction: float) -> None:
    """In a worker: tell the coordinator where a task stands; nothing elsewhere."""
    from distributed import get_worker

    with contextlib.suppress(ValueError):  # not in a worker
        get_worker().log_event(_EVENTS, {"key": key, "stage": stage, "fraction": fraction})


def _end_of(key: str, future: Future[Any]) -> TaskEnd:
    """The answer, or why there is none; whatever a task raised is its own end and no other's."""
    from distributed.scheduler import KilledWorker

    try:
        return TaskEnd(key, future.result())
    except AppError as error:
        return TaskEnd(key, error=error)
    except KilledWorker:
        return TaskEnd(
            key,
            error=WorkerError(
                "The worker process ended again and again during this scan (crash, kill or "
                "memory limit).",
                "Analyse it alone with --n-workers 1, or allow more memory with --mem-mb.",
                code=WORKER_DIED,
            ),
        )
    except Exception as fault:  # noqa: BLE001 - the net of the engine: one task, one end
        log_fault("cohort.task_lost", fault)
        return TaskEnd(
            key,
            error=WorkerError(
                f"The work on this scan was lost ({type(fault).__name__}).",
                "Run the cohort again.",
                code="cohort.lost",
            ),
        )


def _scheduler_gone() -> WorkerError:
    return WorkerError(
        "The scheduler has gone away.",
        "Run the same command again: what is done is kept.",
        code="cohort.scheduler_gone",
    )
