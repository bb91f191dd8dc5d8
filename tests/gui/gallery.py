"""The pictures of docs/gallery.md and README.md, taken from the running program by one command.

    python -m tests.gui.gallery [--case FOLDER]

The real window with its real worker on a virtual screen, on the demonstration participant; without
`--case` the program simulates and analyses that participant first (some minutes).
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.core.resources import project_root
from tests.gui.screens import settle, suite

ROOT = project_root()
GALLERY = ROOT / "docs" / "gallery"
README_PICTURES = ROOT / "resources" / "screenshots"
WAIT_S = 60.0  # for what the worker answers or reads


def pictures(window: Any) -> Iterator[tuple[Path, Any]]:
    """(where to, widget), each when the window shows it."""
    from app.gui.views import (
        MatrixView,
        MotionView,
        PreviewView,
        RingView,
        SlicesView,
        SurfaceView,
    )

    def one(step: str, kind: type[Any]) -> Any:
        (found,) = window.page(step).findChildren(kind)
        return found

    window.show_step("load")
    wait()
    yield GALLERY / "load.png", window
    window.show_step("check")
    one("check", MotionView)
    wait()
    yield README_PICTURES / "check.png", window
    window.show_step("predict")
    wait()
    yield README_PICTURES / "window.png", window
    window.show_step("explain")
    surface = one("explain", SurfaceView)
    until(lambda: surface.canvas.scene is not None)
    wait()
    yield README_PICTURES / "explain.png", window
    window.actions_.set_theme("dark")
    window.session.change("Glass brain", "slices", scene="glass")
    wait()
    yield GALLERY / "explain-dark.png", window
    window.maximise(surface)
    wait()
    yield GALLERY / "glass-brain.png", window
    window.maximise(surface)
    window.actions_.set_theme("light")
    window.maximise(one("explain", SlicesView))
    wait()
    yield GALLERY / "slices.png", window
    window.maximise(one("explain", SlicesView))
    window.maximise(one("explain", MatrixView))
    wait()
    yield GALLERY / "matrix.png", window
    window.maximise(one("explain", MatrixView))
    ring = one("explain", RingView)
    bring_forward(ring)
    window.maximise(ring)
    wait()
    yield GALLERY / "ring.png", window
    window.maximise(ring)
    window.show_step("report")
    preview = one("report", PreviewView)
    until(lambda: bool(preview.pages))
    wait()
    yield GALLERY / "report.png", window


def bring_forward(view: Any) -> None:
    from app.gui.widgets.layer_window import bring_forward

    bring_forward(view)


def wait() -> None:
    """Until what was asked for is drawn."""
    settle(1500)


def until(holds: Callable[[], bool]) -> None:
    """Until something holds; the worker or VTK may take long at first use."""
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"Not shown within {WAIT_S:.0f} s.{told()}")
        settle(50)


def told() -> str:
    """What the window's panel of errors says."""
    from PySide6.QtWidgets import QApplication

    from app.gui.messages import ErrorPanel

    panels = (w for w in QApplication.allWidgets() if isinstance(w, ErrorPanel))
    return "".join(f" {panel.message.text()}" for panel in panels)


def save(widget: Any, path: Path) -> None:
    """As a PNG in true colours, packed as tightly as PNG goes."""
    from PIL import Image
    from PySide6.QtCore import QBuffer, QIODevice

    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    assert widget.grab().toImage().save(buffer, "PNG")
    whole = Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")
    path.parent.mkdir(parents=True, exist_ok=True)
    whole.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB", flush=True)


def take(case_folder: Path) -> None:
    """Open the window on the case and take every picture."""
    from PySide6.QtWidgets import QApplication

    from app.core.settings import Settings
    from app.gui.application import make_application, make_window
    from app.gui.messages import Messages
    from app.worker.process import Worker

    make_application()
    window = make_window(Worker, Settings(theme="light", convention_asked=True), Messages())
    window.show()
    window.actions_.open_path(case_folder)
    until(lambda: window.session.case is not None)
    settle(3000)
    try:
        for path, widget in pictures(window):
            save(widget, path)
    finally:
        window._closing = True
        window.close()
        window.actions_.close()
        window.deleteLater()
        QApplication.processEvents()


def demonstration_case(place: Path) -> Path:
    """Made by the program's own command."""
    words = [sys.executable, str(ROOT / "main.py"), "demo", "--headless", "--out", str(place)]
    subprocess.run(words, cwd=ROOT, check=True)
    (found,) = (path.parent for path in place.glob("cases/*/case.json"))
    return found


def main(arguments: list[str]) -> int:
    """Remake every picture, with settings and cache of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", type=Path, help="an analysed demonstration participant")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place, suite().virtual_screen() as variables:
        os.environ.update(variables, NEURORESPONDER_HOME=place)
        take(options.case or demonstration_case(Path(place) / "demonstration"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
