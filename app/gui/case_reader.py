"""Cases are read in a thread, checked and made ready to draw, then told to the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.core.errors import AppError
from app.core.results import overrides_quality
from app.gui.jobs import Reader
from app.gui.session import OpenCase
from app.study.overrides import known_participant, log_override

_OPENED, _ANALYSED, _KNOWN = "opened case", "analysed case", "participant"
_SLOW_MS = 500  # after this a reading is told of


class CaseReader(Reader):
    """Reads case folders; a newer wish of the same kind replaces an older one."""

    opened = Signal(object, object)  # OpenCase, its folder: the user asked for it
    analysed = Signal(object, object, bool)  # OpenCase, its folder, whether it is whole
    failed = Signal(object)  # AppError
    slow = Signal(str)  # one sentence: what takes long

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)

    def open_case(self, folder: Path) -> None:
        """Read a folder that the user chose."""

        def tell(found: OpenCase | AppError) -> None:
            if isinstance(found, AppError):
                self.failed.emit(found)
            else:
                self.opened.emit(found, folder)

        QTimer.singleShot(_SLOW_MS, self, self._tell_if_slow)
        self.read(_OPENED, lambda: OpenCase.read(folder), tell)

    def read_analysed(self, folder: Path, *, last: bool) -> None:
        """Read what an analysis has written so far; a fault counts only in the whole folder."""

        def read() -> OpenCase | None:
            found = OpenCase.read(folder)
            if not last and overrides_quality(found.case):
                return None  # shown when it is whole and in the audit log
            if last:
                log_override(found.case, folder)
            return found

        def tell(found: OpenCase | AppError | None) -> None:
            if isinstance(found, OpenCase):
                self.analysed.emit(found, folder, last)
            elif found is not None and last:
                self.failed.emit(found)

        self.read(_ANALYSED, read, tell)

    def with_participant(self, scan_sha256: str, go_on: Callable[[str], None]) -> None:
        """Go on with the UUID that the scan is entered under, "" for none, if that can be read."""

        def tell(found: str | AppError) -> None:
            if isinstance(found, AppError):
                self.failed.emit(found)
            else:
                go_on(found)

        self.read(_KNOWN, lambda: known_participant(scan_sha256), tell)

    def _tell_if_slow(self) -> None:
        if self.busy():
            self.slow.emit("Opening the case\N{HORIZONTAL ELLIPSIS}")
