"""The real window in its own process: opening, stepping, selecting, and memory over many cases.

    python tests/benchmarks/window_interaction.py ANSWER.json CASE [CASE ...]

Every number is the time from an input event until its picture is painted: the event is sent, then
the event loop turns until one widget was painted, or until nothing is left to draw. Beside the wall
time stands the processor time of the window's thread, which does not depend on what else the
machine does. The longest single turn of the event loop is told as well.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import psutil
from PySide6.QtCore import QEvent, QEventLoop, QObject, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.views import SlicesView, SurfaceView
from app.gui.widgets.step_bar import STEPS

STEPPED = int(os.environ.get("BENCHMARK_STEPPED", "200"))
SELECTED = int(os.environ.get("BENCHMARK_SELECTED", "100"))
OPENED = int(os.environ.get("BENCHMARK_OPENED", "200"))
HELD_MS = 1000.0 / 30.0  # how often a key that is held down repeats


class Idle:
    """A worker that is never asked."""

    def run(self, *_asked: object) -> dict[str, object]:
        raise RuntimeError("no work is measured here")

    def cancel(self, _job_id: str | None = None) -> None: ...

    def close(self) -> None: ...


def paint(done: Callable[[], bool] | None = None, limit_s: float = 30.0) -> None:
    """Turn the event loop until everything that waits is drawn and `done` holds."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        QApplication.sendPostedEvents()
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents)
        if done is None or done():
            return


def drawn(window: MainWindow) -> bool:
    """Whether no view waits for its turn."""
    return not window.actions_.reader.busy() and not window.session.turns.busy()


def timed(act: Callable[[], object], window: MainWindow) -> tuple[float, float]:
    """Wall and processor milliseconds from an act until its picture is painted."""
    wall, processor = time.perf_counter(), time.thread_time()
    act()
    paint(lambda: drawn(window))
    for timer in window.findChildren(QTimer):  # a surface is drawn by a timer of 0 ms
        if timer.isActive() and timer.isSingleShot() and timer.interval() == 0:
            paint(lambda: drawn(window))
            break
    return (time.perf_counter() - wall) * 1e3, (time.thread_time() - processor) * 1e3


class Painted(QObject):
    """Sees that a widget is painted."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self.seen = False
        widget.installEventFilter(self)

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Note the paint; it is done when the event loop comes back."""
        self.seen = self.seen or event.type() == QEvent.Type.Paint
        return False


def followed(
    act: Callable[[], object], painted: Painted, window: MainWindow
) -> dict[str, tuple[float, float]]:
    """Wall and processor ms until one widget is painted, until all views are, and the longest stop.

    A stop is one turn of the event loop in which no key would be answered.
    """
    painted.seen = False
    wall, processor = time.perf_counter(), time.thread_time()
    stops, told = [], {}
    act()
    turned = (wall, processor)
    quiet = 0
    while quiet < 3:  # the last paint is asked for by the turn before
        now = (time.perf_counter(), time.thread_time())
        stops.append(tuple((a - b) * 1e3 for a, b in zip(now, turned, strict=True)))
        if painted.seen and "painted" not in told:
            told["painted"] = ((now[0] - wall) * 1e3, (now[1] - processor) * 1e3)
        told["all"] = ((now[0] - wall) * 1e3, (now[1] - processor) * 1e3)
        turned = (time.perf_counter(), time.thread_time())
        turn(window)
        quiet = quiet + 1 if drawn(window) and not waiting_timers(window) else 0
    told["stop"] = max(stops)
    return told


def turn(window: MainWindow) -> None:
    """One turn of the event loop, asleep for a millisecond at most."""
    QTimer.singleShot(1, window, lambda: None)
    flags = QEventLoop.ProcessEventsFlag
    QApplication.processEvents(flags.AllEvents | flags.WaitForMoreEvents)


def waiting_timers(window: MainWindow) -> bool:
    """Whether a picture waits for its timer of 0 ms: a surface is drawn so."""
    return any(
        timer.isActive() and timer.isSingleShot() and timer.interval() == 0
        for timer in window.findChildren(QTimer)
    )


def spread(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Percentiles of both times, ms."""
    wall, processor = np.array(pairs).T
    return {
        "p50": float(np.percentile(wall, 50)),
        "p95": float(np.percentile(wall, 95)),
        "max": float(wall.max()),
        "processor_p50": float(np.percentile(processor, 50)),
        "processor_p95": float(np.percentile(processor, 95)),
        "count": len(pairs),
    }


def open_cases(window: MainWindow, cases: list[Path]) -> dict[str, float]:
    """From the wish to open a folder until the prediction page is painted."""
    pairs = []
    for number in range(10):
        folder = cases[number % len(cases)]
        pairs.append(timed(lambda folder=folder: window.actions_.open_path(folder), window))
    return spread(pairs)


def step_slices(window: MainWindow, *, with_surface: bool) -> dict[str, dict[str, float]]:
    """Page keys in the axial slice of the explain page, the surface beside it or put away."""
    window.show_step("explain")
    page = window.page("explain")
    slices, surface = page.findChild(SlicesView), page.findChild(SurfaceView)
    assert slices is not None
    assert surface is not None
    surface.setVisible(with_surface)
    if with_surface:
        surface.load_now()
    settle(window)
    canvas = slices.stage.canvases["axial"]
    canvas.setFocus()
    painted = Painted(canvas)
    told = []
    for number in range(STEPPED):
        key = page_key(number)
        told.append(followed(lambda key=key: QTest.keyPress(canvas, key), painted, window))
    held = hold_key(window, canvas, painted)
    surface.show()
    settle(window)
    found = {what: spread([one[what] for one in told]) for what in ("painted", "all", "stop")}
    return {**found, "held": spread(held)}


def page_key(number: int) -> Qt.Key:
    """Twenty slices up, twenty down."""
    return Qt.Key.Key_PageUp if number // 20 % 2 == 0 else Qt.Key.Key_PageDown


def hold_key(window: MainWindow, canvas: QWidget, painted: Painted) -> list[tuple[float, float]]:
    """A key held down: ms from the moment at which the key is due until its slice is painted."""
    found, start = [], time.perf_counter() + 0.1
    for number in range(STEPPED):
        due = start + number * HELD_MS / 1e3
        while time.perf_counter() < due:
            turn(window)
        processor, painted.seen = time.thread_time(), False
        QTest.keyPress(canvas, page_key(number))
        while not painted.seen:
            turn(window)
            if time.perf_counter() > due + 10.0:
                raise RuntimeError("no slice was painted: step by a multiple of 40")
        now = time.perf_counter()
        found.append(((now - due) * 1e3, (time.thread_time() - processor) * 1e3))
    return found


def select(window: MainWindow, step: str) -> dict[str, float]:
    """A region chosen anywhere moves every view of a page: until all of them are painted."""
    window.show_step(step)
    settle(window)
    signals = window.session.case.case.signals  # type: ignore[union-attr]
    assert signals is not None
    order = np.random.default_rng(1).permutation(len(signals.parcel_names))[:SELECTED]
    painted = Painted(window.visible_views()[0])
    pairs = [
        followed(
            lambda n=int(n): window.session.select_edge(n, (n + 7) % len(order)), painted, window
        )["all"]
        for n in order
    ]
    return {**spread(pairs), "parcels": len(signals.parcel_names)}


def memory(window: MainWindow, cases: list[Path]) -> dict[str, object]:
    """Resident MiB while cases are opened one after the other."""
    process, seen = psutil.Process(), []
    for number in range(OPENED + 1):
        folder = cases[number % len(cases)]
        timed(lambda folder=folder: window.actions_.open_path(folder), window)
        window.show_step(STEPS[number % len(STEPS)][0])
        if number % max(OPENED // 10, 1) == 0:
            settle(window)
            gc.collect()
            seen.append(process.memory_info().rss / 2**20)
    # The first opened cases fill caches of fonts, pages and graphics.
    slope = np.polyfit(np.arange(len(seen) - 2) * max(OPENED // 10, 1), seen[2:], 1)[0]
    return {"mib": seen, "mib_per_case": float(slope), "opened": OPENED}


def settle(window: MainWindow) -> None:
    """Wait until the window is quiet."""
    paint(lambda: drawn(window))
    QTest.qWait(300)


def main() -> int:
    """Open the window, measure, write what was seen."""
    answer, cases = Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]]
    application = make_application()
    window = make_window(Idle, Settings(theme="dark"), Messages())  # type: ignore[arg-type]
    window.session.turns.on = True
    window.resize(1280, 720)
    window.show()
    settle(window)
    window.actions_.open_path(cases[0])
    settle(window)
    told: dict[str, object] = {}
    for name, measure in (
        ("opening a case", lambda: open_cases(window, cases)),
        ("slice step", lambda: step_slices(window, with_surface=False)),
        ("beside the surface", lambda: step_slices(window, with_surface=True)),
        ("linked selection, explain page", lambda: select(window, "explain")),
        ("linked selection, check page", lambda: select(window, "check")),
        ("linked selection, predict page", lambda: select(window, "predict")),
        ("memory", lambda: memory(window, cases)),
    ):
        told[name] = measure()
        answer.write_text(json.dumps(told))
    window._closing = True
    window.close()
    application.processEvents()
    os._exit(0)  # no wait for the graphics driver


if __name__ == "__main__":
    main()
