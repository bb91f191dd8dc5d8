"""Every dialog for files comes from one place and says that this is for research only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QFileDialog

from app.core.resources import project_root
from app.core.wording import RUO_LINE
from app.gui.main_window.window import MainWindow
from app.gui.widgets import file_dialogs


def test_that_no_other_module_asks_for_files() -> None:
    place = project_root() / "app" / "gui"
    found = [p for p in place.rglob("*.py") if "QFileDialog" in p.read_text(encoding="utf-8")]
    assert found == [Path(file_dialogs.__file__)]


@pytest.mark.parametrize(
    ("method", "ask", "nothing"),
    [
        ("getOpenFileName", file_dialogs.ask_open, ("", "")),
        ("getOpenFileNames", file_dialogs.ask_open_several, ([], "")),
        ("getSaveFileName", file_dialogs.ask_save, ("", "")),
        ("getExistingDirectory", file_dialogs.ask_folder, ""),
    ],
)
def test_that_each_dialog_carries_the_line_in_its_title(
    method: str, ask: Any, nothing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def answer(_parent: Any, title: str, *_more: Any) -> Any:
        titles.append(title)
        return nothing

    monkeypatch.setattr(QFileDialog, method, answer)
    assert ask(None, "Open scan") == nothing
    assert titles == [f"Open scan — {RUO_LINE}"]


def test_that_the_window_asks_through_it(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda _p, title, *_m: (titles.append(title), ("", ""))[1]
    )
    window.asking.ask_scan()
    assert titles == [f"Open scan — {RUO_LINE}"]
