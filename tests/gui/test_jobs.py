"""Jobs: every one ends once; what nobody waits for is dropped."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from app.core.errors import ScanError
from app.core.progress import ProgressEvent
from app.gui.jobs import Jobs
from app.gui.main_window.window import MainWindow
from app.gui.views import PreviewView
from app.worker.protocol import Binding, Job, JobProgress


def job(name: str, number: int = 1) -> Job:
    return Job(name, {}, f"{name}-{number}")


def test_that_a_job_answers_and_finishes(jobs: Jobs, worker: Any, qtbot: Any) -> None:
    def answer(asked: Job, tell: Any) -> dict[str, Any]:
        tell(JobProgress(Binding.of(asked), ProgressEvent("Open", 0, 2, 0.5, "", 1.0, 1.0)))
        return {"value": 3}

    worker.answers["count"] = answer
    progress: list[float] = []
    answers: list[Any] = []
    jobs.progressed.connect(lambda _id, event: progress.append(event.fraction))
    jobs.succeeded.connect(lambda _id, result: answers.append(result))
    with qtbot.waitSignal(jobs.finished, timeout=5000) as told:
        jobs.start(job("count"))
    assert told.args == ["count-1"]
    assert progress == [0.5]
    assert answers == [{"value": 3}]
    assert jobs.running() == ()


def test_that_answers_arrive_in_the_windows_thread(jobs: Jobs, worker: Any, qtbot: Any) -> None:
    worker.answers["count"] = lambda _job, _tell: {}
    threads: list[int] = []
    jobs.succeeded.connect(lambda _id, _result: threads.append(threading.get_ident()))
    with qtbot.waitSignal(jobs.finished, timeout=5000):
        jobs.start(job("count"))
    assert threads == [threading.get_ident()]


def test_that_cancel_ends_a_job(jobs: Jobs, qtbot: Any) -> None:
    job_id = jobs.start(job("long"))
    with qtbot.waitSignal(jobs.cancelled, timeout=2000):
        jobs.cancel(job_id)
    assert jobs.running() == ()


def test_that_an_error_arrives_as_it_was_raised(jobs: Jobs, worker: Any, qtbot: Any) -> None:
    def fail(_job: Job, _tell: Any) -> dict[str, Any]:
        raise ScanError("Not an image.", "Choose another file.", code="scan.not_an_image")

    worker.answers["open"] = fail
    with qtbot.waitSignal(jobs.failed, timeout=5000) as told:
        jobs.start(job("open"))
    assert told.args[1].code == "scan.not_an_image"


def test_that_an_unexpected_fault_becomes_one_error(jobs: Jobs, worker: Any, qtbot: Any) -> None:
    def fail(_job: Job, _tell: Any) -> dict[str, Any]:
        raise KeyError("boom")

    worker.answers["open"] = fail
    with qtbot.waitSignal(jobs.failed, timeout=5000) as told:
        jobs.start(job("open"))
    assert told.args[1].code == "gui.job_fault"


def test_that_a_stale_answer_is_dropped(jobs: Jobs, worker: Any, qtbot: Any) -> None:
    let_go = threading.Event()

    def slow_then_fast(asked: Job, _tell: Any) -> dict[str, Any]:
        if asked.job_id == "open-1":
            let_go.wait(10)
        return {"from": asked.job_id}

    worker.answers["open"] = slow_then_fast
    answers: list[Any] = []
    jobs.succeeded.connect(lambda _id, result: answers.append(result))
    jobs.start(job("open", 1))
    with qtbot.waitSignal(jobs.succeeded, timeout=5000):
        jobs.start(job("open", 2))
    with qtbot.waitSignal(jobs.finished, timeout=5000):
        let_go.set()
    assert answers == [{"from": "open-2"}]
    assert jobs.dropped == 1


def test_that_closing_leaves_no_thread(jobs: Jobs, worker: Any) -> None:
    jobs.start(job("long"))
    jobs.close()
    assert worker.closed
    assert not [t for t in threading.enumerate() if t.name.startswith("job ")]


def test_that_two_thousand_emits_are_survived(jobs: Jobs, qtbot: Any) -> None:
    seen = 0

    def count(_id: str, _event: object) -> None:
        nonlocal seen
        seen += 1

    jobs.progressed.connect(count)
    event = ProgressEvent("Open", 0, 1, 0.5, "", 1.0, None)
    for _ in range(2000):
        jobs.progressed.emit("x", event)
    assert seen == 2000


def event(fraction: float) -> ProgressEvent:
    return ProgressEvent("Motion", 1, 4, fraction, "", 90.0, 30.0)


def test_that_the_line_shows_the_job_that_runs_not_a_question_that_waits_behind_it(
    window: MainWindow, worker: Any, qtbot: Any
) -> None:
    line, jobs = window.progress, window.jobs
    jobs.start(job("analyse"))
    jobs.progressed.emit("analyse-1", event(0.4))
    jobs.start(job("devices"))
    jobs.start(job("bundle_card"))
    assert (line.title.text(), line.percent.text()) == ("Analysis", "40 %")
    jobs.progressed.emit("analyse-1", event(0.5))
    assert line.percent.text() == "50 %"
    assert jobs.ahead_of("devices") == "Analysis"
    line.cancel.click()
    qtbot.waitUntil(lambda: jobs.find("analyse-1") is None)
    assert jobs.find("devices-1") is not None  # it was not the question that was cancelled
    assert line.title.text() == "Asking for devices"
    jobs.progressed.emit("bundle_card-1", event(0.1))  # the younger question had its turn first
    assert line.title.text() == "Reading the model card"
    for name in ("bundle_card-1", "devices-1"):
        jobs.cancel(name)
    qtbot.waitUntil(lambda: not line.isVisible())


def test_that_a_newer_wish_of_the_same_kind_takes_the_line(window: MainWindow, qtbot: Any) -> None:
    window.jobs.start(job("explain", 1))
    window.jobs.start(job("explain", 2), "Variants")
    assert (window.progress.job_id, window.progress.title.text()) == ("explain-2", "Variants")
    window.jobs.cancel("explain-2")
    qtbot.waitUntil(lambda: window.jobs.find("explain-2") is None)


def test_that_questions_say_that_they_wait_for_what_runs(
    window: MainWindow, worker: Any, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.reports.explain(health=True)
    window.tools.show_settings()
    dialog = window.tools.settings_dialog
    assert dialog is not None
    assert "Explanation is running" in dialog.device_note.text()
    window.tools.show_card()
    assert "model card opens when that has ended" in window.banner.text()
    window.show_step("report")
    (view,) = window.page("report").findChildren(PreviewView)
    qtbot.waitUntil(lambda: "pages are drawn when that has ended" in view.state.text())
    assert window.progress.title.text() == "Explanation"
    dialog.close()
