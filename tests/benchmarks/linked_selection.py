"""How long one click takes until every view has drawn it, on the real window with 426 parcels.

    xvfb-run -a python tests/benchmarks/linked_selection.py [--repeats 20]

Times run from the change of the selection until all visible views have painted (software OpenGL
under a virtual screen, one sample case). The worst of each is what counts against 100 ms; on a
machine that does other work the processor's time says more than the clock's. Leaving frames out
counts until connectivity and gates follow (aim: 1 s).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("NEURORESPONDER_HOME", tempfile.mkdtemp())

from PySide6.QtWidgets import QApplication

from app.core.settings import Settings
from app.gui.application import make_application, make_window
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages
from app.gui.widgets.view import View
from tests.sample_case import make_sample_case


def changes(window: MainWindow) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Everything that a click or key can select, with a value for each repeat."""
    session = window.session
    yield "parcel", lambda n: session.select_parcel((37 * n + 5) % 426)
    yield "connection", lambda n: session.select_edge((11 * n) % 426, (53 * n + 7) % 426)
    yield "volume", lambda n: session.select_frame((17 * n) % 230)
    yield "frames", lambda n: session.select_frames(n, n + 20)
    yield "point", lambda n: session.select_point((20.0 - n, -40.0 + n, 10.0 + n))
    names = ("Default", "Visual", "Limbic", "Somatomotor")
    yield "network", lambda n: session.select_network(names[n % 4])
    yield "threshold", lambda n: session.change("Threshold", "plots", edge_count=20 + 7 * n)


def seconds_of(change: Callable[[int], None], number: int) -> tuple[float, float]:
    """From the change until everything is painted: by the clock, and processor of this thread."""
    began, worked = time.perf_counter(), time.thread_time()
    change(number)
    for _ in range(3):  # what a view does a turn later counts too
        QApplication.processEvents()
    return time.perf_counter() - began, time.thread_time() - worked


def edit_seconds(number: int, window: MainWindow) -> float:
    """From leaving frames out until connectivity, gates and every view stand for the others."""
    session, censoring = window.session, window.actions_.censoring
    began = time.perf_counter()
    first = 20 + 5 * number
    session.change("Leave out", "review", censored=tuple(range(first, first + 4)))
    while censoring.busy:
        QApplication.processEvents()
        time.sleep(0.002)  # the thread that computes needs its turns too
    for _ in range(3):
        QApplication.processEvents()
    return time.perf_counter() - began


def main() -> None:
    """Print median and worst of each change on both pages, in ms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    make_application()
    window = make_window(lambda: None, Settings(theme="dark"), Messages())  # type: ignore[arg-type, return-value]
    window.actions_.reader.inline = True
    window.session.turns.on = False
    window.resize(1920, 1080)
    window.show()
    window.actions_.open_path(make_sample_case(Path(tempfile.mkdtemp())))
    for page in ("check", "explain"):
        window.show_step(page)
        for _ in range(20):
            QApplication.processEvents()
        views = [view.name for view in window.page(page).findChildren(View) if view.isVisible()]
        print(f"{page}: {', '.join(views)}")
        for name, change in changes(window):
            found = [seconds_of(change, number) for number in range(1, repeats + 1)]
            clock, worked = 1000.0 * np.array(found).T
            print(
                f"  {name:11s} median {np.median(clock):6.1f} ms   worst {clock.max():6.1f} ms   "
                f"(processor of the window's thread: {np.median(worked):6.1f}, {worked.max():6.1f})"
            )
    window.show_step("check")
    edits = [1000.0 * edit_seconds(number, window) for number in range(repeats)]
    print(f"frames left out: median {np.median(edits):.0f} ms   worst {max(edits):.0f} ms")
    window._closing = True
    window.close()


if __name__ == "__main__":
    main()
