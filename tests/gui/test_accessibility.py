"""What a screen reader is told, and that no plot is without words and numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from app.core import wording
from app.gui.main_window.window import MainWindow
from app.gui.widgets.step_bar import STEPS
from app.gui.widgets.tables import TableDialog
from app.gui.widgets.theme import DARK, LIGHT, Tokens
from app.gui.widgets.view import View

# Forms and previews whose controls say everything themselves.
_NO_TABLE = {"intake", "summary", "preview", "slices", "registration"}
_WHERE_COMPUTED = {"health", "sensitivity", "clusters"}
_NO_SENTENCE = {"intake", "summary", "preview", "header", "record"}


def shown(window: MainWindow) -> list[View]:
    found: list[View] = []
    for key, _ in STEPS:
        window.show_step(key)
        found += window.page(key).findChildren(View)
    return found


@pytest.mark.parametrize("outcome", ["result", "withheld"])
def test_that_each_view_has_a_name_a_live_sentence_and_each_plot_a_table(
    window: MainWindow, case_folders: dict[str, Path], outcome: str, qtbot: Any
) -> None:
    window.actions_.open_path(case_folders[outcome])
    for view in shown(window):
        assert view.accessibleName(), view.name
        table = view.as_table()
        silent = table is None and view.name in _WHERE_COMPUTED
        assert silent or view.name in _NO_SENTENCE or view.sentence(), view.name
        if table is not None:
            assert len({len(table.columns), *map(len, table.rows)}) == 1, view.name
        elif outcome == "result" and view.name not in _NO_TABLE:
            assert silent or not view.isVisible(), view.name


def test_that_the_sentence_follows_the_selection_and_a_withheld_one_has_no_number(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    view = window.visible_views()[0]
    assert view.name == "slices"
    window.session.select_parcel(11)
    qtbot.waitUntil(lambda: bool(view.accessibleDescription()))
    before = view.accessibleDescription()
    assert "Radiological" in before
    window.session.select_parcel(200)
    qtbot.waitUntil(lambda: view.accessibleDescription() != before)
    window.show_step("predict")
    (card,) = [v for v in window.visible_views() if v.name == "card"]
    assert "71 %" in card.sentence()
    assert "58 to 82 %" in card.sentence()
    assert "42" in card.sentence()
    window.actions_.open_path(case_folders["withheld"])
    for told in shown(window):
        words = told.sentence()
        assert "71 %" not in words, told.name
        assert "log-odds" not in words, told.name
    assert "Withheld" in card.sentence()


def test_that_the_table_of_the_view_with_the_focus_opens_beside_the_window(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("check")
    window.activateWindow()
    gates = next(view for view in window.visible_views() if view.name == "gates")
    gates.table.setFocus()  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: window.focused_view() is gates)
    window.menus.actions["view.table"].trigger()
    (dialog,) = window.findChildren(TableDialog)
    assert dialog.isVisible()
    assert not dialog.isModal()
    assert "Mean framewise displacement" in dialog.text()
    assert wording.SIMULATED_STAMP in dialog.text()
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow)  # until then Escape is the window's
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert window.isVisible()
    QApplication.processEvents()


def _contrast(first: str, second: str) -> float:
    """WCAG 2.1 ratio of two colours."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        line = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * line[0] + 0.7152 * line[1] + 0.0722 * line[2]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [DARK, LIGHT])
def test_that_text_reaches_4_5_to_1_and_signs_3_to_1_in_both_themes(colours: Tokens) -> None:
    for ground in (colours.window, colours.surface, colours.raised):
        for text in (colours.text, colours.muted):
            assert _contrast(text, ground) >= 4.5
        for sign in (colours.accent, colours.done, colours.attention, colours.blocked):
            assert _contrast(sign, ground) >= 3.0
    assert _contrast(colours.on_accent, colours.accent) >= 4.5
    assert _contrast(colours.on_strip, colours.strip) >= 4.5
