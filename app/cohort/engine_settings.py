"""Where the tasks of a cohort run, and how many workers a machine has room for."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
TASK_MEMORY_BYTES = 5 * GIB // 4  # peak of one analysis of a usual scan, see docs/cohorts.md
KEPT_FREE_BYTES = 2 * GIB  # for the system, the scheduler and the file cache
ALLOWED_DEATHS = 2  # of a worker, before a task is set aside and tried alone
CANCEL_WAIT_S = 20.0  # for running tasks to end by themselves
SCHEDULER_WAIT_S = 30.0  # for a scheduler that somebody else runs to answer
LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """Jobs of a SLURM cluster, one worker process a job."""

    queue: str = ""
    account: str = ""
    walltime: str = "04:00:00"
    directives: tuple[str, ...] = ()  # more "#SBATCH" lines, such as "--gres=gpu:1"
    prologue: tuple[str, ...] = ()  # shell lines before the worker starts
    interface: str = ""  # network interface that nodes and scheduler share


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """Where the tasks run; the defaults are this machine, sized by its memory and cores."""

    workers: int = 0  # 0 = as many as memory and cores allow
    memory_bytes: int = 0  # a worker's limit; 0 = an equal share of what is there
    task_memory_bytes: int = TASK_MEMORY_BYTES
    scheduler: str = ""  # address or scheduler file of a running scheduler
    slurm: SlurmSettings | None = None
    gpus: int = 0  # > 0: each worker has one card to itself, tasks ask for it
    dashboard: bool = True


def worker_count(settings: EngineSettings) -> int:
    """Workers on this machine: what was asked for, or what memory and cores allow."""
    if settings.gpus:
        return settings.gpus
    if settings.workers:
        return settings.workers
    room = max(memory_bytes() - KEPT_FREE_BYTES, 0) // max(settings.task_memory_bytes, 1)
    return max(1, min(usable_cores(), int(room)))


def memory_limit(settings: EngineSettings) -> int:
    """Bytes that one local worker may have before it is ended."""
    if settings.memory_bytes:
        return settings.memory_bytes
    share = max(memory_bytes() - KEPT_FREE_BYTES, GIB) // worker_count(settings)
    return int(max(share, settings.task_memory_bytes))


def memory_bytes() -> int:
    """What this machine or container has."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            total = min(total, int(Path(name).read_text()))
    return total


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
