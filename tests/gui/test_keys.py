"""Keys are settings: listed from the real bindings, changed, refused, reset, switched off."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QKeySequence, QMouseEvent
from PySide6.QtWidgets import QApplication, QLineEdit

from app.core.settings import load_settings
from app.gui.bindings import Binding, KeyMap, is_single, normal, refusal
from app.gui.dialogs.shortcuts import ShortcutsDialog
from app.gui.main_window.commands import ACTIONS
from app.gui.main_window.key_list import all_bindings
from app.gui.main_window.window import MainWindow
from app.gui.session import Session
from app.gui.views import SlicesView
from app.gui.widgets.view import View
from app.gui.widgets.view_keys import ViewCommand


@pytest.fixture
def dialog(window: MainWindow) -> ShortcutsDialog:
    window.tools.show_keys()
    assert window.tools.keys_dialog is not None
    return window.tools.keys_dialog


def row_of(dialog: ShortcutsDialog, words: str) -> int:
    for row in range(dialog.table.rowCount()):
        item = dialog.table.item(row, 1)
        if item is not None and item.text() == words:
            return row
    raise AssertionError(words)


def keys_of(dialog: ShortcutsDialog, words: str) -> str:
    item = dialog.table.item(row_of(dialog, words), 2)
    assert item is not None
    return item.text()


def test_that_no_two_delivered_keys_collide() -> None:
    bindings, keymap = all_bindings(), KeyMap()
    for binding in bindings:
        assert refusal(binding.keys, binding, bindings, keymap) == ""
    names = [binding.name for binding in bindings]
    assert len(set(names)) == len(names)


def test_that_every_command_of_a_view_names_what_the_view_has(window: MainWindow) -> None:
    for key in ("load", "check", "predict", "explain", "report"):
        for view in window.page(key).findChildren(View):
            for command in view.commands:
                assert not command.do or callable(getattr(view, command.do)), command
                assert not command.on or hasattr(view, command.on), command


def test_that_the_keys_of_the_reference_are_the_delivered_ones() -> None:
    keys = {command.name: command.keys for command in ACTIONS}
    for name, wanted in {
        "file.open": "Ctrl+O",
        "file.save": "Ctrl+S",
        "file.pdf": "Ctrl+P",
        "edit.undo": "Ctrl+Z",
        "edit.region": "Ctrl+F",
        "edit.palette": "Ctrl+K",
        "view.swap": "Ctrl+Shift+N",
        "view.maximise": "F11",
        "help.keys": "F1",
        "step.load": "Ctrl+1",
        "step.report": "Ctrl+5",
    }.items():
        assert keys[name] == wanted
    assert keys["edit.redo"].split("; ")[0] == "Ctrl+Shift+Z"
    assert keys["edit.escape"] == "Esc"  # cancels work that runs, else clears the selection


def test_that_the_list_holds_every_action_with_its_keys_and_can_be_searched(
    window: MainWindow, dialog: ShortcutsDialog
) -> None:
    for name, action in window.menus.actions.items():
        binding = next(b for b in all_bindings() if b.name == name)
        native = QKeySequence.SequenceFormat.NativeText
        assert keys_of(dialog, binding.words) == QKeySequence.listToString(
            action.shortcuts(), native
        )
    dialog.search.setText("left right")
    shown = [r for r in range(dialog.table.rowCount()) if not dialog.table.isRowHidden(r)]
    assert row_of(dialog, "Swap left and right") in shown
    assert len(shown) < 5


def test_that_keys_can_be_changed_hold_at_once_and_survive_a_restart(
    window: MainWindow, dialog: ShortcutsDialog, qtbot: Any
) -> None:
    dialog.table.setCurrentCell(row_of(dialog, "Swap left and right"), 1)
    qtbot.keyClick(
        dialog.field,
        Qt.Key.Key_J,
        Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier,
    )
    dialog.apply.click()
    action = window.menus.actions["view.swap"]
    assert [one.toString() for one in action.shortcuts()] == ["Ctrl+Alt+J"]
    assert "Ctrl+Alt+J" in keys_of(dialog, "Swap left and right")
    assert load_settings()[0].keys == {"view.swap": "Ctrl+Alt+J"}
    dialog.reset.click()
    assert [one.toString() for one in action.shortcuts()] == ["Ctrl+Shift+N"]
    dialog.none.click()
    assert action.shortcuts() == []
    dialog.reset_all.click()
    assert load_settings()[0].keys == {}


def test_that_keys_that_are_taken_are_refused_in_one_sentence(
    window: MainWindow, dialog: ShortcutsDialog, qtbot: Any
) -> None:
    dialog.table.setCurrentCell(row_of(dialog, "Command palette"), 1)
    qtbot.keyClick(dialog.field, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    dialog.apply.click()
    assert "Ctrl+O already does" in dialog.note.text()
    assert "Open scan" in dialog.note.text()
    assert window.menus.actions["edit.palette"].shortcut().toString() == "Ctrl+K"
    qtbot.keyClick(dialog.field, Qt.Key.Key_Q)
    dialog.apply.click()
    assert "Q alone cannot be a key of the whole window" in dialog.note.text()


@pytest.mark.parametrize(
    ("keys", "single"),
    [("S", True), ("Shift+S", True), ("Space", True), (",", True), ("Ctrl+S", False),
     ("F6", False), ("Alt+Left", False), ("PgUp", False), ("Ctrl+K, S", False)],
)  # fmt: skip
def test_that_single_keys_are_told_from_others(keys: str, single: bool) -> None:
    assert is_single(QKeySequence(keys)) == single


def test_that_views_may_share_keys_but_not_with_the_window() -> None:
    keymap = KeyMap()
    first = Binding("a.x", "One", "S", where="Slices")
    second = Binding("b.x", "Two", "S", where="Matrix")
    whole = Binding("w.x", "All", "Ctrl+S")
    assert refusal("S", first, (first, second), keymap) == ""
    assert "All" in refusal("Ctrl+S", first, (first, whole), keymap)
    assert normal("ctrl+s") == "Ctrl+S"


class Counter(View):
    """A view with one key of its own."""

    name, title = "counter", "Counter"
    commands: ClassVar[tuple[ViewCommand, ...]] = (ViewCommand("count", "Count", "S", "count"),)
    counted = 0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.field = QLineEdit()
        self.body.addWidget(self.field)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def count(self) -> None:
        self.counted += 1


def test_that_a_single_letter_acts_only_while_its_view_has_the_focus_and_nobody_types(
    qapp: Any, qtbot: Any
) -> None:
    session = Session()
    first, second = Counter(session), Counter(session)
    for view in (first, second):
        qtbot.addWidget(view)
    window = QLineEdit()
    qtbot.addWidget(window)
    window.show()
    first.show()
    qtbot.waitExposed(first)
    first.activateWindow()
    first.setFocus()
    qtbot.waitUntil(lambda: QApplication.focusWidget() is first)
    qtbot.keyClick(first, Qt.Key.Key_S)
    assert (first.counted, second.counted) == (1, 0)
    first.field.setFocus()
    qtbot.keyClick(first.field, Qt.Key.Key_S)
    assert first.counted == 1
    assert first.field.text() == "s"
    first.setFocus()
    session.keys.set_chosen({}, single_keys=False)
    qtbot.keyClick(first, Qt.Key.Key_S)
    assert first.counted == 1
    session.keys.set_chosen({"counter.count": "Ctrl+J"}, single_keys=False)
    qtbot.keyClick(first, Qt.Key.Key_J, Qt.KeyboardModifier.ControlModifier)
    assert first.counted == 2


def test_that_the_palette_does_what_is_typed_and_says_why_not(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.menus.actions["edit.palette"].trigger()
    palette = window.palettes.shown
    assert palette is not None
    qtbot.keyClicks(palette.search, "export pdf")
    assert [choice.words for choice in palette.found()] == ["Export PDF…"]
    assert palette.note.text() == "Open a case first."
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    assert palette.isVisible()  # nothing was done
    palette.search.clear()
    qtbot.keyClicks(palette.search, "swap")
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    assert window.session.display.convention == "neurological"
    assert window.banner.isVisible()
    assert "Neurological" in window.banner.text()


def test_that_a_region_is_found_by_a_part_of_its_name(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.menus.actions["edit.region"].trigger()
    palette = window.palettes.shown
    assert palette is not None
    qtbot.keyClicks(palette.search, "geniculate lateral right")
    assert len(palette.found()) == 1
    qtbot.keyClick(palette.search, Qt.Key.Key_Return)
    signals = window.session.case.case.signals  # type: ignore[union-attr]
    assert signals is not None
    name = signals.parcel_names[window.session.parcel or 0].lower()
    assert "lateral" in name
    assert "geniculate" in name


def test_that_every_action_is_reached_by_keys_menu_or_palette_and_every_view_by_f6(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.activateWindow()
    for key in ("check", "predict", "explain", "report"):
        window.show_step(key)
        qtbot.wait(50)
        reached = set()
        for _ in window.visible_views():
            window.next_view(1)
            view = window.focused_view()
            assert view is not None
            assert view.isAncestorOf(QApplication.focusWidget())
            reached.add(view)
        assert reached == set(window.visible_views()), key
    listed = {choice.words for choice in window.palettes.commands()}
    assert len(listed) >= len(ACTIONS) - 2


def test_that_a_view_fills_the_page_and_goes_back(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.wait(50)
    before = window.visible_views()
    view = before[2]
    window.maximise(view)
    assert window.visible_views() == [view]
    window.menus.actions["view.maximise"].trigger()
    assert window.visible_views() == before


def test_that_the_right_button_zooms_where_the_settings_say_so(
    window: MainWindow, case_folders: dict[str, Path], qtbot: Any
) -> None:
    window.actions_.open_path(case_folders["result"])
    window.show_step("explain")
    qtbot.wait(50)
    view = next(view for view in window.visible_views() if isinstance(view, SlicesView))
    canvas = view.stage.canvases["axial"]

    def drag() -> None:
        middle = canvas.rect().center()
        qtbot.mousePress(canvas, Qt.MouseButton.RightButton, pos=middle)
        QApplication.sendEvent(
            canvas,
            QMouseEvent(
                QEvent.Type.MouseMove,
                QPointF(middle) - QPointF(0, 40),
                canvas.mapToGlobal(QPointF(middle) - QPointF(0, 40)),
                Qt.MouseButton.NoButton,
                Qt.MouseButton.RightButton,
                Qt.KeyboardModifier.NoModifier,
            ),
        )
        qtbot.mouseRelease(canvas, Qt.MouseButton.RightButton, pos=middle)

    before, state = view.stage.zoom, window.session.state.slices
    drag()
    assert view.stage.zoom == before
    assert window.session.state.slices != state  # window and level
    window.actions_.change_setting("right_drag", "zoom")
    state = window.session.state.slices
    drag()
    assert view.stage.zoom > before
    assert window.session.state.slices == state
