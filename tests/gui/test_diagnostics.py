"""One panel for faults, and a report that helps a developer and tells nothing of a person."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QApplication

from app.core.errors import ScanError
from app.core.logs import crash_file, log_file
from app.core.resources import project_root
from app.gui import diagnostics
from app.gui.main_window.window import MainWindow
from app.gui.messages import install_handlers

CRASH = """
import ctypes
import faulthandler
from app.core.logs import crash_file
faulthandler.enable(crash_file().open("a"))
ctypes.string_at(0)
"""


def test_that_the_report_has_versions_graphics_and_last_actions_and_no_person(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.wait(300)
    window.menus.actions["view.swap"].trigger()
    window.session.change("Note on sub-demo", "review", included=False)
    window.actions_.messages.tell(ScanError("The file is short.", "Copy it.", code="scan.short"))
    assert not window.errors.isModal()
    window.errors.copy.click()
    text = QApplication.clipboard().text()
    for words in (
        "NeuroResponder", "Python 3", "PySide6", "vtk", "graphics", "scan.short", "view.swap",
        "change review included", "error scan.short", "1600x1200",
    ):  # fmt: skip
        assert words in text, words
    assert "Mesa" in text or "llvmpipe" in text or "no surface" not in text
    for person in ("sub-demo", "ses-1", "5a3c0de", "site-A", "7d9f3a52", str(Path.home()), "/tmp"):
        assert person not in text, person


def test_that_a_hard_crash_is_told_at_the_next_start_by_code_locations_only(
    isolated_home: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH], cwd=project_root(), capture_output=True, check=False
    )
    assert done.returncode != 0
    assert crash_file().stat().st_size > 0
    where = diagnostics.take_crash_of_last_run()
    assert "__init__.py:" in where  # of ctypes
    assert "/" not in where
    assert crash_file().stat().st_size == 0
    assert "gui.crash_of_last_run" in log_file().read_text()
    assert where in diagnostics.report(None)
    assert diagnostics.take_crash_of_last_run() == ""


def test_that_an_uncaught_exception_in_the_window_becomes_the_panel(window: MainWindow) -> None:
    undo = install_handlers(window.actions_.messages)
    try:
        try:
            raise RuntimeError("sub-secret at /home/somebody")
        except RuntimeError as fault:
            sys.excepthook(type(fault), fault, fault.__traceback__)
    finally:
        undo()
    assert window.errors.isVisible()
    assert "Something unexpected" in window.errors.message.text()
    report = window.errors.report()
    assert "RuntimeError at test_diagnostics.py" in report
    assert "sub-secret" not in report
    assert "sub-secret" not in log_file().read_text()


def test_that_only_so_many_actions_are_kept() -> None:
    for number in range(100):
        diagnostics.note_action(f"a{number}")
    assert len(diagnostics.last_actions()) == diagnostics.KEPT_ACTIONS
    assert diagnostics.last_actions()[-1] == "a99"
