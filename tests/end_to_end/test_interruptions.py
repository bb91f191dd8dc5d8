"""Cancelled, killed, out of memory, out of space: nothing half-written, and the next run answers.

Most of it runs on the first frames of the small scan: every stage but the explanation (which
needs a whole window of the model), in a few seconds.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel
import pytest

from app.analysis import analyse
from app.analysis.recipe import stage_weights
from app.cli.checks import answer_hashes
from app.core.errors import AppError, CancelledError, StorageError, WorkerError
from app.core.progress import Progress, ProgressEvent
from app.core.request import AnalysisRequest
from app.core.results import Case, Outcome
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import damaged_files, read_case
from app.worker.process import Worker
from app.worker.protocol import Job, JobAnnouncement, JobProgress
from app.worker.requests import analyse_job, inspect_job, inspection_of
from tests.end_to_end.command_line import command_line, leftovers

STAGES = tuple(stage_weights(AnalysisRequest(Path("scan"), Path("out"))))
SHORT_FRAMES = 60
MIB = 1 << 20
SMALL_FILES_BYTES = 64 << 10  # below it no file of a case but the smallest fits
linux = pytest.mark.skipif(sys.platform != "linux", reason="a feature of Linux")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def short_scan(
    small_participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The first frames of the small scan, with its sidecar."""
    scan = tmp_path_factory.mktemp("short") / small_participant.paths.bold.name
    image = nibabel.load(small_participant.paths.bold)
    nibabel.save(image.slicer[..., :SHORT_FRAMES], scan)
    sidecar = scan.with_name(small_participant.paths.sidecar.name)
    sidecar.write_bytes(small_participant.paths.sidecar.read_bytes())
    return scan


@pytest.fixture(scope="module")
def short_case(short_scan: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """What an undisturbed run gives on it."""
    out = tmp_path_factory.mktemp("undisturbed")
    return analyse(AnalysisRequest(short_scan, out, threads=1))


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process keeps temporary files during the test."""
    place = tmp_path / "private"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def whole_cases(out: Path) -> list[Case]:
    """Every case of an output folder, each intact; nothing else may lie there."""
    folders = sorted(out.iterdir()) if out.exists() else []
    assert all(damaged_files(folder) == () for folder in folders)
    return [read_case(folder) for folder in folders]


# ---------------------------------------------------------------------------- cancelled


class CancelIn:
    """Asks for a cancel as soon as a stage has begun."""

    def __init__(self, stage: str) -> None:
        self._stage, self._now = stage, ""
        self.progress = Progress(self._hear, self._asked)

    def _hear(self, event: ProgressEvent) -> None:
        self._now = event.stage

    def _asked(self) -> bool:
        return self._now == self._stage


@pytest.mark.parametrize("stage", STAGES)
def test_that_a_cancel_in_each_stage_leaves_nothing_half_written(
    stage: str, short_scan: Path, small_participant: SimulatedParticipant, tmp_path: Path,
    private: Path,
) -> None:  # fmt: skip
    scan = small_participant.paths.bold if stage == "explain" else short_scan
    out = tmp_path / "out"
    with pytest.raises(CancelledError) as caught:
        analyse(AnalysisRequest(scan, out, threads=1), CancelIn(stage).progress)
    assert stage in caught.value.message
    assert leftovers(out, private) == []
    found = whole_cases(out)
    # From the prediction on there is a folder; it is whole, only later parts are missing.
    assert len(found) == (STAGES.index(stage) > STAGES.index("predict"))
    for case in found:
        assert case.prediction is not None
        assert case.attribution is None


@pytest.mark.parametrize("stage", ["registration", "report"])
def test_that_the_run_after_a_cancel_gives_the_full_answer(
    stage: str, short_scan: Path, short_case: Case, tmp_path: Path, private: Path
) -> None:
    request = AnalysisRequest(short_scan, tmp_path / "out", threads=1)
    with pytest.raises(CancelledError):
        analyse(request, CancelIn(stage).progress)
    case = analyse(request)
    assert answer_hashes(case) == answer_hashes(short_case)
    (read,) = whole_cases(request.out_dir)
    assert answer_hashes(read) == answer_hashes(short_case)
    assert list(request.out_dir.rglob("*_desc-summary.pdf"))
    assert leftovers(request.out_dir, private) == []


# ---------------------------------------------------------------------------- killed


@dataclass(frozen=True, slots=True)
class Killed:
    """What one kill led to."""

    error: AppError
    left: list[str]
    cases: list[Case]
    frames_read_next: int  # by the next job of the same worker


def kill_in(stage: str, scan: Path, place: Path, worker: Worker) -> AppError:
    """The error of a job whose child is killed when it reports `stage`."""

    def kill(event: JobProgress | JobAnnouncement) -> None:
        pid = worker.child_pid
        if isinstance(event, JobProgress) and event.event.stage == stage and pid is not None:
            os.kill(pid, signal.SIGKILL)

    with pytest.raises(AppError) as caught:
        worker.run(analyse_job(AnalysisRequest(scan, place / "out", threads=1)), kill)
    return caught.value


@pytest.fixture(scope="module")
def killed(
    short_scan: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Killed]]:
    """A kill in each stage but the explanation; two workers side by side, each goes on after it."""
    place = tmp_path_factory.mktemp("killed")
    with command_line(place) as line:

        def some(stages: list[str]) -> dict[str, Killed]:
            found = {}
            with Worker() as worker:
                for stage in stages:
                    own = place / stage
                    error = kill_in(stage, short_scan, own, worker)
                    left = leftovers(own / "out")
                    answer = worker.run(inspect_job(short_scan, own / "scratch"))
                    frames = inspection_of(answer).scan.shape[3]
                    found[stage] = Killed(error, left, whole_cases(own / "out"), frames)
            return found

        stages = [stage for stage in STAGES if stage != "explain"]
        with ThreadPoolExecutor(2) as pool:
            one, other = pool.map(some, (stages[::2], stages[1::2]))
        assert leftovers(line.private) == []  # no decoded voxels of a killed child
        yield one | other


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "explain"])
def test_that_a_kill_in_each_stage_is_one_error_and_leaves_nothing_half_written(
    stage: str, killed: dict[str, Killed]
) -> None:
    outcome = killed[stage]
    assert isinstance(outcome.error, WorkerError)
    assert outcome.error.code == "worker.killed"
    assert outcome.error.hint
    assert outcome.left == []
    assert len(outcome.cases) == (stage == "report")
    assert outcome.frames_read_next == SHORT_FRAMES


def test_that_after_a_kill_in_the_explanation_the_next_job_gives_the_same_bits(
    small_participant: SimulatedParticipant, small_case: tuple[Case, Path], tmp_path: Path
) -> None:
    scan, out = small_participant.paths.bold, tmp_path / "out"
    with command_line(tmp_path) as line:
        error = kill_in("explain", scan, tmp_path, line.worker)
        assert error.code == "worker.killed"
        (grown,) = whole_cases(out)
        assert grown.attribution is None
        answer = line.worker.run(analyse_job(AnalysisRequest(scan, out, threads=2)))
        assert leftovers(out, line.private) == []
    (case,) = whole_cases(out)
    assert answer == {"case_folder": str(out / case.case_id), "case_id": case.case_id}
    assert case.attribution is not None
    assert answer_hashes(case) == answer_hashes(small_case[0])


def test_that_a_cancel_through_the_worker_is_answered_within_a_second(
    short_scan: Path, tmp_path: Path
) -> None:
    asked: list[float] = []
    with command_line(tmp_path) as line:
        job = analyse_job(AnalysisRequest(short_scan, tmp_path / "out", threads=1))

        def cancel(event: JobProgress | JobAnnouncement) -> None:
            if isinstance(event, JobProgress) and event.event.stage == "registration" and not asked:
                asked.append(time.monotonic())
                line.worker.cancel(job.job_id)

        with pytest.raises(CancelledError):
            line.worker.run(job, cancel)
        assert time.monotonic() - asked[0] < 1.0
        assert leftovers(tmp_path / "out", line.private) == []


# ---------------------------------------------------------------------------- memory and space


def test_that_a_memory_limit_that_is_too_low_is_one_error_and_the_next_job_works(
    short_scan: Path, tmp_path: Path
) -> None:
    with command_line(tmp_path) as line:
        job = analyse_job(AnalysisRequest(short_scan, tmp_path / "out", threads=1))
        limited = Job(job.name, job.arguments, job.job_id, memory_limit_bytes=150 * MIB)
        with pytest.raises(WorkerError) as caught:
            line.worker.run(limited)
        assert caught.value.code == "worker.memory_limit"
        assert "memory" in caught.value.hint
        assert leftovers(tmp_path / "out", line.private) == []
        assert line.worker.run(inspect_job(short_scan, tmp_path / "scratch"))["record"]


@linux
def test_that_a_disk_that_fills_up_leaves_whole_cases_only_and_room_brings_the_answer(
    short_scan: Path, short_case: Case, tmp_path: Path
) -> None:
    """Files may not grow any more from a stage on: first where the case is written, then later."""
    request = AnalysisRequest(short_scan, tmp_path / "out", threads=1)
    with command_line(tmp_path) as line:
        for stage, code, whole in (
            ("predict", "study.no_space", 0),
            ("report", "reporting.write_failed", 1),
        ):
            limits: list[tuple[int, int]] = []

            def fill(
                event: JobProgress | JobAnnouncement,
                stage: str = stage,
                limits: list[tuple[int, int]] = limits,
            ) -> None:
                pid = line.worker.child_pid
                if limits or pid is None or not isinstance(event, JobProgress):
                    return
                if event.event.stage == stage:
                    limits.append(resource.prlimit(pid, resource.RLIMIT_FSIZE))
                    small = (SMALL_FILES_BYTES, limits[0][1])
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, small)

            with pytest.raises(StorageError) as caught:
                line.worker.run(analyse_job(request), fill)
            assert caught.value.code == code
            assert caught.value.hint
            assert leftovers(request.out_dir, line.private) == []
            assert len(whole_cases(request.out_dir)) == whole
            assert line.worker.child_pid is not None
            resource.prlimit(line.worker.child_pid, resource.RLIMIT_FSIZE, limits[0])
        line.worker.run(analyse_job(request))
    (case,) = whole_cases(request.out_dir)
    assert case.prediction is not None
    assert case.prediction.outcome is Outcome.WITHHELD  # too short for the model
    assert answer_hashes(case) == answer_hashes(short_case)
