"""Whatever happens in the child: one typed error, and the next job works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.core.errors import AppError, CancelledError, ScanError, StorageError, WorkerError
from app.core.logs import log_file
from app.worker import child, process
from app.worker.process import Worker
from app.worker.protocol import Job, JobAnnouncement, JobProgress

TABLE = "tests.unit.worker.fake_jobs:JOBS"
MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="a feature of Linux")


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(TABLE) as running:
        yield running


def job(name: str, **arguments: Any) -> Job:
    return Job(name, arguments, f"job-{name}-{time.monotonic_ns()}", "ab" * 32, "uuid-1")


def works(worker: Worker) -> bool:
    return worker.run(job("echo", x=1))["x"] == 1


def test_that_a_child_stays_warm_between_jobs(worker: Worker) -> None:
    events: list[Any] = []
    first = worker.run(job("echo", text="ü"), events.append)
    second = worker.run(job("echo"))
    assert first["pid"] == second["pid"] == worker.child_pid
    assert first["text"] == "ü"
    (event,) = events
    assert isinstance(event, JobAnnouncement)
    assert (event.name, event.facts) == ("case_updated", {"folder": "here"})
    assert event.binding.scan_sha256 == "ab" * 32


def test_that_progress_arrives_in_order(worker: Worker) -> None:
    events: list[Any] = []
    worker.run(job("slow", steps=3), events.append)
    stages = [e.event.stage for e in events if isinstance(e, JobProgress)]
    fractions = [e.event.fraction for e in events]
    assert sorted(set(stages), key=stages.index) == ["Open", "Motion", "Predict"]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("typed", ScanError, "scan.truncated"),
        ("unexpected", WorkerError, "worker.unexpected"),
        ("no_space", StorageError, "study.no_space"),
        ("segfault", WorkerError, "worker.crashed"),
        ("kill_self", WorkerError, "worker.killed"),
        ("exit_now", WorkerError, "worker.exited"),
        ("too_long", WorkerError, "worker.unexpected"),
        ("unsendable", WorkerError, "worker.unexpected"),
        ("nonsense", WorkerError, "worker.nonsense"),
        ("no_such_job", WorkerError, "worker.unexpected"),
    ],
)
def test_that_every_end_is_one_typed_error_and_the_next_job_works(
    worker: Worker, name: str, kind: type[AppError], code: str
) -> None:
    with pytest.raises(AppError) as caught:
        worker.run(job(name))
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert "Jane" not in str(caught.value)
    assert works(worker)


def test_that_the_log_of_a_fault_names_code_but_no_file_of_the_user(worker: Worker) -> None:
    for name in ("unexpected", "no_space"):
        with pytest.raises(AppError):
            worker.run(job(name))
    text = log_file().read_text()
    assert "worker.unexpected" in text
    assert "fake_jobs.py:" in text
    assert "Jane" not in text
    assert "/home" not in text


@pytest.mark.parametrize("stage", ["Open", "Motion", "Predict"])
def test_that_a_cancel_in_each_stage_is_answered_and_the_child_stays(
    worker: Worker, stage: str
) -> None:
    works(worker)
    pid = worker.child_pid
    asked: list[float] = []

    def cancel_there(event: Any) -> None:
        if event.event.stage == stage and not asked:
            asked.append(time.monotonic())
            worker.cancel()

    with pytest.raises(CancelledError) as caught:
        worker.run(job("slow", steps=20), cancel_there)
    assert time.monotonic() - asked[0] < 0.5
    assert stage in caught.value.message
    assert worker.child_pid == pid
    assert works(worker)


@pytest.mark.parametrize("name", ["deaf", "hold_interpreter"])
def test_that_a_child_that_does_not_answer_is_dead_within_a_second(
    worker: Worker, name: str
) -> None:
    asked: list[float] = []
    others: list[int] = []

    def cancel(event: Any) -> None:
        others.extend(int(pid) for pid in event.facts.values())
        asked.append(time.monotonic())
        worker.cancel()

    works(worker)
    pid = worker.child_pid
    assert pid is not None
    with pytest.raises(CancelledError):
        worker.run(job(name), cancel)
    assert time.monotonic() - asked[0] < 1.0
    assert not psutil.pid_exists(pid)
    assert not any(_is_running(other) for other in others)
    assert works(worker)


def test_that_a_job_can_be_cancelled_while_it_waits_for_its_turn(worker: Worker) -> None:
    ended: list[str] = []
    running, waiting = job("slow", steps=40), job("echo")

    def run(one: Job) -> None:
        try:
            worker.run(one)
            ended.append(f"{one.name} done")
        except CancelledError:
            ended.append(f"{one.name} cancelled")

    threads = [threading.Thread(target=run, args=(one,)) for one in (running, waiting)]
    for thread in threads:
        thread.start()
        time.sleep(0.4)
    worker.cancel(waiting.job_id)
    threads[1].join()
    assert ended == ["echo cancelled"]
    worker.cancel(running.job_id)
    threads[0].join()
    assert ended == ["echo cancelled", "slow cancelled"]


def test_that_cancelling_nothing_does_nothing(worker: Worker) -> None:
    worker.cancel()
    worker.cancel("unknown")
    assert works(worker)


def test_that_a_storm_of_cancels_ends_idle(worker: Worker) -> None:
    for number in range(8):
        timer = threading.Timer(0.013 * number, worker.cancel)
        timer.start()
        try:
            worker.run(job("slow", steps=5))
        except CancelledError:
            pass
        finally:
            timer.join()
    assert works(worker)


def test_that_the_time_limit_ends_a_job(worker: Worker) -> None:
    works(worker)
    began = time.monotonic()
    with pytest.raises(WorkerError) as caught:
        worker.run(Job("hold_interpreter", {}, "j", time_limit_s=0.3))
    assert caught.value.code == "worker.time_limit"
    assert time.monotonic() - began < 1.0
    assert works(worker)


@linux
def test_that_one_huge_allocation_is_refused_and_the_child_stays(worker: Worker) -> None:
    works(worker)
    pid = worker.child_pid
    with pytest.raises(WorkerError) as caught:
        worker.run(Job("allocate", {"bytes": 64 << 30}, "j", memory_limit_bytes=512 * MIB))
    assert caught.value.code == "worker.memory_limit"
    assert works(worker)
    assert worker.child_pid == pid


def test_that_memory_that_grows_step_by_step_is_ended_at_the_limit(worker: Worker) -> None:
    with pytest.raises(WorkerError) as caught:
        worker.run(Job("grow", {}, "j", memory_limit_bytes=400 * MIB, time_limit_s=30))
    assert caught.value.code == "worker.memory_limit"
    assert works(worker)


def test_that_what_libraries_print_does_not_mix_with_messages(worker: Worker) -> None:
    assert worker.run(job("chatter")) == {"stdin": ""}
    assert works(worker)


@linux
def test_that_the_child_is_restricted_and_names_nobody(worker: Worker) -> None:
    facts = worker.run(job("facts", label="sub-secret"))
    assert facts["nice"] >= limits_niceness()
    assert (facts["core"], facts["threads"], facts["group"]) == (0, "11", True)
    assert worker.child_pid is not None
    command = " ".join(psutil.Process(worker.child_pid).cmdline())
    assert "sub-secret" not in command
    assert "ab" * 32 not in command


def limits_niceness() -> int:
    return min(19, os.nice(0) + 10)


def test_that_a_child_killed_between_jobs_is_replaced(worker: Worker) -> None:
    works(worker)
    pid = worker.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while _is_running(pid):
        time.sleep(0.01)
    assert works(worker)
    assert worker.child_pid != pid


@linux
def test_that_a_job_sent_to_a_child_that_has_just_died_is_done_by_the_next_and_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    works(worker)
    pid = worker.child_pid
    assert pid is not None
    real, notice = child._ends_within, threading.Event()

    def slow_reader(one: int, seconds: float | None) -> bool:
        if one == pid:
            notice.wait(10)
        return real(one, seconds)

    monkeypatch.setattr(child, "_ends_within", slow_reader)
    os.kill(pid, signal.SIGKILL)
    threading.Timer(0.3, notice.set).start()
    assert worker.child_pid == pid  # not noticed yet: the job goes to the dead one
    events: list[Any] = []
    assert worker.run(job("echo", x=1), events.append)["x"] == 1
    assert len(events) == 1
    assert worker.child_pid != pid


def test_that_a_fault_of_the_listener_ends_the_job_and_not_the_worker(worker: Worker) -> None:
    def broken(_event: Any) -> None:
        raise RuntimeError("the window is gone")

    with pytest.raises(RuntimeError):
        worker.run(job("slow"), broken)
    assert works(worker)


def test_that_messages_of_another_job_are_dropped_and_counted(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.start()
    real = process.job_line

    def other(wanted: Job) -> bytes:
        return real(Job(wanted.name, wanted.arguments, wanted.job_id, "cd" * 32, "uuid-2"))

    monkeypatch.setattr(process, "job_line", other)
    with pytest.raises(WorkerError) as caught:
        worker.run(Job("echo", {}, "j", "ab" * 32, "uuid-1", time_limit_s=0.5))
    assert caught.value.code == "worker.time_limit"
    assert worker.dropped_messages == 3  # started, announced, answered


def test_that_a_closed_worker_refuses_and_leaves_no_process() -> None:
    worker = Worker(TABLE)
    works(worker)
    pid = worker.child_pid
    assert pid is not None
    began = time.monotonic()
    worker.close()
    assert time.monotonic() - began < 1.5
    assert not psutil.pid_exists(pid)
    with pytest.raises(WorkerError) as caught:
        worker.run(job("echo"))
    assert caught.value.code == "worker.closed"


def test_that_closing_ends_a_running_job() -> None:
    worker = Worker(TABLE)
    works(worker)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(job("deaf"))
        except CancelledError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    worker.close()
    thread.join(5)
    assert len(errors) == 1


def test_that_a_table_that_cannot_be_imported_is_one_error() -> None:
    with Worker("tests.no_such_module:JOBS") as worker, pytest.raises(WorkerError) as caught:
        works(worker)
    assert caught.value.code == "worker.exited"


@linux
@pytest.mark.parametrize("name", ["slow", "hold_interpreter"])
def test_that_the_child_dies_with_a_parent_that_is_killed(tmp_path: Path, name: str) -> None:
    code = f"""
        from app.worker.process import Worker
        from app.worker.protocol import Job
        worker = Worker({TABLE!r})
        worker.start()
        print(worker.child_pid, flush=True)
        worker.run(Job({name!r}, {{"steps": 10000}}, "j"))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        assert _is_running(pid)
        parent.kill()
    deadline = time.monotonic() + 2.0
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(pid)


def test_that_a_thread_that_ends_does_not_take_the_warm_child_along(worker: Worker) -> None:
    thread = threading.Thread(target=works, args=(worker,))
    thread.start()
    thread.join()
    pid = worker.child_pid
    time.sleep(0.3)
    assert works(worker)
    assert worker.child_pid == pid


def _is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
