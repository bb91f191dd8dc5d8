"""What was open is kept beside the program, so that a crash or a power cut loses nothing.

Each running program has a recovery file of its own. It is written three seconds after a change,
every minute and before each job, and goes when the window is closed. A file whose program has
ended is what a crash left: it is offered at the next start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer

from app.core.errors import StorageError
from app.core.folders import data_folder
from app.core.logs import log_event
from app.core.request import AnalysisRequest
from app.gui.jobs import TITLES, Reader
from app.gui.view_state.codec import warm_up
from app.gui.widgets.offer_bar import OfferBar
from app.study.codec import decode
from app.study.session_file import SUFFIX, SavedSession, read_session, write_session

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

EVERY_MS = 60_000
_SOON_MS = 3000
_NAME = re.compile(rf"(?P<pid>\d+)-(?P<started>\d+){re.escape(SUFFIX)}")


class Recovery(QObject):
    """Writes the recovery file of this window and offers those of programs that crashed.

    Parameters
    ----------
    window
        Whose session is kept. Nothing is written before `start`.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.bar = OfferBar("Recovery", "Restore", "Discard")
        self.bar.taken.connect(self._take)
        self.bar.declined.connect(self._discard)
        self.interrupted = ""  # what ran when the program ended, once it was restored
        self._writer = Reader(self)
        self._written: SavedSession | None = None
        self._left: list[Path] = []
        self._running = False
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_SOON_MS)
        self._soon.timeout.connect(self.write)
        self._regular = QTimer(self)
        self._regular.setInterval(EVERY_MS)
        self._regular.timeout.connect(self.write)

    def start(self, *, inline: bool = False) -> None:
        """Begin to keep the session, and offer what a crash left behind.

        `inline` writes in the caller's thread, for tests.
        """
        self._running, self._writer.inline = True, inline
        session, jobs = self.window.session, self.window.jobs
        session.state_changed.connect(self._soon.start)
        session.case_changed.connect(self._soon.start)
        jobs.started.connect(lambda _job: self.write())
        jobs.finished.connect(lambda _job: self._soon.start())
        self._regular.start()
        self._writer.read("warm up", warm_up, lambda _done: None)
        self._left = left_behind()
        self._offer()

    def _offer(self) -> None:
        """The newest of what crashes left; the others wait behind it."""
        if self._left:
            self.bar.offer(_words(self._left[-1], len(self._left) - 1))

    def write(self) -> None:
        """Write what is open now, in the background, unless nothing has changed."""
        if not self._running:
            return
        self._soon.stop()
        saved = self.window.saving.current(for_recovery=True)
        if saved == self._written:
            return
        self._written = saved
        path = recovery_file()

        def work() -> None:
            if saved.empty:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_session(path, saved)

        def tell(answer: object) -> None:
            if isinstance(answer, StorageError):
                log_event("session.not_kept", reason=answer.code)

        self._writer.read("recovery", _no_errors(work), tell)

    def close(self) -> None:
        """A normal end: nothing is to be recovered."""
        self._running = False
        self._soon.stop()
        self._regular.stop()
        self._writer.close()
        recovery_file().unlink(missing_ok=True)

    def _take(self) -> None:
        """Restore, unless the reader would rather stay; the offer stands until one of both."""
        self._offer()
        self.window.actions_.leaving(self._restore)

    def _restore(self) -> None:
        self.bar.hide()
        path = self._left[-1]
        try:
            saved = read_session(path)
        except StorageError as error:
            self.window.actions_.messages.tell(error)
            self._discard()
            return
        self._left = []  # what other programs left is offered at the next start
        drop = partial(self._drop, path)  # not before what it holds is open: opening may fail
        if saved.case is None and saved.scan is None:
            drop()
        self.window.saving.show(saved, refused=partial(self._offer_again, path), shown=drop)
        self._tell_interrupted(saved)

    def _offer_again(self, path: Path) -> None:
        """Work was begun while it was read, and the reader may stay with that."""
        self._left = [path]
        self._offer()

    def _drop(self, path: Path) -> None:
        self._left = []
        self.bar.hide()
        path.unlink(missing_ok=True)

    def _once_shown(self, saved: SavedSession, then: Callable[[], None]) -> None:
        """Call when the next thing that is opened is what the session held."""
        session = self.window.session

        def look() -> None:
            opened, case, scan = session.case, saved.case, saved.scan
            same = opened is not None and case is not None and opened.folder == case.path
            if same or (scan is not None and session.scan_sha256 == scan.sha256):
                then()

        session.case_changed.connect(look, Qt.ConnectionType.SingleShotConnection)

    def _tell_interrupted(self, saved: SavedSession) -> None:
        """A job that ran at the crash is interrupted: say so, and offer to finish it."""
        if not saved.unfinished:
            return
        self.interrupted = saved.unfinished
        title = TITLES.get(saved.unfinished, saved.unfinished)
        request = None
        if saved.request is not None and saved.scan is not None:
            try:
                request = decode(AnalysisRequest, saved.request, {})
            except (KeyError, TypeError, ValueError):
                request = None
        if saved.unfinished == "analyse" and request is not None and saved.scan is not None:
            self.window.actions_.requests[saved.scan.sha256] = request
            self.window.resume.offer_interrupted(saved.scan.sha256)
        else:
            self._say_when_shown(f"{title} was interrupted; start it again.", saved)

    def _say_when_shown(self, words: str, saved: SavedSession) -> None:
        """Not before the case is there: while it is opened, other words stand in the banner."""
        if self.window.session.case is not None:
            self.window.say(words)
        else:
            self._once_shown(saved, lambda: self.window.say(words))

    def _discard(self) -> None:
        """Delete what was offered; another that was left is offered then."""
        self._left.pop().unlink(missing_ok=True)
        self._offer()


def recovery_file() -> Path:
    """Where this process keeps its session."""
    import psutil

    started = int(psutil.Process().create_time())
    return data_folder() / "recovery" / f"{os.getpid()}-{started}{SUFFIX}"


def left_behind() -> list[Path]:
    """Recovery files of programs that have ended, the newest last."""
    import psutil

    folder, found = data_folder() / "recovery", []
    if not folder.is_dir():
        return []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            alive = int(psutil.Process(int(match["pid"])).create_time()) == int(match["started"])
        except psutil.Error:
            alive = False
        if not alive:
            found.append(path)
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _words(path: Path, more: int) -> str:
    """What the offer says, with how many older ones wait; it names no participant."""
    waiting = "" if not more else (
        f" {more} older {'one was' if more == 1 else 'ones were'} kept too, for the next start."
    )  # fmt: skip
    try:
        saved = read_session(path)
    except StorageError:
        return (
            "The program ended unexpectedly. What it kept of the last session may be damaged."
            + waiting
        )
    words = "The program ended unexpectedly. Restore what was open, with its view and edits?"
    if saved.unfinished:
        title = TITLES.get(saved.unfinished, saved.unfinished)
        words += f" {title} was interrupted."
    return words + waiting


def _no_errors(work: Callable[[], None]) -> Callable[[], None]:
    """A folder that cannot be made is told like a file that cannot be written."""

    def done() -> None:
        try:
            work()
        except OSError as fault:
            raise StorageError("The session could not be kept.", code="session.not_kept") from fault

    return done
