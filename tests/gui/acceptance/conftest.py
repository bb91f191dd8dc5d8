"""The window with the real worker, and one small person analysed once for all of these tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from PySide6.QtCore import Qt

from app.core.request import AnalysisRequest
from app.core.settings import Settings
from app.gui.application import make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.views import IntakeView
from app.simulation.participant import SimulatedParticipant
from app.worker.process import Worker
from app.worker.protocol import Job
from app.worker.requests import analyse_job
from tests.made_once import made_once

Start = Callable[[], MainWindow]
LONG_MS = 300_000


class Lent:
    """The one real worker, lent to a window: closing the window does not end it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, job: Job, on_event: Callable[[Any], None] = lambda _event: None) -> Any:
        return self._worker.run(job, on_event)

    def cancel(self, job_id: str | None = None) -> None:
        self._worker.cancel(job_id)

    def close(self) -> None:
        self._worker.cancel()


@pytest.fixture(scope="session")
def real_worker(tmp_path_factory: pytest.TempPathFactory, shared_cache: Path) -> Iterator[Worker]:
    """A child process with a home of its own, kept warm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURORESPONDER_HOME", str(tmp_path_factory.mktemp("worker-home")))
        worker = Worker()
        worker.start()
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def person(small_participant: SimulatedParticipant) -> SimulatedParticipant:
    """Somebody for whom the demonstration model has a number."""
    return small_participant


@pytest.fixture(scope="session")
def analysed(
    person: SimulatedParticipant, real_worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """That person's case folder with its summary; the explanation would take the longest."""

    def make(out: Path) -> Path:
        request = AnalysisRequest(
            person.paths.bold, out, threads=1, stage_cache=True, attribution=False
        )
        return Path(real_worker.run(analyse_job(request))["case_folder"])

    return made_once(tmp_path_factory, "analysed", make)[0]


@pytest.fixture
def real(qapp: Any, real_worker: Worker, messages: Messages, qtbot: Any) -> Iterator[Start]:
    """Opens windows on the real worker, as starts of the program; all are closed at the end."""
    made: list[MainWindow] = []

    def start() -> MainWindow:
        window = make_window(lambda: Lent(real_worker), Settings(theme="dark"), messages)
        window.actions_.reader.inline = True
        window.session.turns.on = False
        window.show()
        qtbot.waitExposed(window)
        made.append(window)
        return window

    yield start
    for window in made:
        end(window, qtbot)


def end(window: MainWindow, qtbot: Any) -> None:
    """Close a window as a user does, once nothing runs; a second time does nothing."""
    if shiboken6.isValid(window):
        qtbot.waitUntil(lambda: not window.jobs.running(), timeout=120_000)
        window.close()
        window.deleteLater()


def open_scan(window: MainWindow, path: Path, qtbot: Any) -> None:
    """Open a scan and wait for its header and volumes."""
    window.actions_.open_path(path)
    qtbot.waitUntil(lambda: window.session.volumes is not None, timeout=LONG_MS)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)


def run(window: MainWindow, qtbot: Any) -> None:
    """Press Run and wait for the case with all that follows."""
    (form,) = window.page("load").findChildren(IntakeView)
    qtbot.mouseClick(form.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window.jobs.running(), timeout=LONG_MS)
    assert window.session.case is not None, window.errors.message.text()
