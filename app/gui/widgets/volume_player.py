"""Which volume of the run is shown: step, play, and read only what is shown."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.core.arrays import Floats
from app.gui.session import Session

_MOVIE_MS = 100


class VolumePlayer(QObject):
    """Moves the session's frame cursor and reads the volume under it.

    `wanted` says whether the picture should be the volume under the cursor.
    """

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        self.wanted = False
        self._kept: tuple[object, int, Floats] | None = None  # the volume that was read last
        self._timer = QTimer(self)
        self._timer.setInterval(_MOVIE_MS)
        self._timer.timeout.connect(lambda: self.step(1, wrap=True))

    @property
    def shown(self) -> bool:
        """Whether the volume under the cursor is wanted and there."""
        return self.wanted and self.session.volumes is not None

    @property
    def playing(self) -> bool:
        """Whether the movie runs."""
        return self._timer.isActive()

    def index(self) -> int:
        """The volume of the file under the frame cursor, first = 0."""
        volumes, opened = self.session.volumes, self.session.case
        signals = opened.case.signals if opened is not None else None
        index = self.session.frame + (signals.first_frame if signals is not None else 0)
        last = volumes.count - 1 if volumes is not None else index
        return min(max(index, 0), last)

    def picture(self) -> tuple[Floats, Floats] | None:
        """The volume under the cursor with its affine; None where it is not shown."""
        volumes = self.session.volumes
        if volumes is None or not self.wanted:
            return None
        index = self.index()
        if self._kept is None or self._kept[0] is not volumes or self._kept[1] != index:
            self._kept = (volumes, index, volumes.volume(index))
        return self._kept[2], volumes.affine

    def step(self, frames: int, *, wrap: bool = False) -> None:
        """Move the frame cursor; at an end it stays, or begins anew with `wrap`."""
        session = self.session
        count = session.frame_count or (session.volumes.count if session.volumes else 0)
        if count == 0:
            return
        frame = session.frame + frames
        session.select_frame(frame % count if wrap else min(max(frame, 0), count - 1))

    def play(self) -> None:
        """Begin the movie."""
        self._timer.start()

    def stop(self) -> None:
        """End the movie."""
        self._timer.stop()
