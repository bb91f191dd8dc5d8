"""The engine: every task once, killed workers survived, a cancel that leaves nothing running."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.cohort import engine_settings
from app.cohort.engine_places import slurm_arguments
from app.cohort.engine_settings import (
    GIB,
    EngineSettings,
    SlurmSettings,
    memory_limit,
    worker_count,
)
from app.core.errors import AppError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One engine on two workers through everything that may happen to tasks."""
    folder = tmp_path_factory.mktemp("engine")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.engine_tasks", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""  # nothing of Dask's own mixes with the progress
    return dict(json.loads(done.stdout))


def test_that_every_task_is_done_once(told: dict[str, Any]) -> None:
    assert told["workers"] == 2
    assert told["squares"] == {str(n): n * n for n in range(50)}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems place threads themselves")
def test_that_each_worker_takes_one_core_with_all_its_threads(told: dict[str, Any]) -> None:
    assert all(len(found) == 1 for found in told["cores"].values())
    used = {found[0] for found in told["cores"].values()}
    assert len(used) == min(2, len(os.sched_getaffinity(0)))


def test_that_a_typed_error_of_a_task_arrives_as_it_was(told: dict[str, Any]) -> None:
    assert told["refused"] == {"a": "scan.broken"}


def test_that_a_killed_worker_is_replaced_and_its_task_done_again(told: dict[str, Any]) -> None:
    assert told["killed"]["once"] == 1
    assert told["after"] == {"7": 49}


def test_that_a_task_which_always_kills_its_worker_gets_a_reason(told: dict[str, Any]) -> None:
    assert told["killed"]["always"] == "cohort.worker_died"
    once, always = told["deaths"]
    assert once == 1
    assert 2 <= always <= 4


def test_that_a_cancel_lets_running_tasks_end_and_starts_no_other(told: dict[str, Any]) -> None:
    assert told["cancel_cancelled"] is True
    assert told["started"] == len(told["ended"])  # whatever began has ended by itself
    assert 1 <= len(told["ended"]) <= 3


def test_that_the_dashboard_is_on_this_machine_only(told: dict[str, Any]) -> None:
    assert told["link"].startswith("http://127.0.0.1:")


def test_that_a_stranger_is_refused_where_certificates_can_be_made(told: dict[str, Any]) -> None:
    able = importlib.util.find_spec("cryptography") is not None
    assert told["stranger"] == ("refused" if able else "taken")


def test_that_no_worker_process_is_left(told: dict[str, Any]) -> None:
    left = [p for p in psutil.process_iter(["cmdline"]) if _is_ours(p)]
    assert not left


def _is_ours(process: psutil.Process) -> bool:
    return "tests.engine_tasks" in " ".join(process.info["cmdline"] or ())


@pytest.mark.parametrize(
    ("gib", "cores", "expected"),
    [(4, 8, 1), (8, 8, 4), (64, 8, 8), (1, 4, 1)],
)
def test_that_workers_fit_memory_and_cores(
    monkeypatch: pytest.MonkeyPatch, gib: int, cores: int, expected: int
) -> None:
    monkeypatch.setattr(engine_settings, "memory_bytes", lambda: gib * GIB)
    monkeypatch.setattr(engine_settings, "usable_cores", lambda: cores)
    settings = EngineSettings()  # 1.25 GiB a task, 2 GiB kept free
    assert worker_count(settings) == expected
    assert worker_count(settings) * memory_limit(settings) <= max(gib - 2, 1.25) * GIB


def test_that_stated_numbers_of_workers_and_cards_win() -> None:
    assert worker_count(EngineSettings(workers=3)) == 3
    assert worker_count(EngineSettings(workers=3, gpus=2)) == 2
    assert memory_limit(EngineSettings(memory_bytes=5 * GIB)) == 5 * GIB


def test_that_a_slurm_job_is_one_single_threaded_worker_that_ends_in_time() -> None:
    from dask_jobqueue.slurm import SLURMCluster

    slurm = SlurmSettings(queue="short", account="pain", walltime="1-02:00:00",
                          directives=("--gres=gpu:1",), interface="lo")  # fmt: skip
    arguments = slurm_arguments(EngineSettings(gpus=1), slurm)
    class_ = SLURMCluster.job_cls
    assert "memory" in arguments
    words = arguments["worker_extra_args"]
    assert words[words.index("--lifetime") + 1] == f"{26 * 3600 - 300}s"
    assert words[-2:] == ["--resources", "GPU=1"]
    job = class_(
        scheduler="tcp://127.0.0.1:1", name="x",
        **{k: v for k, v in arguments.items() if k not in ("scheduler_options", "interface")},
    )  # fmt: skip
    script = job.job_script()
    for line in ("#SBATCH -p short", "#SBATCH -A pain", "#SBATCH -t 1-02:00:00",
                 "#SBATCH --gres=gpu:1", "export OMP_NUM_THREADS=1", "#SBATCH --cpus-per-task=1",
                 "--nthreads 1"):  # fmt: skip
        assert line in script, script
    assert arguments["scheduler_options"]["dashboard_address"] == "127.0.0.1:0"


@pytest.mark.parametrize("walltime", ["soon", "1-", "1:2:3:4", ""])
def test_that_a_wall_time_that_is_none_is_refused(walltime: str) -> None:
    with pytest.raises(AppError) as refused:
        slurm_arguments(EngineSettings(), SlurmSettings(walltime=walltime))
    assert refused.value.code == "cohort.walltime"


def test_that_a_scheduler_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    script = (
        "from app.cohort.engine import open_engine\n"
        "from app.cohort.engine_settings import EngineSettings\n"
        "from app.core.errors import AppError\n"
        "from app.cohort import engine_places\n"
        "assert engine_places.SCHEDULER_WAIT_S > 10\n"
        "engine_places.SCHEDULER_WAIT_S = 1.0  # nothing listens there: a second tells as much\n"
        "try:\n"
        "    with open_engine(EngineSettings(scheduler='tcp://127.0.0.1:9')): pass\n"
        "except AppError as error: print(error.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.stdout.strip() == "cohort.no_scheduler", done.stderr[-2000:]


def test_that_a_running_scheduler_is_joined_and_left_running(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from distributed import LocalCluster\n"
        "from app.cohort.engine import open_engine\n"
        "from app.cohort.engine_settings import EngineSettings\n"
        "from app.core.progress import Progress\n"
        "from tests.engine_tasks import square\n"
        "if __name__ == '__main__':\n"
        "    with LocalCluster(n_workers=1, threads_per_worker=1, host='127.0.0.1',\n"
        "                      dashboard_address='127.0.0.1:0', silence_logs=50) as cluster:\n"
        "        for _ in range(2):\n"
        "            ends = []\n"
        "            place = EngineSettings(scheduler=cluster.scheduler_address)\n"
        "            with open_engine(place) as engine:\n"
        "                engine.run(square, {'3': 3, '4': 4}, ends.append, Progress())\n"
        "            print(sorted(end.answer for end in ends), engine.link[:17])\n"
    )
    program = tmp_path / "join.py"
    program.write_text(script)
    done = subprocess.run([sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True,
                          timeout=240, env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stdout.splitlines() == ["[9, 16] http://127.0.0.1:"] * 2, done.stderr[-2000:]


def test_that_neither_help_nor_window_imports_dask() -> None:
    script = (
        "import sys\n"
        "from app.cli.main import main\n"
        "main(['--help']); main(['bids', '--help'])\n"
        "import app.gui.application, app.gui.main_window.window, app.worker.jobs\n"
        "assert not {'dask', 'distributed'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_that_a_second_cluster_starts_in_a_process_that_began_without_dask() -> None:
    script = (
        "from app.cohort.engine import open_engine\n"
        "from app.cohort.engine_settings import EngineSettings\n"
        "if __name__ == '__main__':\n"
        "    for number in range(2):\n"
        "        with open_engine(EngineSettings(workers=1)) as engine:\n"
        "            print(number, engine.workers)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, check=False)  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["0 1", "1 1"], done.stderr
