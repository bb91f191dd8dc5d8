"""How the areas of each page lie; which views stand in them says `views.VIEWS`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A place for views: behind each other as tabs, or stacked in one column."""

    name: str
    stacked: bool = False
    least_px: int = 0


@dataclass(frozen=True, slots=True)
class Across:
    """Side by side, with their shares of the room."""

    parts: tuple[tuple[Node, int], ...]


@dataclass(frozen=True, slots=True)
class Down:
    """From top to bottom, with their shares of the room."""

    parts: tuple[tuple[Node, int], ...]


Node = Area | Across | Down

LAYOUTS: dict[str, Node] = {
    "load": Across(
        (
            (Area("side", stacked=True, least_px=320), 4),
            (Down(((Area("picture"), 7), (Area("signals"), 4))), 8),
        )
    ),
    "check": Across(
        ((Area("motion"), 6), (Down(((Area("told"), 5), (Area("registration"), 4))), 5))
    ),
    "predict": Across(
        ((Area("card"), 7), (Down(((Area("connections"), 6), (Area("tables"), 5))), 4))
    ),
    "explain": Down(
        (
            (Across(((Area("slices"), 7), (Area("space"), 5))), 6),
            (Across(((Area("connections"), 9), (Area("signals"), 13), (Area("tables"), 11))), 5),
        )
    ),
    "report": Across(((Area("contents"), 4), (Area("card"), 8))),
}
