"""Whole scans on one and two workers, and ten thousand light tasks: time, efficiency, memory.

    python tests/benchmarks/cohort_run.py --scans 4 --workers 1 2
    python tests/benchmarks/cohort_run.py --light 10000

Run it on a quiet machine. Efficiency is T(1) / (n T(n)), from the first scan's start to the last
one's end; the start of the workers is told apart.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import psutil

from app.cohort.batch import BatchRequest, plan_batch, run_batch
from app.cohort.engine import TaskEnd, open_engine
from app.cohort.engine_settings import EngineSettings
from app.core.progress import Progress
from app.simulation.cohort import CohortSettings
from app.simulation.participant import simulate_cohort
from app.simulation.scanner import SMALL_SCANNER, ScannerSettings


def light(number: int) -> dict[str, int]:
    """A task that takes a millisecond and answers as little as a row does."""
    time.sleep(0.001)
    return {"number": number}


def many_light(count: int, workers: int) -> dict[str, Any]:
    """Scheduling cost of `count` tasks."""
    ends: list[TaskEnd] = []
    before = psutil.Process().memory_info().rss
    with open_engine(EngineSettings(workers=workers)) as engine:
        began = time.perf_counter()
        engine.run(light, {f"visit-{n:05d}": n for n in range(count)}, ends.append, Progress())
        seconds = time.perf_counter() - began
    assert sorted(end.answer["number"] for end in ends) == list(range(count))
    return {
        "tasks": count, "workers": workers, "seconds": round(seconds, 2),
        "milliseconds_a_task": round(1e3 * seconds / count, 2),
        "coordinator_growth_mib": round((psutil.Process().memory_info().rss - before) / 2**20, 1),
    }  # fmt: skip


def whole_scans(root: Path, out: Path, workers: int, *, attribution: bool) -> dict[str, Any]:
    """One run of the whole folder."""
    shutil.rmtree(out, ignore_errors=True)
    started: list[float] = []
    plan = plan_batch(BatchRequest(root, out, attribution=attribution))
    began = time.perf_counter()
    rows = run_batch(
        plan, EngineSettings(workers=workers), Progress(),
        say=lambda _words: started.append(time.perf_counter()),
    )  # fmt: skip
    ended = time.perf_counter()
    used = sum(path.stat().st_size for path in (out / "cases").rglob("*") if path.is_file())
    kept = sum(path.stat().st_size for path in (out / "prepared").glob("*.npz"))
    return {
        "workers": workers, "scans": len(rows), "outcomes": sorted(row.outcome for row in rows),
        "start_seconds": round(started[0] - began, 2),
        "work_seconds": round(ended - started[0], 2),
        "seconds_a_scan_in_its_worker": [row.seconds for row in rows],
        "cpu_seconds_a_scan": [row.cpu_seconds for row in rows],
        "peak_memory_mib": max(row.peak_memory_mib or 0.0 for row in rows),
        "case_mib_a_scan": round(used / len(rows) / 2**20, 1),
        "prepared_mib_a_scan": round(kept / len(rows) / 2**20, 2),
    }  # fmt: skip


def resumed(root: Path, out: Path, workers: int, *, attribution: bool) -> dict[str, Any]:
    """The same command again: everything is recognised by its hash."""
    plan = plan_batch(BatchRequest(root, out, attribution=attribution))
    began = time.perf_counter()
    run_batch(plan, EngineSettings(workers=workers), Progress())
    return {"resumed_seconds": round(time.perf_counter() - began, 2), "workers": workers}


def main() -> None:
    """Measure what was asked for and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=0)
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--no-attribution", action="store_true")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--light", type=int, default=0)
    asked = parser.parse_args()
    told: dict[str, Any] = {}
    if asked.light:
        told["light"] = [many_light(asked.light, workers) for workers in asked.workers]
    if asked.scans:
        with tempfile.TemporaryDirectory(prefix="cohort-benchmark-") as folder:
            root, out = Path(folder) / "bids", Path(folder) / "out"
            settings = CohortSettings(count=asked.scans, seed=1, frames=asked.frames)
            scanner = SMALL_SCANNER if asked.small else ScannerSettings()
            simulate_cohort(settings, root, Progress(), scanner=scanner, threads=1)
            scans = [path.stat().st_size for path in root.rglob("*_bold.nii.gz")]
            told["scan_mib_on_disk"] = round(sum(scans) / len(scans) / 2**20, 1)
            explained = not asked.no_attribution
            told["runs"] = [
                whole_scans(root, out, workers, attribution=explained) for workers in asked.workers
            ]
            told["again"] = resumed(root, out, asked.workers[-1], attribution=explained)
        alone = told["runs"][0]["work_seconds"]
        told["efficiency"] = {
            str(run["workers"]): round(alone / (run["workers"] * run["work_seconds"]), 3)
            for run in told["runs"]
        }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
