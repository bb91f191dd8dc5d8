"""The program from its start to its end, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QApplication

from app.core.errors import AppError
from app.core.resources import project_root
from app.gui import application
from app.gui.widgets.theme import apply_text_size, apply_theme

SCRIPT = """
import sys
from PySide6.QtCore import QTimer
from app.gui import application
from app.gui.main_window.window import MainWindow

def leave():
    from PySide6.QtWidgets import QApplication
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow))
    if window.session.case is None:
        QTimer.singleShot(100, leave)
        return
    window.show_step("explain")
    QTimer.singleShot(300, window.close)

made = application.make_application()
QTimer.singleShot(100, leave)
sys.exit(application.run([sys.argv[1]]))
"""


def test_that_the_program_opens_a_case_and_ends_cleanly(case_folders: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT, str(case_folders["result"])],
        cwd=project_root(),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr


def test_that_no_display_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "linux":
        pytest.skip("only X11 and Wayland can lack a display")
    assert not application.has_display()
    with pytest.raises(AppError) as told:
        application.run([])
    assert told.value.code == "gui.no_display"
    assert "DISPLAY" not in os.environ


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_that_each_test_begins_with_the_look_of_a_start(qapp: QApplication, theme: str) -> None:
    """Each of the two leaves behind what the other must not find."""
    assert qapp.styleSheet() == ""
    assert not qapp.palette().resolveMask()
    assert not apply_text_size(qapp, 100)
    assert qapp.layoutDirection() == Qt.LayoutDirection.LeftToRight
    assert QLocale() == QLocale.system()
    apply_theme(qapp, theme)
    assert apply_text_size(qapp, 150)
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    QLocale.setDefault(QLocale("de_DE"))
