"""One thing that the window can do: the form of a line in `commands.ACTIONS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.gui.bindings import Binding

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


@dataclass(frozen=True, slots=True)
class Command:
    """Name, words, keys and menu of an action, and what it does.

    Parameters
    ----------
    name
        Stable name, such as "file.open".
    words
        What menu, palette and F1 say; & marks the menu's letter.
    keys
        Delivered keys in portable text, several separated by "; ".
    menu
        A key of `commands.MENUS`; "" for the palette alone.
    do
        What happens.
    can
        The reason why it cannot be done now, "" where it can.
    on
        Whether it is ticked; None for an action without a tick.
    say
        Words that change with what is open, in place of `words`.
    line
        Whether a line stands above it in the menu.
    help
        One more sentence for the F1 list and the tooltip.
    unclaimed
        Whether its keys act only where nothing that has the focus wants them, as Esc does.
    """

    name: str
    words: str
    keys: str
    menu: str
    do: Callable[[MainWindow], object]
    can: Callable[[MainWindow], str] | None = None
    on: Callable[[MainWindow], bool] | None = None
    say: Callable[[MainWindow], str] | None = None
    line: bool = False
    help: str = ""
    unclaimed: bool = False

    @property
    def binding(self) -> Binding:
        """Its keys, for the key map."""
        plain = self.words.replace("&", "").rstrip("\N{HORIZONTAL ELLIPSIS}")
        return Binding(self.name, plain, self.keys, self.help)
