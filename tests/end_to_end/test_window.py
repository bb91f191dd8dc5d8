"""The real window with the real worker: from a raw scan on disk to overlays and the PDF."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer

from app.core.results import Case
from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.simulation.participant import SimulatedParticipant
from app.study.case_store import verify_case
from app.worker.process import Worker

WHOLE_JOB_MS = 400_000


@pytest.fixture(scope="session")
def qapp() -> Any:
    return make_application()


@pytest.fixture
def opened(qapp: Any, qtbot: Any) -> Any:
    workers: list[Worker] = []

    def make_worker() -> Worker:
        workers.append(Worker())
        return workers[-1]

    window = make_window(make_worker, Settings(), Messages())
    window.resize(1280, 720)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._closing = True
    window.actions_.close()
    for worker in workers:
        worker.close()
    window.close()
    window.deleteLater()


def _open(window: MainWindow, path: Path, qtbot: Any) -> None:
    window.actions_.open_path(path)
    qtbot.waitUntil(lambda: window.session.preview is not None, timeout=120_000)
    qtbot.waitUntil(lambda: window.session.preview.volume is not None, timeout=120_000)


@pytest.mark.timeout(900)
def test_that_a_raw_scan_becomes_a_prediction_overlays_and_a_pdf_in_the_window(
    opened: MainWindow,
    small_participant: SimulatedParticipant,
    small_case: tuple[Case, Path],
    qtbot: Any,
    tmp_path: Path,
) -> None:
    """What window and worker add to the recipe is the same whatever the size of the scan."""
    reference, _ = small_case
    _open(opened, small_participant.paths.bold, qtbot)
    assert opened.session.preview is not None
    assert opened.session.preview.scan.sha256 == reference.scan.sha256
    gaps: list[float] = []
    last = [time.perf_counter()]

    def beat() -> None:
        now = time.perf_counter()
        gaps.append(now - last[0])
        last[0] = now

    timer = QTimer(opened)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(beat)
    timer.start(5)
    opened.actions_.run_analysis({})
    qtbot.waitUntil(
        lambda: opened.session.case is not None and opened.session.case.summary_pdf.exists(),
        timeout=WHOLE_JOB_MS,
    )
    qtbot.waitUntil(lambda: not opened.actions_.jobs.running(), timeout=60_000)
    # The last state of the folder is read in the background.
    qtbot.waitUntil(lambda: opened.session.case.case.attribution is not None, timeout=60_000)
    timer.stop()
    shown = opened.session.case
    print(
        f"event-loop gap p99 {np.percentile(gaps, 99) * 1e3:.1f} ms, max {max(gaps) * 1e3:.0f} ms"
    )
    verify_case(shown.folder)
    assert shown.case.case_id == reference.case_id
    # The window and the recipe without it agree to the last bit.
    assert shown.case.prediction.log_odds == reference.prediction.log_odds
    np.testing.assert_array_equal(
        shown.case.attribution.scan.per_connection, reference.attribution.scan.per_connection
    )
    target = tmp_path / "copy.pdf"
    opened.actions_.export_summary(target)
    qtbot.waitUntil(target.exists, timeout=60_000)
    assert target.read_bytes()[:5] == b"%PDF-"
