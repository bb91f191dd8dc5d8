"""What the child may use, and that it never outlives its parent.

Limits are set after imports: an address-space limit that is too low while torch or nilearn is
imported hangs instead of failing. They are always paired with the parent's wall clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

NICENESS = 10
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
)
_PR_SET_PDEATHSIG = 1
# Address space is reserved beyond what is used: thread stacks and allocator arenas.
ADDRESS_SPACE_SLACK_BYTES = 2 << 30
SMALLEST_DEFAULT_BYTES = 2 << 30


def child_environment(extra_path: Path) -> dict[str, str]:
    """Environment of the child: single-threaded libraries, our package importable.

    One thread in BLAS, OpenMP and ITK makes the answer independent of the machine's cores.
    """
    environment = dict(os.environ)
    environment.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    environment["PYTHONPATH"] = os.pathsep.join(
        part for part in (str(extra_path), environment.get("PYTHONPATH", "")) if part
    )
    environment["PYTHONHASHSEED"] = "0"
    # torch runs two threads; waiting ones sleep, or on a busy machine they eat the other's time.
    environment["OMP_WAIT_POLICY"] = "PASSIVE"
    environment["MPLBACKEND"] = "Agg"
    # Before torch starts CUDA, or deterministic matrix products are refused.
    environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    return environment


def restrict_child(parent_pid: int) -> None:
    """In the child: no core dumps, lower priority, death with the parent.

    The thread that started the child must live as long as the child does: Linux sends the
    parent-death signal when that thread ends, not when the process does.
    """
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # a container may forbid it; only politeness is lost
        os.nice(NICENESS)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # it died before the call
            os._exit(1)


@contextlib.contextmanager
def address_space(limit_bytes: int) -> Iterator[None]:
    """Let allocations beyond `limit_bytes` over today's use fail with `MemoryError` (Linux).

    Not for CUDA, which reserves far more address space than it uses.
    """
    if limit_bytes <= 0 or not sys.platform.startswith("linux"):
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = _address_space_bytes() + limit_bytes + ADDRESS_SPACE_SLACK_BYTES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def default_memory_limit_bytes() -> int:
    """Three quarters of what this machine or container has; at least 2 GiB."""
    import psutil

    total = int(psutil.virtual_memory().total)
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            total = min(total, int(Path(name).read_text()))
    return max(SMALLEST_DEFAULT_BYTES, total * 3 // 4)


def resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def kill_group(pid: int) -> None:
    """Kill a child that leads its own process group, with everything it started."""
    if sys.platform == "win32":
        import psutil

        with contextlib.suppress(psutil.Error):
            family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
