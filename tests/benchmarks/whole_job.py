"""The whole job, timed: a raw 64 x 64 x 36 x 200 scan to its number, overlays and PDF.

    python tests/benchmarks/whole_job.py [--repeats 3] [--json FILE] [--no-window]

Seconds and peak resident memory of each stage, in the worker process that window and command
line use, three ways:

first
    a fresh child that finds no cache at all: it also compiles and derives the atlas's arrays;
cold
    a fresh child whose caches are filled, as after every start of the program but the first;
warm
    the second job of the same child.

Then the window on a virtual screen: seconds until its first paint, and the time between two
ticks of a 5 ms timer in it while the (niced) worker does the same job. Medians over repeats.
Not part of the timed suite.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core.provenance import software_versions
from app.core.request import AnalysisRequest
from app.core.resources import project_root
from app.simulation.cohort import CohortSettings
from app.simulation.participant import simulate_participant
from app.simulation.scanner import ParticipantSettings, ScannerSettings
from app.worker.process import Worker
from app.worker.protocol import JobAnnouncement, JobProgress
from app.worker.requests import analyse_job

ROOT = project_root()
FRAMES = 200  # all of them steady: the simulated scanner throws the first ones away
DISCARDED_FRAMES = 6
START = "start"  # from asking for the job until its first stage begins
Row = dict[str, Any]


@dataclass
class StageClock:
    """Hears a worker's events; seconds and peak memory of each stage, from its begin to the next.

    The peak is the kernel's own (VmHWM), set back at each change of stage.
    """

    worker: Worker
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mib: dict[str, float] = field(default_factory=dict)
    to_number_s: float = 0.0

    def __post_init__(self) -> None:
        self.began = self._since = time.monotonic()
        self._stage = START

    def hear(self, event: JobProgress | JobAnnouncement) -> None:
        """Take one event of the running job."""
        if isinstance(event, JobAnnouncement):
            self.to_number_s = self.to_number_s or time.monotonic() - self.began
        elif event.event.stage != self._stage:
            self.change(event.event.stage)

    def change(self, stage: str) -> None:
        """Close the current stage and begin another."""
        now, pid = time.monotonic(), self.worker.child_pid
        self.seconds[self._stage] = now - self._since
        self._stage, self._since = stage, now
        if pid is not None and Path("/proc/self/clear_refs").exists():
            status = Path(f"/proc/{pid}/status").read_text()
            peak_kib = next(line for line in status.splitlines() if line.startswith("VmHWM"))
            self.peak_mib[list(self.seconds)[-1]] = int(peak_kib.split()[1]) / 1024
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def time_job(worker: Worker, scan: Path, out: Path, threads: int) -> Row:
    """One analysis into an empty folder."""
    clock = StageClock(worker)
    worker.run(analyse_job(AnalysisRequest(scan, out, threads=threads)), clock.hear)
    total = time.monotonic() - clock.began
    clock.change("")
    return {
        "seconds": clock.seconds,
        "peak_mib": clock.peak_mib,
        "to_number_s": clock.to_number_s,
        "total_s": total,
    }


def time_jobs(scan: Path, place: Path, repeats: int, threads: int) -> dict[str, list[Row]]:
    """All three ways; "first" once, the others `repeats` times."""
    os.environ["NEURORESPONDER_HOME"] = str(place / "home")
    os.environ["NEURORESPONDER_CACHE"] = str(place / "cache")
    os.environ["NUMBA_CACHE_DIR"] = str(place / "compiled")
    rows: dict[str, list[Row]] = {"first": [], "cold": [], "warm": []}
    for number in range(repeats + 1):
        with Worker() as worker:
            way = "cold" if number else "first"
            rows[way].append(time_job(worker, scan, place / f"out-{number}-a", threads))
            if number:
                rows["warm"].append(time_job(worker, scan, place / f"out-{number}-b", threads))
        print(f"  {way} {rows[way][-1]['total_s']:.1f} s", file=sys.stderr, flush=True)
    return rows


def time_window(scan: Path, place: Path, repeats: int) -> dict[str, Any]:
    """The window in its own process: first paint `repeats` times, then one analysis in it."""
    spec = importlib.util.spec_from_file_location("suite", ROOT / "packaging" / "test.py")
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)
    paints = []
    with suite.virtual_screen() as screen:
        for number in range(repeats):
            last = number == repeats - 1
            answer = place / f"window-{number}.json"
            home = str(place / f"window-home-{number}")
            variables = {**os.environ, **screen, "NEURORESPONDER_HOME": home}
            probe = [sys.executable, str(Path(__file__).with_name("window_probe.py"))]
            words = [str(answer), repr(time.monotonic()), *([str(scan)] if last else [])]
            subprocess.run([*probe, *words], env=variables, cwd=ROOT, check=True)
            told = json.loads(answer.read_text())
            paints.append(told["first_paint_s"])
    return {"first_paint_s": paints, "gaps_ms": told["gaps_ms"]}


def median(rows: list[Row], kind: str, stage: str) -> float:
    """Median over repeats of one stage; NaN where it never ran."""
    found = [row[kind][stage] for row in rows if stage in row[kind]]
    return statistics.median(found) if found else float("nan")


def table(report: dict[str, Any]) -> str:
    """What is printed and put into the README."""
    jobs, ways = report["job"], ("first", "cold", "warm")
    lines = ["| stage | first, s | cold, s | warm, s | peak (cold), MiB | peak (warm), MiB |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for stage in jobs["cold"][0]["seconds"]:
        seconds = " | ".join(f"{median(jobs[way], 'seconds', stage):.2f}" for way in ways)
        peaks = " | ".join(f"{median(jobs[way], 'peak_mib', stage):.0f}" for way in ways[1:])
        lines.append(f"| {stage} | {seconds} | {peaks} |")
    for key, name in (("to_number_s", "to a number"), ("total_s", "to overlays and PDF")):
        values = [statistics.median(row[key] for row in jobs[way]) for way in ways]
        lines.append(f"| **{name}** | {' | '.join(f'**{value:.1f}**' for value in values)} | | |")
    window = report.get("window")
    if window:
        paint = statistics.median(window["first_paint_s"])
        lines += ["", f"Window: first paint after {paint:.2f} s (median).", ""]
        lines.append("| ticks of a 5 ms timer, ms | p50 | p99 | p99.9 | max |")
        lines.append("|---|---:|---:|---:|---:|")
        for phase, gaps in window["gaps_ms"].items():
            values = " | ".join(f"{gaps[name]:.1f}" for name in ("p50", "p99", "p999", "max"))
            lines.append(f"| {phase} | {values} |")
    return "\n".join(lines)


def machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    import psutil

    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.0f}",
        "load_before": f"{os.getloadavg()[0]:.1f}",
        **software_versions(),
    }


def main() -> None:
    """Simulate, time, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0 = all cores")
    parser.add_argument("--json", type=Path, help="where every number goes")
    parser.add_argument("--no-window", action="store_true")
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="neuroresponder-benchmark-") as folder:
        place = Path(folder)
        scanner = ScannerSettings(discarded_frames=DISCARDED_FRAMES)
        cohort = CohortSettings(count=1, seed=1, frames=FRAMES)
        person = simulate_participant(ParticipantSettings(cohort, 0, scanner), place / "dataset")
        report["job"] = time_jobs(person.paths.bold, place, options.repeats, options.threads)
        if not options.no_window:
            report["window"] = time_window(person.paths.bold, place, options.repeats)
    print(json.dumps(report["machine"], indent=1))
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
