"""The keys of a view: single letters that act only while the view has the focus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from app.gui.bindings import Binding
from app.gui.diagnostics import note_action

if TYPE_CHECKING:
    from app.gui.widgets.view import View


@dataclass(frozen=True, slots=True)
class ViewCommand:
    """One line in a view's `commands`.

    Parameters
    ----------
    name
        Stable name inside the view, such as "seed".
    words
        What F1, menu and palette say, such as "Seed map here".
    keys
        Delivered keys, such as "S" or "Ctrl++; Ctrl+=".
    do
        Name of the view's method; "" where the view reads the key itself, by
        `session.keys.matches(binding_of(type(self), name), event)`, such as for a key that is held.
    on
        Name of the attribute that holds the widget in which the keys act; "" for the whole view.
        Arrows belong to a canvas, or the sliders beside it could not be moved.
    """

    name: str
    words: str
    keys: str
    do: str = ""
    on: str = ""
    help: str = ""


def binding_of(view: type[View], name: str) -> Binding:
    """The binding of one of a view's commands."""
    command = next(one for one in view.commands if one.name == name)
    return _binding(view, command)


def bindings_of(view: type[View]) -> tuple[Binding, ...]:
    """The bindings of a view, in the order in which they are written."""
    return tuple(_binding(view, command) for command in view.commands)


def _binding(view: type[View], command: ViewCommand) -> Binding:
    name = f"{view.name}.{command.name}"
    return Binding(name, command.words, command.keys, command.help, view.title)


def bind_commands(view: View) -> dict[str, QAction]:
    """Make an action of each command that the view does, where its keys act; by name."""
    made: dict[str, QAction] = {}
    for command in view.commands:
        if not command.do:
            continue
        target: QWidget = getattr(view, command.on) if command.on else view
        action = QAction(command.words, target)
        action.setToolTip(command.help or command.words)
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(partial(_do, view, command))
        target.addAction(action)
        made[command.name] = action
    return made


def _do(view: View, command: ViewCommand, _checked: bool = False) -> None:
    note_action(f"{view.name}.{command.name}")
    view.session.turns.catch_up(view)  # it acts on what is selected, not on what is drawn still
    getattr(view, command.do)()


def set_keys(view: View) -> None:
    """Give the view's actions the keys that the user chose."""
    for command in view.commands:
        action = view.key_actions.get(command.name)
        if action is not None:
            action.setShortcuts(view.session.keys.sequences(_binding(type(view), command)))
