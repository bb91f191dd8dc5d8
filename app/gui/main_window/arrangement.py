"""Areas of a page side by side, or below each other where side by side they are too narrow."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSplitter, QWidget

from app.gui.widgets.theme import scaled

HANDLE_PX = 8


class KeptSplitter(QSplitter):
    """A splitter whose shares, once a hand has set them, hold at every size and come back with it.

    Qt alone would share what is gained and lost by the usual shares.
    """

    def __init__(self, orientation: Qt.Orientation) -> None:
        super().__init__(orientation)
        self.by_hand: dict[Qt.Orientation, list[int]] = {}
        self.splitterMoved.connect(self._moved)

    def apply(self) -> None:
        """Lay the parts out as they were dragged last, if they were."""
        sizes = self.by_hand.get(self.orientation())
        if sizes is not None:
            self.setSizes(sizes)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Larger or smaller: the same shares."""
        super().resizeEvent(event)
        self.apply()

    def _moved(self) -> None:
        self.by_hand[self.orientation()] = self.sizes()


@dataclass(frozen=True, slots=True)
class Arranged:
    """A built part of a layout.

    Parameters
    ----------
    widget
        An area's own, or the splitter of `parts`.
    least_px
        Of an area: (width, height) with the usual text size; (0, 0) of a splitter.
    across
        Whether the parts lie side by side where there is room.
    parts
        With their shares of the room; none of an area.
    """

    widget: QWidget
    least_px: tuple[int, int] = (0, 0)
    across: bool = False
    parts: tuple[tuple[Arranged, int], ...] = ()


def arrange(whole: Arranged, width: int) -> None:
    """Lay a page out for a width in pixels; every area keeps its least height where it scrolls."""
    below = _turn(whole, width)
    for area in _areas(whole):
        wide, high = (scaled(px) for px in area.least_px)
        area.widget.setMinimumSize(0 if below else wide, high if below else 0)


def _turn(part: Arranged, width: int) -> bool:
    """Turn the splitters; whether areas lie below each other that would lie side by side."""
    splitter = part.widget
    if not part.parts or not isinstance(splitter, KeptSplitter):
        return False
    if not part.across:
        turned = [_turn(inner, width) for inner, _ in part.parts]
        return True in turned
    seen = [inner for inner, _ in part.parts if not inner.widget.isHidden()]
    need = sum(_least_width(inner) for inner in seen) + HANDLE_PX * (len(seen) - 1)
    below = need > width
    wanted = Qt.Orientation.Vertical if below else Qt.Orientation.Horizontal
    if splitter.orientation() != wanted:
        splitter.setOrientation(wanted)
        splitter.setSizes([share * 100 for _, share in part.parts])
        splitter.apply()
    return below


def _least_width(part: Arranged) -> int:
    return max(
        max(scaled(area.least_px[0]), area.widget.minimumSizeHint().width())
        for area in _areas(part)
    )


def _areas(part: Arranged) -> list[Arranged]:
    if not part.parts:
        return [part]
    return [area for inner, _ in part.parts for area in _areas(inner)]
