"""Work of minutes is not thrown away without a question when something else is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QMessageBox

from app.gui.main_window.window import MainWindow


def _question(window: MainWindow) -> QMessageBox | None:
    shown = [box for box in window.findChildren(QMessageBox) if box.isVisible()]
    return shown[0] if shown else None


@pytest.mark.parametrize("how", ["close", "open", "demonstration"])
def test_that_leaving_a_case_asks_while_its_explanation_is_computed(
    how: str, window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.reports.explain(health=True)
    assert [one.job.name for one in window.jobs.running()] == ["explain"]
    opened = window.session.case
    assert opened is not None

    def leave() -> None:
        if how == "close":
            window.menus.actions["file.close"].trigger()
        elif how == "open":
            window.actions_.open_path(case_folders["withheld"])
        else:
            window.actions_.open_demonstration()

    leave()
    box = _question(window)
    assert box is not None
    assert "is still running" in box.text()
    assert len(window.jobs.running()) == 1
    box.reject()
    qtbot.waitUntil(lambda: _question(window) is None)
    assert window.session.case is opened
    assert len(window.jobs.running()) == 1
    leave()
    box = _question(window)
    assert box is not None
    next(button for button in box.buttons() if button.text() == "Stop and leave").click()
    qtbot.waitUntil(lambda: "explain" not in [one.job.name for one in window.jobs.running()])
    if how != "demonstration":
        qtbot.waitUntil(lambda: window.session.case is not opened)


def test_that_nothing_is_asked_where_nothing_is_lost(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.menus.actions["file.close"].trigger()
    assert _question(window) is None
    assert window.session.case is None
