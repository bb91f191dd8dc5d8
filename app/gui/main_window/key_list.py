"""Everything that keys and mouse do, gathered from the window's commands and the views."""

from __future__ import annotations

from collections.abc import Sequence

from app.gui.bindings import Binding
from app.gui.main_window.commands import ACTIONS
from app.gui.widgets.view import View
from app.gui.widgets.view_keys import bindings_of


def view_classes() -> tuple[type[View], ...]:
    """Each kind of view once, in reading order."""
    from app.gui.views import VIEWS  # all views, wanted when keys are listed

    return tuple(dict.fromkeys(place.view for place in VIEWS))


def all_bindings() -> tuple[Binding, ...]:
    """What keys do, in the whole window and in each view."""
    found = [command.binding for command in ACTIONS]
    for view in view_classes():
        found += bindings_of(view)
    return tuple(found)


def all_gestures() -> Sequence[tuple[str, str, str]]:
    """(view, what it does, what hand or mouse does)."""
    rows = [("Everywhere", "Open what is dropped", "Drop a file or folder")]
    rows += [("Everywhere", "Fill the page with a view", "Double click on its title")]
    for view in view_classes():
        for words, gesture in view.gestures:
            rows.append((view.title, words, gesture))
    return rows
