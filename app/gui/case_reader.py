"""Cases are read in a thread, checked and made ready to draw, then told to the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.core.errors import AppError, StorageError
from app.core.results import overrides_quality
from app.gui.jobs import Reader
from app.gui.session import OpenCase
from app.study.case_store import damaged_files, nameless
from app.study.case_view import is_drawn
from app.study.overrides import known_participant, log_override
from app.study.session_file import SavedFile, SavedSession

_OPENED, _ANALYSED, _KNOWN, _SAVED = "opened case", "analysed case", "participant", "session"
_CHECKED = "checked case"
_TOLD = 4  # names of each kind
_SLOW_MS = 500  # after this a reading is told of


@dataclass(frozen=True, slots=True)
class FoundSession:
    """What a saved session led to."""

    session: SavedSession
    opened: OpenCase | None  # stale where scan or case are not what they were
    missing: str = ""  # "scan" or "case": not where it was


class CaseReader(Reader):
    """Reads case folders; a newer wish of the same kind replaces an older one."""

    opened = Signal(object, object)  # OpenCase, its folder: the user asked for it
    analysed = Signal(object, object, bool)  # OpenCase, its folder, whether it is whole
    checked = Signal(object)  # AppError: files of the open case that are not what was written
    failed = Signal(object)  # AppError
    slow = Signal(str)  # what takes long, such as "Opening the case"
    came = Signal()  # no case and no session that the user asked for is waited for any more

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._slow_words = ""
        self._slow = QTimer(self)
        self._slow.setSingleShot(True)
        self._slow.setInterval(_SLOW_MS)
        self._slow.timeout.connect(lambda: self.slow.emit(self._slow_words))

    def forget(self, kind: str = "") -> None:
        """Drop the answers that are still to come, of one kind or of all."""
        super().forget(kind)
        self._look_whether_all_came()

    def stop_opening(self) -> None:
        """The user does not want any more what is being opened."""
        self.forget(_OPENED)
        self.forget(_SAVED)

    def open_case(self, folder: Path) -> None:
        """Read a folder that the user chose."""

        def tell(found: OpenCase | AppError) -> None:
            self._look_whether_all_came()
            if isinstance(found, AppError):
                self.failed.emit(found)
            else:
                self.opened.emit(found, folder)

        self._tell_if_slow("Opening the case")
        self.read(_OPENED, lambda: OpenCase.read(folder), tell)

    def read_analysed(self, folder: Path, *, last: bool) -> None:
        """Read what an analysis has written so far; a fault counts only in the whole folder."""

        def read() -> OpenCase | None:
            found = OpenCase.read(folder)
            if not last and (found.altered or overrides_quality(found.case)):
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

    def check_files(self, opened: OpenCase) -> None:
        """Look, while the case is already shown, whether each of its files is what was written.

        What is drawn was looked at when the case was read and is told at once; files that only
        lie there for other programs may be large.
        """
        if opened.altered:
            self.checked.emit(altered_error(opened, opened.altered))

        def tell(found: tuple[str, ...] | AppError) -> None:
            if isinstance(found, AppError):
                self.failed.emit(found)
            elif set(found) - set(opened.altered):
                self.checked.emit(altered_error(opened, found))

        self.read(_CHECKED, lambda: _altered(opened), tell)

    def read_session(
        self, session: SavedSession, go_on: Callable[[FoundSession], None], words: str
    ) -> None:
        """Look for what a session names, compare the hashes, read its case.

        `words` say what is done, where it takes long.
        """

        def tell(found: FoundSession | AppError) -> None:
            self._look_whether_all_came()
            if isinstance(found, AppError):
                self.failed.emit(found)
            else:
                go_on(found)

        self._tell_if_slow(words)
        self.read(_SAVED, lambda: _find(session), tell)

    def with_participant(self, scan_sha256: str, go_on: Callable[[str], None]) -> None:
        """Go on with the UUID that the scan is entered under, "" for none, if that can be read."""

        def tell(found: str | AppError) -> None:
            if isinstance(found, AppError):
                self.failed.emit(found)
            else:
                go_on(found)

        self.read(_KNOWN, lambda: known_participant(scan_sha256), tell)

    def _tell_if_slow(self, words: str) -> None:
        self._slow_words = words
        self._slow.start()

    def _look_whether_all_came(self) -> None:
        if not self.busy(_OPENED, _SAVED):
            self._slow.stop()
            self.came.emit()


def _altered(opened: OpenCase) -> tuple[str, ...]:
    """In the reader's thread."""
    rest = damaged_files(opened.folder, lambda name: not is_drawn(name))
    return (*opened.altered, *rest)


def altered_error(opened: OpenCase, names: Sequence[str]) -> AppError:
    """What is told of files of a case that are not what was written; it names no participant."""
    there = [(opened.folder / name).is_file() for name in names]
    kinds = (("changed", True), ("missing", False))
    told = []
    for word, is_there in kinds:
        some = [nameless(name) for name, t in zip(names, there, strict=True) if t is is_there]
        if some:
            more = f" and {len(some) - _TOLD} more" if len(some) > _TOLD else ""
            told.append(f"{word}: {', '.join(some[:_TOLD])}{more}")
    listed = "; ".join(told)
    count = "1 file is" if len(names) == 1 else f"{len(names)} files are"
    return StorageError(
        f"Altered data: {count} not what this program wrote into the case folder.",
        f"{listed[0].upper()}{listed[1:]}. Nothing is drawn from a file that was changed; the rest "
        "is as it was written. Do not use the changed files; analyse the scan again.",
        code="study.altered",
    )


def _find(session: SavedSession) -> FoundSession:
    """In the reader's thread."""
    if session.case is None:
        there = session.scan is None or session.scan.path.exists()
        return FoundSession(session, None, "" if there else "scan")
    if not (session.case.path / "case.json").is_file():
        return FoundSession(session, None, "case")
    opened = OpenCase.read(session.case.path)
    known = session.case.sha256
    if known and opened.answer_sha256 != known:
        opened = opened.as_stale(
            "The result in the case folder is another one than this session was saved with. "
            "Analyse the scan again"
        )
    if session.scan is None:
        return FoundSession(session, opened)
    if not session.scan.path.exists():
        return FoundSession(session, opened, "scan")
    if _changed(session.scan) or session.scan.sha256 != opened.case.scan.sha256:
        opened = opened.as_stale(
            "The scan was changed after this result was computed. Analyse it again"
        )
    return FoundSession(session, opened)


def _changed(scan: SavedFile) -> bool:
    """Whether a scan's bytes are others now; only where one file's bytes are its hash."""
    from app.core.provenance import files_sha256
    from app.scans.contents import SourceKind
    from app.scans.nifti import stored_files
    from app.scans.sources import source_kind

    if scan.path.is_dir():
        return False
    kind = source_kind(scan.path)
    if kind is SourceKind.PARCELS:
        return files_sha256(scan.path) != scan.sha256
    return kind is SourceKind.NIFTI and files_sha256(*stored_files(scan.path)) != scan.sha256
