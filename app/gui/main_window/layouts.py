"""How the areas of each page lie; which views stand in them says `views.VIEWS`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    """A place for views: behind each other as tabs, or stacked in one column.

    `least_px` is the width and height with the usual text size below which nothing is read well;
    where areas side by side have less, they come below each other and the page scrolls.
    """

    name: str
    least_px: tuple[int, int]
    stacked: bool = False


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
            (Area("side", (320, 380), stacked=True), 4),
            (Down(((Area("picture", (420, 300)), 7), (Area("signals", (420, 200)), 4))), 8),
        )
    ),
    "check": Across(
        (
            (Area("motion", (380, 500)), 6),
            (Down(((Area("told", (340, 260)), 11), (Area("registration", (340, 300)), 10))), 5),
        )
    ),
    "predict": Across(
        (
            (Area("card", (480, 600)), 7),
            (Down(((Area("connections", (250, 300)), 6), (Area("tables", (250, 220)), 5))), 4),
        )
    ),
    "explain": Down(
        (
            (Across(((Area("slices", (480, 330)), 7), (Area("space", (340, 300)), 5))), 6),
            (
                Across(
                    (
                        (Area("connections", (250, 300)), 9),
                        (Area("signals", (280, 240)), 13),
                        (Area("tables", (280, 260)), 11),
                    )
                ),
                5,
            ),
        )
    ),
    "report": Across(((Area("contents", (470, 560)), 4), (Area("card", (400, 480)), 8))),
}
