"""The menu bar, made of `commands.ACTIONS`; every entry is also in the palette and the F1 list."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QMenu

from app.gui.bindings import Binding
from app.gui.diagnostics import note_action
from app.gui.main_window.command import Command
from app.gui.main_window.commands import ACTIONS, MENUS
from app.gui.main_window.recent_names import recent_names
from app.gui.widgets.view_menu import fill_menu

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


class Menus:
    """Builds the menu bar of a window and keeps its entries in step with what is open."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.actions: dict[str, QAction] = {}  # by name of the command
        self._menus: dict[str, QMenu] = {}
        for key, title in MENUS.items():
            above = key.rpartition(".")[0]
            if above not in ("file",):
                self._menus[key] = (
                    self._menus[above].addMenu(title)
                    if above and above in self._menus
                    else window.menuBar().addMenu(title)
                )
        for command in ACTIONS:
            self._add(command)
        self._dynamic()
        window.resume.changed.connect(self.follow)
        window.session.history.changed.connect(self.follow)
        window.session.keys.changed.connect(self.set_keys)
        self.set_keys()
        self.follow()

    @property
    def all(self) -> list[QAction]:
        """Every action, in the order of the registry."""
        return list(self.actions.values())

    def title(self, menu: str) -> str:
        """What a menu is called."""
        return MENUS[menu].replace("&", "")

    @property
    def run(self) -> QAction:
        """Run, or finish what was cancelled."""
        return self.actions["analysis.run"]

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The bindings of the whole window."""
        return tuple(command.binding for command in ACTIONS)

    def set_keys(self) -> None:
        """Give the actions the keys that the user chose."""
        for command in ACTIONS:
            found = self.window.session.keys.sequences(command.binding)
            self.actions[command.name].setShortcuts(found)

    def follow(self) -> None:
        """Tick what is on, grey what cannot be done and say why."""
        for command in ACTIONS:
            self._follow(command)

    def take_key(self, event: QKeyEvent) -> bool:
        """Do what a key means that nothing with the focus wanted; tells whether it meant anything.

        A shortcut of the whole window would come first, before a dialog or a mode of a view.
        """
        keys = self.window.session.keys
        for command in ACTIONS:
            if command.unclaimed and keys.matches(command.binding, event):
                self.actions[command.name].trigger()
                return True
        return False

    def _follow(self, command: Command) -> None:
        action, window = self.actions[command.name], self.window
        reason = command.can(window) if command.can is not None else ""
        action.setEnabled(not reason)
        action.setToolTip(reason or command.help or command.binding.words)
        action.setStatusTip(reason)
        if command.on is not None:
            action.setChecked(command.on(window))
        if command.say is not None:
            action.setText(command.say(window))

    def _add(self, command: Command) -> None:
        action = QAction(command.words, self.window)
        action.setCheckable(command.on is not None)
        action.triggered.connect(partial(self._do, command))
        if command.unclaimed:
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.actions[command.name] = action
        self.window.addAction(action)
        if command.menu:
            menu = self._menus[command.menu]
            if command.line:
                menu.addSeparator()
            menu.addAction(action)

    def _do(self, command: Command, _checked: bool = False) -> None:
        note_action(command.name)
        command.do(self.window)
        self._follow(command)

    def _dynamic(self) -> None:
        """Menus whose entries depend on what is there when they open."""
        for key in ("file", "edit", "analysis", "view", "view.step"):
            self._menus[key].aboutToShow.connect(self.follow)
        self.recent = QMenu(MENUS["file.recent"], self.window)
        self.recent.aboutToShow.connect(self.fill_recent)
        self._menus["file"].insertMenu(self.actions["file.save"], self.recent)
        self.current = QMenu("&This view", self.window)
        self.current.aboutToShow.connect(self._fill_current)
        self._menus["view"].insertMenu(self.actions["view.next"], self.current)

    def fill_recent(self) -> None:
        """List what was opened last; missing ones are greyed."""
        self.recent.clear()
        paths = self.window.actions_.recent()
        for path, name in recent_names(paths):
            there = path.exists()
            action = self.recent.addAction(name if there else f"{name} (missing)")
            action.setEnabled(there)
            action.triggered.connect(partial(self._open, path))
        if not paths:
            self.recent.addAction("Nothing was opened yet").setEnabled(False)
        self.recent.addSeparator()
        clear = self.recent.addAction("Clear list")
        clear.setEnabled(bool(paths))
        clear.triggered.connect(lambda _checked=False: self.window.clear_recent())

    def _fill_current(self) -> None:
        view = self.window.focused_view()
        if view is not None:
            fill_menu(self.current, view)

    def _open(self, path: Path, _checked: bool = False) -> None:
        self.window.actions_.open_path(path)
