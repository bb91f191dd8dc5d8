"""A real scan on workers that somebody else started, behind a scheduler's address."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cohort.rows import read_rows
from tests.unit.analysis.conftest import make_run

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 40


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler with one single-threaded worker, both processes of their own."""
    file, environment = tmp_path / "scheduler.json", {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(kind: str, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--scheduler-file", str(file),
             "--host", "127.0.0.1", *words],
            cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    processes = [start("scheduler", "--port", "0", "--no-dashboard")]
    try:
        deadline = time.monotonic() + 60
        while not file.is_file():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes.append(
            start("worker", "--nthreads", "1", "--nworkers", "1", "--no-dashboard",
                  "--local-directory", str(tmp_path))
        )  # fmt: skip
        yield str(json.loads(file.read_text())["address"])
        assert [one.poll() for one in processes] == [None, None]  # left running by the program
    finally:
        for one in reversed(processes):
            one.terminate()
            one.wait(timeout=30)


@pytest.mark.timeout(300)
def test_that_a_scan_is_done_by_the_workers_of_a_scheduler_that_runs_elsewhere(
    scheduler: str, tmp_path: Path, shared_cache: Path
) -> None:
    root = tmp_path / "fmriprep"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({
        "Name": "made", "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.0"}],
    }))  # fmt: skip
    make_run(root, 1, frames=FRAMES)
    assert scheduler.startswith("tcp://127.0.0.1:")
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "main.py", "bids", str(root), str(out), "participant", "--scheduler",
         scheduler, "--no-attribution"],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows, faults = read_rows(out)
    assert faults == ()
    assert [(row.participant, row.finished) for row in rows] == [("sub-01", True)]
    assert (out / "cases" / rows[0].case_id / "case.json").is_file()
    assert rows[0].cpu_seconds is not None and rows[0].cpu_seconds > 0
