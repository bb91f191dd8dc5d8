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


@pytest.mark.parametrize("what", ["comment", "frames"])
def test_that_what_the_user_wrote_is_not_lost_without_a_question(
    what: str, window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    window.actions_.open_path(case_folders["result"])
    changes = {"comment": "Seen"} if what == "comment" else {"censored": (10, 11)}
    window.session.change("Words", "review", **changes)
    window.menus.actions["file.close"].trigger()
    box = _question(window)
    assert box is not None
    lost = {"comment": "The comment for the summary", "frames": "The choice of frames left out"}
    assert box.text() == f"{lost[what]} would be lost."
    box.reject()
    assert window.session.case is not None
    window.close()
    assert window.isVisible()
    box = _question(window)
    assert box is not None
    box.reject()
    window.saving.save(tmp_path / "kept.fmmtc")
    window.menus.actions["file.close"].trigger()
    assert window.session.case is None


def test_that_a_comment_in_an_exported_summary_is_kept(
    window: MainWindow, case_folders: dict[str, Path], tmp_path: Path
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.session.change("Words", "review", comment="Seen")
    assert window.actions_.unsaved.words() == "The comment for the summary"
    window.reports.export(tmp_path / "summary.pdf")
    assert window.actions_.unsaved.words() == ""
