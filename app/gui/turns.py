"""Long drawing in short parts, so that the window answers between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

# Between what follows: keys are answered and pictures painted there.
_PAUSE_MS = 4
Follow = Callable[[], None]


class Turns(QObject):
    """Does long drawing in short parts, so that the event loop turns between them.

    Off until the application switches it on: then what follows from a change does not stand at
    once but a few turns of the loop later.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.on = False
        self._waiting: dict[int, Iterator[None]] = {}  # by identity of who draws
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._turn)
        self._soon: dict[tuple[int, Follow], tuple[QWidget, Follow]] = {}
        self._soon_timer = QTimer(self)
        self._soon_timer.setInterval(_PAUSE_MS)
        self._soon_timer.timeout.connect(self._follow)

    def add(self, who: QObject, parts: Iterator[None], *, first: bool) -> None:
        """Queue the parts of `who`; parts that it still waits for are dropped."""
        self._waiting.pop(id(who), None)
        rest = self._waiting
        self._waiting = {id(who): parts, **rest} if first else {**rest, id(who): parts}
        self._timer.start()

    def soon(self, who: QWidget, follow: Follow) -> None:
        """Let `who` follow a change after what was changed at once is painted.

        Many wishes for the same until then are one; it keeps its place in the row, so that none
        waits for ever while a key is held down.
        """
        self._soon.setdefault((id(who), follow), (who, follow))
        if not self._soon_timer.isActive():
            self._soon_timer.start()

    def catch_up(self, who: QWidget) -> None:
        """Let `who` follow now whatever it still waits to follow."""
        for key in [key for key in self._soon if key[0] == id(who)]:
            self._soon.pop(key)[1]()

    def finish(self, who: QWidget) -> None:
        """Draw now all that `who` waits to draw, such as for a picture or table of it."""
        parts = self._waiting.pop(id(who), None)
        if parts is not None:
            for _ in parts:
                pass
        self.catch_up(who)

    def forget(self, who: QWidget) -> None:
        """`who` goes: nothing is drawn in it any more."""
        self._waiting.pop(id(who), None)
        for key in [key for key in self._soon if key[0] == id(who)]:
            del self._soon[key]

    def busy(self) -> bool:
        """Whether anything waits to be drawn."""
        return bool(self._waiting or self._soon)

    def _follow(self) -> None:
        """All that one view has to follow, what is seen first."""
        if not self._soon:
            self._soon_timer.stop()
            return
        waiting = [who for who, _ in self._soon.values()]
        self.catch_up(next((who for who in waiting if who.isVisible()), waiting[0]))

    def _turn(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        key, parts = next(iter(self._waiting.items()))
        if next(parts, self) is self:
            self._waiting.pop(key, None)
