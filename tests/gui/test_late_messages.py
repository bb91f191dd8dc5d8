"""What is told belongs to the case that it is about, and goes with it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from app.core.errors import AppError
from app.gui.main_window.window import MainWindow
from tests.gui.conftest import FakeWorker


def test_that_an_error_goes_with_the_case_that_it_was_told_of(
    window: MainWindow, case_folders: dict[str, Path]
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.actions_.messages.tell(AppError("The PDF could not be written."))
    assert window.errors.isVisible()
    window.session.exchange_case(window.session.case)  # type: ignore[arg-type]
    assert window.errors.isVisible()  # the same case
    window.close_case()
    assert not window.errors.isVisible()


def test_that_a_late_error_of_a_closed_case_is_not_told(
    window: MainWindow, case_folders: dict[str, Path], worker: FakeWorker, qtbot: Any
) -> None:
    go_on = threading.Event()

    def fail(_job: Any, _tell: Any) -> Any:
        assert go_on.wait(20)
        raise AppError("This map lies elsewhere.")

    worker.answers["open_maps"] = fail
    worker.answers["report"] = fail
    window.actions_.open_path(case_folders["result"])
    maps = window.exports.maps.actions
    maps.open_maps([Path("some.nii.gz")])
    window.actions_.export_summary(Path("some.html"))
    qtbot.waitUntil(lambda: len(worker.jobs) == 2, timeout=5000)
    window.close_case()
    go_on.set()
    qtbot.waitUntil(lambda: not maps.jobs.running() and not window.jobs.running(), timeout=5000)
    qtbot.wait(50)
    assert not window.errors.isVisible()


def test_that_what_a_report_says_otherwise_is_told_of_its_own_case_only(
    window: MainWindow, case_folders: dict[str, Path], monkeypatch: Any
) -> None:
    opened: list[Path] = []
    actions = window.actions_
    monkeypatch.setattr(actions, "open_case", lambda folder, **_more: opened.append(folder))
    found = {"altered": ["One.", "Two."], "folder": str(case_folders["result"])}
    window.reports._answered("reopen", {"reopened": found})
    monkeypatch.undo()
    assert opened == [case_folders["result"]]
    actions.open_path(case_folders["inconclusive"])  # before the report's own case was read
    assert not window.errors.isVisible()
    window.reports._answered("reopen", {"reopened": found})
    assert window.session.case is not None
    assert window.session.case.folder == case_folders["result"]
    assert window.errors.isVisible()
    assert window.errors.message.text() == "Altered data: One. Two."
