"""The two lists to type into: commands and regions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from app.core.colours import network_names
from app.core.sides import side_word, without_side
from app.gui.dialogs.palette import Choice, Palette
from app.gui.main_window.commands import ACTIONS
from app.gui.widgets.view_keys import bindings_of

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow


class Palettes:
    """Opens the palettes of a window; `shown` is the last one."""

    def __init__(self, window: MainWindow) -> None:
        self.window = window
        self.shown: Palette | None = None

    def show(self) -> None:
        """All commands of the window, then those of the views on the page."""
        self._open(Palette("Command palette", self.commands(), self.window))

    def find_region(self) -> None:
        """The regions of the case that is open; choosing one selects it everywhere."""
        self._open(Palette("Find region", self.regions(), self.window))

    def commands(self) -> list[Choice]:
        """What can be done, with keys, and why some of it cannot be done now."""
        window, found = self.window, []
        window.menus.follow()
        for command in ACTIONS:
            action = window.menus.actions[command.name]
            reason = command.can(window) if command.can is not None else ""
            words = action.text().replace("&", "")
            if command.menu.count("."):
                words = f"{window.menus.title(command.menu)}: {words}"
            found.append(
                Choice(words, window.session.keys.shown(command.binding), action.trigger, reason)
            )
        for view in window.visible_views():
            for binding in bindings_of(type(view)):
                act = view.key_actions.get(binding.name.partition(".")[2])
                if act is not None:
                    keys = window.session.keys.shown(binding)
                    found.append(Choice(f"{view.title}: {binding.words}", keys, act.trigger))
        return found

    def regions(self) -> list[Choice]:
        """Every parcel with side and network, then every network."""
        session = self.window.session
        signals = session.case.case.signals if session.case is not None else None
        if signals is None:
            return []
        return [
            Choice(
                f"{without_side(name).replace('_', ' ')}, {side_word(side)}",
                network,
                partial(session.select_parcel, parcel),
            )
            for parcel, (name, side, network) in enumerate(
                zip(signals.parcel_names, signals.hemispheres, signals.networks, strict=True)
            )
        ] + [
            Choice(
                f"{network} (network)",
                f"{signals.networks.count(network)} regions",
                partial(session.select_network, network),
            )
            for network in network_names(signals.networks)
        ]

    def _open(self, palette: Palette) -> None:
        self.shown = palette
        palette.open()
        palette.search.setFocus()
