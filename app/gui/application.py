"""Starts the window: display, style, theme, handlers, then what the command line named."""

from __future__ import annotations

import faulthandler
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("PYQTGRAPH_QT_LIB", "PySide6")

import shiboken6
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QApplication

from app.core.errors import AppError
from app.core.logs import crash_file
from app.core.resources import resource_path
from app.core.settings import load_settings
from app.gui.diagnostics import take_crash_of_last_run
from app.gui.jobs import Jobs, WorkerLike
from app.gui.main_window.window import MainWindow
from app.gui.messages import Messages, install_handlers

if TYPE_CHECKING:
    from app.core.settings import Settings

NO_DISPLAY = AppError(
    "There is no display: the window cannot open.",
    "Run without a window (predict, demo --headless), or start a virtual screen such as xvfb-run.",
    code="gui.no_display",
)
_SMALLEST_POINT_SIZE = 9.0
# Wanted at the first case or scan; one a turn, so that what takes the others in finds them there.
_SLOW_TO_IMPORT = (
    "pyqtgraph",
    "app.gui.widgets.slice_view",
    "app.gui.widgets.matrix_canvas",
    "app.gui.widgets.matrix_export",
    "app.gui.widgets.plots",
    "app.gui.widgets.motion_traces",
    "app.gui.widgets.ring_canvas",
    "app.gui.widgets.layer_panel",
    "app.gui.widgets.overlay_controls",
    "app.gui.widgets.cluster_table",
    "app.gui.widgets.region_table",
    "app.gui.widgets.coverage_table",
    "app.gui.widgets.card_table",
    "app.gui.widgets.tied_number",
    "app.gui.widgets.network_bars",
    "app.gui.widgets.censor_bar",
    "app.gui.widgets.mask_reader",
    "app.gui.widgets.space_content",
    "app.gui.widgets.score_axis",
    "app.gui.widgets.variant_strip",
    "app.gui.widgets.facts",
    "app.gui.widgets.connection_rows",
    "app.preprocessing.presets",
    "app.gui.main_window.pages",
    "app.scans.sources",
)


def has_display() -> bool:
    """Whether Qt can open a window; without one it would end the whole process."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def make_application(arguments: Sequence[str] = ()) -> QApplication:
    """The application object in our style; the one that exists if there is one."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        application = existing
    else:
        QGuiApplication.setHighDpiScaleFactorRoundingPolicy(
            Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
        )
        application = QApplication(["neuroresponder", *arguments])
    application.setApplicationName("NeuroResponder")
    application.setStyle("Fusion")
    application.setWindowIcon(QIcon(str(resource_path("icons", "app.svg"))))
    base = application.font()
    if base.pointSizeF() < _SMALLEST_POINT_SIZE:
        base.setPointSizeF(_SMALLEST_POINT_SIZE)
        application.setFont(base)
    return application


def make_window(
    make_worker: Callable[[], WorkerLike], settings: Settings, messages: Messages
) -> MainWindow:
    """A window with its own jobs."""
    jobs = Jobs(make_worker)
    window = MainWindow(jobs, messages, settings)
    window.session.turns.on = True
    jobs.setParent(window)
    return window


def run(argv: Sequence[str]) -> int:
    """Open the window and stay until it is closed.

    Parameters
    ----------
    argv
        Nothing, or one path: a scan or a case folder.

    Returns
    -------
    int
        Exit code; 0 after a normal end.

    Raises
    ------
    AppError
        There is no display.
    """
    if not has_display():
        raise NO_DISPLAY
    settings, refused = load_settings()
    application = make_application()
    messages = Messages()
    undo = install_handlers(messages)
    take_crash_of_last_run()
    # Kept open for the life of the process: it shows code locations only, never values.
    crash_log = crash_file().open("a")
    faulthandler.enable(crash_log)
    window = make_window(lambda: _worker(settings), settings, messages)
    window.show()

    def begin() -> None:  # after the first paint
        if refused:
            messages.tell(
                AppError(
                    "Some settings could not be read: " + ", ".join(refused) + ".",
                    "Their usual values are used; choose them again in the menus.",
                    code="gui.settings",
                )
            )
        window.recovery.start()
        window.session.turns.add(window, _get_ready(window), first=False)
        if argv:
            window.actions_.open_path(Path(argv[0]))

    QTimer.singleShot(0, window, begin)
    try:
        return int(application.exec())
    finally:
        window.actions_.close()
        undo()
        faulthandler.disable()
        crash_log.close()
        if shiboken6.isValid(window):
            # Before Python ends: the graphics windows must go while Qt is still whole.
            shiboken6.delete(window)


def _get_ready(window: MainWindow) -> Iterator[None]:
    """What is slow to import and to build, in parts: the window answers between them."""
    # What stands by now stays. Left out of each look for unreachable objects, which stops all else,
    # it takes none of the window's time later.
    gc.freeze()
    for module in _SLOW_TO_IMPORT:
        import_module(module)
        yield
    gc.freeze()
    yield from window.make_pages_ahead()
    gc.freeze()


main = run


def _worker(settings: Settings) -> WorkerLike:
    from app.worker.process import Worker

    return Worker(memory_limit_bytes=settings.worker_memory_limit_mb << 20)
