"""The real window in its own process, watched: first paint, then how evenly its timer ticks.

    python tests/benchmarks/window_probe.py ANSWER.json STARTED [SCAN]

STARTED is the parent's `time.monotonic()` at the start of this process. With a scan the window
opens and analyses it as a user would; without one it closes after its first paint.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QApplication

from app.gui.application import make_application, run
from app.gui.main_window.window import MainWindow

TICK_MS = 5
IDLE_S = 3.0
SHOWING_S = 2.0  # after a result has arrived: its folder is read and drawn


class Probe(QObject):
    """Notes the first paint and the time between ticks, and drives the window."""

    def __init__(self, started_s: float, scan: Path | None) -> None:
        super().__init__()
        self._started_s, self._scan = started_s, scan
        self.first_paint_s = self.processor_s = 0.0
        self.ticks: list[float] = []
        self.marks: dict[str, list[float]] = {"open": [], "run": [], "shown": [], "end": []}
        self._timer = QTimer(self, interval=TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self.ticks.append(time.monotonic()))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See the first paint of the window."""
        if event.type() == QEvent.Type.Paint and isinstance(watched, MainWindow):
            QApplication.instance().removeEventFilter(self)
            QTimer.singleShot(0, self, self._painted)
        return False

    def _painted(self) -> None:
        self.first_paint_s = time.monotonic() - self._started_s
        self.processor_s = time.process_time()
        self.window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
        if self._scan is None:
            QTimer.singleShot(0, self.window, self.window.close)
            return
        self._timer.start()
        self.window.jobs.succeeded.connect(self._succeeded)
        self.window.jobs.failed.connect(lambda _job, error: self._end(str(error)))
        self.window.jobs.announced.connect(lambda *_told: self._mark("shown"))
        QTimer.singleShot(int(IDLE_S * 1000), self, self._open)

    def _mark(self, name: str) -> None:
        self.marks[name].append(time.monotonic())

    def _open(self) -> None:
        assert self._scan is not None
        self._mark("open")
        self.window.actions_.open_path(self._scan)

    def _succeeded(self, _job: str, result: dict[str, object]) -> None:
        if "volumes" in result:
            QTimer.singleShot(500, self, self._run)
        elif "case_folder" in result:
            self._mark("shown")
            QTimer.singleShot(int(SHOWING_S * 1000), self, self._end)

    def _run(self) -> None:
        self._mark("run")
        self.window.run_from_menu()

    def _end(self, fault: str = "") -> None:
        self._mark("end")
        if fault:
            print(fault, file=sys.stderr)
        self.window.close()

    def gaps_ms(self) -> dict[str, dict[str, float]]:
        """Percentiles of the time between ticks, by what was going on."""
        import numpy as np

        if not self.marks["run"] or not self.marks["shown"]:
            return {}
        ends, gaps = np.array(self.ticks[1:]), np.diff(self.ticks) * 1000.0
        opened, ran, ended = (self.marks[name][0] for name in ("open", "run", "end"))
        shown = np.zeros(len(ends), bool)
        for at in self.marks["shown"]:
            shown |= (ends >= at) & (ends < at + SHOWING_S)
        working = (ends >= ran) & (ends < ended)
        phases = {
            "idle": ends < opened,
            "opening a scan": (ends >= opened) & (ends < ran),
            "worker at work": working & ~shown,
            f"{SHOWING_S:.0f} s after a result arrived": working & shown,
            "whole analysis": working,
        }
        return {
            name: {
                "p50": float(np.percentile(gaps[chosen], 50)),
                "p99": float(np.percentile(gaps[chosen], 99)),
                "p999": float(np.percentile(gaps[chosen], 99.9)),
                "max": float(gaps[chosen].max()),
                "ticks": int(chosen.sum()),
            }
            for name, chosen in phases.items()
            if chosen.any()
        }


def main() -> int:
    """Open the window, watch it, write what was seen."""
    answer, started_s = Path(sys.argv[1]), float(sys.argv[2])
    scan = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    application = make_application()
    probe = Probe(started_s, scan)
    application.installEventFilter(probe)
    code = run([])
    told = {
        "first_paint_s": probe.first_paint_s,
        "processor_s": probe.processor_s,
        "gaps_ms": probe.gaps_ms(),
    }
    answer.write_text(json.dumps(told))
    return code


if __name__ == "__main__":
    sys.exit(main())
