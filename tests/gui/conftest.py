"""A window on sample cases, with a worker that does what the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import CancelledError
from app.core.results import Outcome
from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.jobs import Jobs
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.session import OpenCase, Session
from app.worker.protocol import Job
from tests.live_case import write_live_case
from tests.sample_case import make_sample_case


class FakeWorker:
    """Answers jobs from a table; a job without an entry runs until it is cancelled."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Job, Callable[[Any], None]], dict[str, Any]]] = {}
        self.jobs: list[Job] = []
        self._cancelled: dict[str, threading.Event] = {}
        self.closed = False

    def run(self, job: Job, on_event: Callable[[Any], None] = lambda _event: None) -> Any:
        self.jobs.append(job)
        if job.name in self.answers:
            return self.answers[job.name](job, on_event)
        self._event(job.job_id).wait(20)
        raise CancelledError("Motion")

    def cancel(self, job_id: str | None = None) -> None:
        for wanted in [job_id] if job_id is not None else list(self._cancelled):
            self._event(wanted).set()

    def close(self) -> None:
        self.closed = True
        self.cancel()

    def _event(self, job_id: str) -> threading.Event:
        return self._cancelled.setdefault(job_id, threading.Event())


@pytest.fixture(scope="session")
def case_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("cases")
    return {outcome.value: make_sample_case(place, outcome) for outcome in Outcome}


@pytest.fixture(scope="session")
def qapp() -> Any:
    return make_application()


@pytest.fixture
def worker() -> FakeWorker:
    return FakeWorker()


@pytest.fixture
def messages() -> Messages:
    return Messages()


@pytest.fixture
def jobs(qapp: Any, worker: FakeWorker) -> Iterator[Jobs]:
    made = Jobs(lambda: worker)
    yield made
    made.close()


@pytest.fixture
def session(qapp: Any, case_folders: dict[str, Path]) -> Session:
    made = Session()
    made.show_case(OpenCase.read(case_folders["result"]))
    return made


@pytest.fixture
def window(qapp: Any, worker: FakeWorker, messages: Messages, qtbot: Any) -> Iterator[MainWindow]:
    made = make_window(lambda: worker, Settings(theme="dark"), messages)
    made.actions_.reader.inline = True  # what follows from an opened case stands at once
    made.session.turns.on = False
    made.resize(1280, 720)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made._closing = True
    made.close()
    made.deleteLater()


@pytest.fixture(scope="session")
def judged_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with health and sensitivity."""
    return make_sample_case(tmp_path_factory.mktemp("judged"), Outcome.RESULT, health=True)


@pytest.fixture
def judged(window: MainWindow, judged_folder: Path) -> MainWindow:
    window.actions_.open_case(judged_folder)
    return window


@pytest.fixture(scope="session")
def live_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_live_case(tmp_path_factory.mktemp("live"))


@pytest.fixture
def live(window: MainWindow, live_folder: Path, qtbot: Any) -> MainWindow:
    """The window on that case, active, with edits of frames computed at once."""
    window.actions_.censoring.reader.inline = True
    window.actions_.open_path(live_folder)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    return window
