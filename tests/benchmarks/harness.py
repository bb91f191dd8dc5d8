"""What every benchmark beside peers shares: threads, interleaved repeats, peak memory, table.

Import this before numpy: it caps the threads of every library that a candidate may use (one each,
or BENCHMARK_THREADS).
"""

from __future__ import annotations

import os

THREADS = int(os.environ.get("BENCHMARK_THREADS", "1"))
for _name in (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "NUMBA_NUM_THREADS",
):  # fmt: skip
    os.environ[_name] = str(THREADS)

import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PEERS = ("nibabel", "nilearn", "antspyx", "SimpleITK", "dipy", "nipy", "numpy", "scipy")


@dataclass
class Candidate:
    """One way of doing the work, with everything that was measured of it."""

    name: str
    work: Callable[[], Any]
    units: float = 1.0  # volumes, scans: what the seconds are divided by
    seconds: list[float] = field(default_factory=list)
    peak_mib: float = 0.0
    answer: Any = None

    @property
    def median_s(self) -> float:
        """Median seconds per unit."""
        return statistics.median(self.seconds) / self.units


def interleave(candidates: list[Candidate], repeats: int) -> None:
    """Run all candidates in turn, `repeats` rounds; wall seconds, and the memory of each."""
    for _ in range(repeats):
        for candidate in candidates:
            gc.collect()
            before = resident_mib()
            reset_peak()
            began = time.perf_counter()
            candidate.answer = candidate.work()
            candidate.seconds.append(time.perf_counter() - began)
            candidate.peak_mib = max(candidate.peak_mib, peak_mib() - before)


def ratios(ours: Candidate, peer: Candidate) -> dict[str, float]:
    """How many times longer the peer takes, per unit: median, lowest and highest round."""
    each = [
        (theirs / peer.units) / (mine / ours.units)
        for mine, theirs in zip(ours.seconds, peer.seconds, strict=False)
    ]
    return {"median": statistics.median(each), "lowest": min(each), "highest": max(each)}


def report(title: str, gate: str, candidates: list[Candidate], unit: str) -> dict[str, Any]:
    """Print one table and return it; the first candidate is ours, `gate` what was checked first."""
    print(f"\n{title}\n  correctness: {gate}", flush=True)
    ours, rows = candidates[0], []
    for candidate in candidates:
        ratio = ratios(ours, candidate)
        rows.append(
            {
                "name": candidate.name, "seconds": candidate.seconds, "units": candidate.units,
                "median_s": candidate.median_s, "peak_mib": candidate.peak_mib, "ratio": ratio,
            }
        )  # fmt: skip
        spread = f"({ratio['lowest']:.2f} to {ratio['highest']:.2f})"
        print(
            f"  {candidate.name:46s} {candidate.median_s:10.4f} s/{unit:6s} "
            f"n={len(candidate.seconds)}  +{candidate.peak_mib:6.0f} MiB   "
            f"{ratio['median']:7.2f} x {spread}",
            flush=True,
        )
    return {"title": title, "gate": gate, "unit": unit, "rows": rows}


def save(tables: list[dict[str, Any]], path: Path | None) -> None:
    """Write tables and machine as JSON."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), "tables": tables}, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Processor, load, threads, versions."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "")
    found = {}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {
        "processor": model or platform.processor(), "cores": os.cpu_count(), "threads": THREADS,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "python": platform.python_version(), "versions": found,
    }  # fmt: skip


def resident_mib() -> float:
    """Resident memory of this process."""
    return _status_mib("VmRSS")


def peak_mib() -> float:
    """The kernel's peak since `reset_peak` (Linux), otherwise since the start."""
    return _status_mib("VmHWM")


def reset_peak() -> None:
    """Set the kernel's peak back to what is used now (Linux)."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _status_mib(name: str) -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


__all__ = [
    "THREADS", "Candidate", "interleave", "machine", "peak_mib", "ratios", "report",
    "reset_peak", "resident_mib", "save",
]  # fmt: skip
