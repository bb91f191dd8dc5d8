"""Clusters that an engine can run on: this machine's, SLURM's, or one that is there already."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import __version__
from app.cohort.engine_settings import (
    ALLOWED_DEATHS,
    CANCEL_WAIT_S,
    GIB,
    SCHEDULER_WAIT_S,
    EngineSettings,
    SlurmSettings,
    memory_limit,
    worker_count,
)
from app.core.errors import WorkerError
from app.core.folders import private_prefix

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "127.0.0.1"
_QUIET = ("distributed", "distributed.nanny", "distributed.scheduler", "distributed.worker",
          "distributed.core", "distributed.client", "tornado")  # fmt: skip


def configuration() -> dict[str, Any]:
    return {
        "distributed.scheduler.allowed-failures": ALLOWED_DEATHS - 1,
        # A worker has the task that it does and no other: a dying one blames nobody else.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.daemon": True,
        # Mapped scans count as resident memory: nothing is spilt, only the limit itself kills.
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.profile.enabled": False,
        "distributed.admin.log-length": 100,
        "distributed.admin.low-level-log-length": 100,
    }


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Dask's own lines would mix with the progress; what matters becomes an error or a row."""
    loggers = [logging.getLogger(name) for name in _QUIET]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate


@contextlib.contextmanager
def cluster(settings: EngineSettings) -> Iterator[Any]:
    if settings.slurm is not None:
        with slurm_cluster(settings, settings.slurm) as cluster:
            yield cluster
        return
    from distributed import LocalCluster

    from app.cohort.dask_worker import ENVIRONMENT

    with tempfile.TemporaryDirectory(prefix=private_prefix()) as private:
        cluster = LocalCluster(
            n_workers=worker_count(settings),
            threads_per_worker=1,
            processes=True,
            host=LOCAL,
            dashboard_address=f"{LOCAL}:0",  # None would listen on every interface
            memory_limit=memory_limit(settings),
            local_directory=private,
            resources={"GPU": 1} if settings.gpus else None,
            env={**ENVIRONMENT, "PYTHONPATH": _import_path()},
            security=_own_certificates(),
            silence_logs=logging.CRITICAL + 1,
        )
        try:
            yield cluster
        finally:
            with contextlib.suppress(TimeoutError, OSError):
                cluster.close(timeout=CANCEL_WAIT_S)


def slurm_arguments(settings: EngineSettings, slurm: SlurmSettings) -> dict[str, Any]:
    """What dask-jobqueue's ``SLURMCluster`` is asked for: one worker process, one core a job."""
    from app.cohort.dask_worker import ENVIRONMENT

    exports = [f"export {name}={value}" for name, value in ENVIRONMENT.items()]
    memory = settings.memory_bytes or max(4 * GIB, 2 * settings.task_memory_bytes)
    arguments: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "memory": f"{memory // (1 << 20)} MiB",
        "walltime": slurm.walltime,
        "job_extra_directives": list(slurm.directives),
        "job_script_prologue": [
            *slurm.prologue, *exports, f"export PYTHONPATH={_import_path()}"
        ],
        "worker_extra_args": ["--lifetime", f"{_lifetime_s(slurm.walltime)}s",
                              "--lifetime-stagger", "2m", *_gpu_words(settings)],
        "scheduler_options": {
            "dashboard_address": f"{LOCAL}:0"
        },
    }  # fmt: skip
    if slurm.queue:
        arguments["queue"] = slurm.queue
    if slurm.account:
        arguments["account"] = slurm.account
    if slurm.interface:
        arguments["interface"] = slurm.interface
    return arguments


@contextlib.contextmanager
def slurm_cluster(settings: EngineSettings, slurm: SlurmSettings) -> Iterator[Any]:
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as fault:
        raise WorkerError(
            "SLURM needs the package dask-jobqueue, which is not installed.",
            'Install the extra: pip install "neuroresponder[slurm]", or start a Dask scheduler '
            "yourself and name it with --scheduler.",
            code="cohort.no_slurm",
        ) from fault
    cluster = SLURMCluster(**slurm_arguments(settings, slurm))
    try:
        count = settings.workers or 1
        cluster.adapt(minimum_jobs=min(1, count), maximum_jobs=count)
        yield cluster
    finally:
        cluster.close()


def _gpu_words(settings: EngineSettings) -> list[str]:
    return ["--resources", "GPU=1"] if settings.gpus else []


def _lifetime_s(walltime: str) -> int:
    """Seconds after which a worker ends by itself, 5 minutes before SLURM would kill it."""
    days, dash, clock = walltime.rpartition("-")
    parts = [int(part) for part in clock.split(":")] if clock.replace(":", "").isdigit() else []
    if not parts or len(parts) > 3 or (dash and not days.isdigit()):
        raise WorkerError(
            f"'{walltime[:24]}' is not a wall time.", "Write it as 04:00:00 or 1-00:00:00.",
            code="cohort.walltime",
        )  # fmt: skip
    while len(parts) < 3:
        parts.append(0) if dash else parts.insert(0, 0)
    hours, minutes, seconds = parts
    whole = (int(days) if dash else 0) * 86400 + hours * 3600 + minutes * 60 + seconds
    return max(60, whole - 300)


@contextlib.contextmanager
def client(place: Any, **more: Any) -> Iterator[Client]:
    from distributed import Client

    client = Client(place, set_as_default=False, **more)
    try:
        yield client
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            client.close(timeout=CANCEL_WAIT_S)


@contextlib.contextmanager
def joined(settings: EngineSettings) -> Iterator[Client]:
    """A scheduler that somebody else runs; its workers stay when we leave."""
    place = settings.scheduler
    file = Path(place)
    named: dict[str, Any] = {"scheduler_file": str(file)} if file.is_file() else {"address": place}
    from distributed import Client

    try:
        client = Client(**named, set_as_default=False, timeout=SCHEDULER_WAIT_S)
    except (OSError, TimeoutError, ValueError) as fault:
        raise WorkerError(
            f"No Dask scheduler answers at {place}.",
            "Start one with `dask scheduler`, and name its address, such as tcp://host:8786.",
            code="cohort.no_scheduler",
        ) from fault
    try:
        yield client
    finally:
        with contextlib.suppress(TimeoutError, OSError):
            client.close(timeout=CANCEL_WAIT_S)


def check_strangers(client: Client, settings: EngineSettings) -> None:
    """Workers that we did not start must run this program, and offer what is asked for."""
    from app.cohort.dask_worker import version

    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise WorkerError("The scheduler has no workers.", "Start some with `dask worker`.",
                          code="cohort.no_workers")  # fmt: skip
    if settings.gpus and not any(w.get("resources", {}).get("GPU") for w in workers.values()):
        raise WorkerError(
            "No worker of the scheduler offers a GPU.",
            "Start workers with `dask worker ADDRESS --nthreads 1 --resources GPU=1`.",
            code="cohort.no_gpu_worker",
        )
    try:
        found = set(client.run(version).values())
    except (ImportError, AttributeError, OSError) as fault:
        raise WorkerError(
            "The scheduler's workers cannot import this program.",
            f"Start them in this program's environment, with PYTHONPATH={_import_path()}.",
            code="cohort.no_program",
        ) from fault
    if found != {__version__}:
        raise WorkerError(
            f"The workers run version {', '.join(sorted(found))} of this program, not "
            f"{__version__}.",
            "Start them from the same installation.",
            code="cohort.other_version",
        )


def link(client: Client, settings: EngineSettings) -> str:
    """Address of the dashboard; without bokeh, of the plain pages that need nothing."""
    services = client.scheduler_info(n_workers=0).get("services", {})
    if not settings.dashboard or "dashboard" not in services:
        return ""
    link = str(client.dashboard_link or "")
    if link and importlib.util.find_spec("bokeh") is None:
        link = link.replace("/status", "/info/main/workers.html")
    return link


def _own_certificates() -> Any:
    """Certificates of this run alone, in memory, where the package that makes them is installed.

    Without them another user of this computer could hand work to the scheduler.
    """
    if importlib.util.find_spec("cryptography") is None:
        return None
    from distributed.security import Security

    return Security.temporary()


def _import_path() -> str:
    """Our own folder, then what the user's path holds."""
    own = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(filter(None, (own, os.environ.get("PYTHONPATH", ""))))
