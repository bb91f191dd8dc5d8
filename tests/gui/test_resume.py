"""An error belongs to what raised it; a cancelled analysis can be finished."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QMessageBox

from app.core.errors import ScanError
from app.gui.main_window.window import MainWindow
from app.gui.session import ScanPreview
from app.gui.views import GatesView, IntakeView
from app.worker.protocol import Job
from tests.gui.conftest import FakeWorker
from tests.gui.test_main_window import drop

FAULT = ScanError("The file is short.", "Copy it again.")


def open_scan(window: MainWindow, path: Path, case_folders: dict[str, Path]) -> None:
    """The scan of the sample case, opened but not analysed."""
    from app.gui.session import OpenCase

    scan = OpenCase.read(case_folders["result"]).case.scan
    path.write_bytes(b"x")
    window.session.show_preview(ScanPreview(path, scan, ()))


def start_analysis(window: MainWindow, worker: FakeWorker, qtbot: Any) -> None:
    count = len(worker.jobs)
    window.menus.run.trigger()
    qtbot.waitUntil(lambda: len(worker.jobs) > count)


def cancel(window: MainWindow, qtbot: Any) -> None:
    with qtbot.waitSignal(window.jobs.finished, timeout=5000):
        window.progress.cancel.click()


def test_that_an_error_goes_when_something_else_begins(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    path = tmp_path / "s.nii"
    path.write_bytes(b"x")
    begin: tuple[Callable[[], None], ...] = (
        lambda: drop(window, tmp_path),  # look
        lambda: drop(window, path),  # inspect
        lambda: drop(window, case_folders["result"]),
        lambda: (
            open_scan(window, path, case_folders),
            window.menus.run.trigger(),
        ),  # type: ignore[list-item]
    )
    for do in begin:
        window.actions_.messages.tell(FAULT)
        assert window.errors.isVisible()
        do()
        assert not window.errors.isVisible()
    window.actions_.cancel_all()


def test_that_an_error_of_what_was_begun_stays(
    window: MainWindow, worker: FakeWorker, tmp_path: Path, qtbot: Any
) -> None:
    def fail(_job: Job, _tell: Callable[[Any], None]) -> dict[str, Any]:
        raise FAULT

    worker.answers["inspect"] = fail
    path = tmp_path / "s.nii"
    path.write_bytes(b"x")
    with qtbot.waitSignal(window.jobs.finished, timeout=5000):
        drop(window, path)
    assert window.errors.isVisible()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "case.json").write_text("{")
    drop(window, tmp_path / "broken")
    assert window.errors.isVisible()
    assert window.errors.message.text() != FAULT.message


def test_that_a_cancelled_analysis_runs_again_as_it_was_asked(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    open_scan(window, tmp_path / "s.nii", case_folders)
    start_analysis(window, worker, qtbot)
    assert not window.resume.isVisible()
    cancel(window, qtbot)
    assert window.banner.text() == "Cancelled"
    assert window.resume.isVisible()
    assert window.resume.again.text() == "Run analysis"
    assert not window.errors.isVisible()
    window.resume.again.click()
    qtbot.waitUntil(lambda: len(worker.jobs) == 2)
    assert not window.resume.isVisible()
    assert worker.jobs[0].arguments == worker.jobs[1].arguments
    cancel(window, qtbot)
    form = window.page("load").findChildren(IntakeView)[0]
    form.pain.setText("11")
    window.resume.again.click()  # what was typed since is not passed over
    assert window.banner.text() == form.problem() != ""
    assert len(worker.jobs) == 2
    form.pain.setText("8")
    start_analysis(window, worker, qtbot)  # the form's own run works too
    assert worker.jobs[2].arguments["request"]["baseline_pain"] == 8.0
    window.actions_.cancel_all()


def test_that_an_analysis_cancelled_in_explain_can_be_finished(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    from app.worker.protocol import JobAnnouncement

    folder = case_folders["result"]

    def stop_in_explain(job: Job, tell: Callable[[Any], None]) -> dict[str, Any]:
        tell(JobAnnouncement(job.job_id, "case_updated", {"case_folder": str(folder)}))
        del worker.answers["analyse"]
        worker.jobs.pop()
        return worker.run(job, tell)  # type: ignore[no-any-return]

    worker.answers["analyse"] = stop_in_explain
    open_scan(window, tmp_path / "s.nii", case_folders)
    window.menus.run.trigger()
    qtbot.waitUntil(lambda: window.session.case is not None)
    assert not window.menus.run.isEnabled()
    cancel(window, qtbot)
    assert window.resume.again.text() == "Finish analysis"
    assert window.menus.run.isEnabled()
    assert window.menus.run.text() == "&Finish analysis"
    window.menus.run.trigger()
    qtbot.waitUntil(lambda: len(worker.jobs) == 2)
    assert json.dumps(worker.jobs[0].arguments) == json.dumps(worker.jobs[1].arguments)
    cancel(window, qtbot)
    drop(window, case_folders["withheld"])
    assert not window.resume.isVisible()
    assert not window.menus.run.isEnabled()


def test_that_opening_something_else_offers_nothing_to_finish(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    open_scan(window, tmp_path / "s.nii", case_folders)
    start_analysis(window, worker, qtbot)
    drop(window, case_folders["result"])
    (box,) = (box for box in window.findChildren(QMessageBox) if box.isVisible())
    with qtbot.waitSignal(window.jobs.cancelled, timeout=5000):
        next(button for button in box.buttons() if button.text() == "Stop and leave").click()
    assert not window.resume.isVisible()
    assert window.banner.text() != "Cancelled"


def test_that_check_says_that_the_scan_is_being_analysed_while_it_is(
    window: MainWindow,
    worker: FakeWorker,
    case_folders: dict[str, Path],
    tmp_path: Path,
    qtbot: Any,
) -> None:
    window.show_step("check")
    (gates,) = window.page("check").findChildren(GatesView)
    open_scan(window, tmp_path / "s.nii", case_folders)
    assert gates.verdict.text() == "This scan is not analysed yet."
    start_analysis(window, worker, qtbot)
    assert gates.verdict.text().startswith("This scan is being analysed")
    assert window.sidebar.person_facts.text() == "being analysed"
    cancel(window, qtbot)
    assert gates.verdict.text() == "This scan is not analysed yet."
    assert window.sidebar.person_facts.text() == "not analysed yet"
