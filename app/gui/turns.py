"""Long drawing in short parts, so that the window answers between them."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QObject, QTimer


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

    def add(self, who: QObject, parts: Iterator[None], *, first: bool) -> None:
        """Queue the parts of `who`; parts that it still waits for are dropped."""
        self._waiting.pop(id(who), None)
        rest = self._waiting
        self._waiting = {id(who): parts, **rest} if first else {**rest, id(who): parts}
        self._timer.start()

    def _turn(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        key, parts = next(iter(self._waiting.items()))
        if next(parts, self) is self:
            self._waiting.pop(key, None)
