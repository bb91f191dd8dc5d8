"""Means inside masks are read in a thread: they take every volume of the run."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from PySide6.QtCore import QObject, Signal

from app.core.arrays import Floats
from app.core.errors import AppError
from app.gui.jobs import Reader
from app.gui.session import Session
from app.gui.traces import keep_mask, mask_missing, mask_work


class MaskReader(Reader):
    """Reads what held traces of masks lack, one after the other as they are asked for."""

    done = Signal()  # another mask's mean is there
    refused = Signal(str)  # why not, in a sentence

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        session.case_changed.connect(lambda: self.forget())  # what is still wanted is asked again

    def want(self, keys: Iterable[str]) -> None:
        """Read the masks among these traces that were not read yet."""
        for key in keys:
            if mask_missing(self.session, key) and key not in self._waiting:
                self.read(key, mask_work(self.session, key), partial(self._tell, key))

    def _tell(self, key: str, found: Floats | AppError) -> None:
        if isinstance(found, AppError):
            self.refused.emit(found.message)
        else:
            keep_mask(self.session, key, found)
            self.done.emit()
