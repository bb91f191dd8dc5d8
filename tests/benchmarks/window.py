"""The window, timed: first paint, opening, stepping, selecting, gaps beside work, memory.

    python tests/benchmarks/window.py [--napari PYTHON] [--no-analysis] [--json FILE]

The real window on a virtual screen with software graphics, each part in a process of its own, then
napari's and nilearn's way of showing the same slices in the same run. `--napari` names a Python
that has napari, in an environment of its own. Not part of the timed suite.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from app.core.resources import project_root
from tests.benchmarks.whole_job import machine
from tests.sample_case import make_sample_case

ROOT = project_root()
GOALS = {  # words -> where it stands, what it is judged by, ms
    "opening a case": (("opening a case",), "p50", 1000.0),
    "slice step, until painted": (("slice step", "painted"), "p95", 16.7),
    "slice step, key held at 30 Hz": (("slice step", "held"), "p95", 16.7),
    "slice step, until all views follow": (("slice step", "all"), "p95", 100.0),
    "slice step, longest stop": (("slice step", "stop"), "p95", 40.0),
    "beside the surface, until painted": (("beside the surface", "painted"), "p95", 40.0),
    "beside the surface, key held": (("beside the surface", "held"), "p95", 40.0),
    "beside the surface, until all follow": (("beside the surface", "all"), "p95", 100.0),
    "beside the surface, longest stop": (("beside the surface", "stop"), "p95", 40.0),
    "linked selection, explain page": (("linked selection, explain page",), "p95", 100.0),
    "linked selection, check page": (("linked selection, check page",), "p95", 100.0),
    "linked selection, predict page": (("linked selection, predict page",), "p95", 100.0),
}
PAINTS = 5


def suite() -> ModuleType:
    """packaging/test.py, which has the virtual screen."""
    spec = importlib.util.spec_from_file_location("suite", ROOT / "packaging" / "test.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def run(words: list[str], variables: dict[str, str], answer: Path) -> dict[str, Any]:
    """One measuring process; what it wrote."""
    subprocess.run(words, env=variables, cwd=ROOT, check=True, timeout=1800)
    told: dict[str, Any] = json.loads(answer.read_text())
    return told


def first_paints(place: Path, variables: dict[str, str]) -> dict[str, list[float]]:
    """Seconds from the start of the process to the first paint, and of the processor."""
    script = str(Path(__file__).with_name("window_probe.py"))
    seen: dict[str, list[float]] = {"first_paint_s": [], "processor_s": []}
    for number in range(PAINTS):
        answer = place / f"paint-{number}.json"
        words = [sys.executable, script, str(answer), repr(time.monotonic())]
        told = run(words, variables, answer)
        for name, values in seen.items():
            values.append(float(told[name]))
    return seen


def gaps(place: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Gaps of the event loop while a simulated scan is opened and analysed to its end."""
    from app.simulation.participant import simulate_participant
    from app.simulation.scanner import small_participant

    person = simulate_participant(small_participant(1), place / "dataset")
    script, answer = str(Path(__file__).with_name("window_probe.py")), place / "gaps.json"
    words = [sys.executable, script, str(answer), repr(time.monotonic()), str(person.paths.bold)]
    found: dict[str, Any] = run(words, variables, answer)["gaps_ms"]
    return found


def volumes(case: Path, target: Path) -> Path:
    """What the window's slices show, for the peers."""
    from app.gui.open_case import OpenCase

    opened = OpenCase.read(case)
    assert opened.view.template is not None
    assert opened.view.labels is not None
    assert opened.attribution is not None
    table = np.concatenate([[0.0], np.asarray(opened.attribution.scan.per_parcel)])
    overlay = table[np.asarray(opened.view.labels)].astype(np.float32)
    np.savez(
        target,
        template=np.asarray(opened.view.template, dtype=np.float32),
        overlay=overlay,
        affine=np.asarray(opened.view.affine),
    )
    return target


def table(report: dict[str, Any]) -> str:
    """What is printed and put into the README."""
    paint, processor = (statistics.median(report[n]) for n in ("first_paint_s", "processor_s"))
    words = f"First paint after {paint:.2f} s, {processor:.2f} s of the processor"
    lines = [f"{words} (medians of {PAINTS}; goal 1.5 s).", ""]
    lines += ["| ms from event to paint | p50 | p95 | max | processor p95 | goal |"]
    lines += ["|---|---:|---:|---:|---:|---|"]
    for name, (place, which, goal) in GOALS.items():
        found = report["window"]
        for key in place:
            found = found[key]
        lines.append(_row(name, found, f"{which} {goal:g}"))
    for name, words in (("napari", "napari: next slice, one plane"),
                        ("nilearn", "nilearn: `plot_stat_map`, three planes")):  # fmt: skip
        found = report.get(name)
        if found:
            lines.append(_row(f"{words} ({found['version']})", found, ""))
    memory = report["window"]["memory"]
    seen, slope = memory["mib"], memory["mib_per_case"] * 1024
    words = (
        f"Memory over {memory['opened']} opened cases: {seen[2]:.0f} MiB after a fifth of them, "
    )
    lines += ["", f"{words}{seen[-1]:.0f} MiB after all; {slope:.0f} KiB for each more case."]
    if report.get("gaps_ms"):
        lines += ["", "| gaps of a 5 ms timer, ms | p50 | p99 | p99.9 | max |"]
        lines += ["|---|---:|---:|---:|---:|"]
        for phase, found in report["gaps_ms"].items():
            values = " | ".join(f"{found[name]:.1f}" for name in ("p50", "p99", "p999", "max"))
            lines.append(f"| {phase} | {values} |")
    return "\n".join(lines)


def _row(name: str, found: dict[str, float], goal: str) -> str:
    values = " | ".join(f"{found[key]:.1f}" for key in ("p50", "p95", "max", "processor_p95"))
    return f"| {name} | {values} | {goal} |"


def main() -> None:
    """Measure everything, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--napari", type=Path, help="a Python that has napari")
    parser.add_argument("--no-analysis", action="store_true")
    parser.add_argument("--json", type=Path, help="where every number goes")
    options = parser.parse_args()
    report: dict[str, Any] = {"machine": machine()}
    here = Path(__file__).parent
    with (
        tempfile.TemporaryDirectory(prefix="neuroresponder-benchmark-") as folder,
        suite().virtual_screen() as screen,
    ):
        place = Path(folder)
        variables = {**os.environ, **screen, "NEURORESPONDER_HOME": str(place / "home")}
        # Peers draw with OpenGL of their own; on a virtual screen both halves must use GLX.
        variables |= {"QT_XCB_GL_INTEGRATION": "xcb_glx", "PYOPENGL_PLATFORM": "x11"}
        cases = [make_sample_case(place / "cases", name) for name in ("result", "withheld")]
        cases.append(make_sample_case(place / "cases", "inconclusive"))
        report |= first_paints(place, variables)
        answer = place / "window.json"
        words = [sys.executable, str(here / "window_interaction.py"), str(answer)]
        report["window"] = run([*words, *map(str, cases)], variables, answer)
        shown = volumes(cases[0], place / "volumes.npz")
        peers = {"nilearn": sys.executable, "napari": options.napari and str(options.napari)}
        for name, python in peers.items():
            if python:
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1))
                answer = place / f"{name}.json"
                words = [python, str(here / "window_peers.py"), name, str(answer), str(shown)]
                try:
                    report[name] = run(words, variables, answer)
                except subprocess.CalledProcessError as fault:
                    report[f"{name}_failed"] = f"ended with status {fault.returncode}"
        if not options.no_analysis:
            report["gaps_ms"] = gaps(place, variables)
    report["machine"]["load_after"] = f"{os.getloadavg()[0]:.1f}"
    print(json.dumps(report["machine"], indent=1))
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
