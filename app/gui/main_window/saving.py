"""Saved sessions: written at Ctrl+S, opened with a look at what has changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.core.errors import AppError, StorageError
from app.gui.case_reader import FoundSession
from app.gui.dialogs.questions import ask_relocate
from app.gui.view_state import ViewState
from app.gui.view_state.codec import from_plain, to_plain
from app.gui.widgets.file_dialogs import ask_folder, ask_open, ask_save
from app.study.codec import encode
from app.study.session_file import (
    SUFFIX,
    SavedFile,
    SavedSession,
    moved,
    read_session,
    write_session,
)

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

FILES = f"Sessions (*{SUFFIX})"


def _nothing() -> None:
    return None


class Saving(QObject):
    """Writes and reads the sessions of a window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.path: Path | None = None  # where Ctrl+S writes
        self._newer = False
        self._waiting: SavedSession | None = None  # its scan is being opened
        self._shown: Callable[[], None] = _nothing  # to be called when what is wanted is shown
        window.actions_.session_wanted.connect(self.open)
        window.session.case_changed.connect(self._case_changed)

    # writing ---------------------------------------------------------------------------

    def ask_save(self) -> None:
        """Save to where it was saved last, or ask."""
        if self.path is None or self._newer:
            self.ask_save_as()
        else:
            self.save(self.path)

    def ask_save_as(self) -> None:
        """Choose where the session goes."""
        name, _ = ask_save(self.window, "Save session", f"session{SUFFIX}", FILES)
        if name:
            path = Path(name)
            self.save(path if path.suffix.lower() == SUFFIX else path.with_name(path.name + SUFFIX))

    def save(self, path: Path) -> None:
        """Write the session and say so."""
        try:
            write_session(path, self.current())
        except AppError as error:
            self.window.actions_.messages.tell(error)
            return
        self.path, self._newer = path, False
        self.window.session.history.stack.setClean()
        self.window.actions_.leaving.keep()
        self.window.actions_.remember(path)
        self.window.say("The session was saved.")

    def current(self, *, for_recovery: bool = False) -> SavedSession:
        """What is open now; a recovery file also says which job runs and what it was asked."""
        session, actions = self.window.session, self.window.actions_
        source, selection = actions.sources.get(session.scan_sha256, (None, {}))
        running = [running.job.name for running in self.window.jobs.running()]
        case = None
        if session.case is not None:
            folder = session.case.folder
            # While it grows its hash says nothing.
            growing = "analyse" in running or not (folder / "manifest.json").is_file()
            case = SavedFile(folder, "" if growing else session.case.answer_sha256)
        saved = SavedSession(
            step=self.window.step,
            view=to_plain(session.state),
            scan=SavedFile(source, session.scan_sha256) if source is not None else None,
            selection={key: str(value) for key, value in selection.items() if value},
            case=case,
            maps=tuple(SavedFile(path, sha256) for sha256, path in session.files.items()),
        )
        if not for_recovery:
            return saved
        work = next((name for name in ("analyse", *running) if name in running), "")
        request = actions.requests.get(session.scan_sha256)
        asked = encode(request, {}) if request is not None else None
        return replace(saved, unfinished=work, request=asked)

    # reading ---------------------------------------------------------------------------

    def ask_open(self) -> None:
        """Choose a session."""
        name, _ = ask_open(self.window, "Open session", "", FILES)
        if name:
            self.window.actions_.leaving(partial(self.open, Path(name)))

    def open(self, path: Path) -> None:
        """Open a session file, or say in one sentence why not."""
        try:
            session = read_session(path)
        except StorageError as error:
            self.window.actions_.messages.tell(error)
            return
        self.window.actions_.begun.emit()
        self.window.actions_.remember(path)
        if session.newer:
            self.window.say("Written by a newer version: opened to read; save it elsewhere.")
        self.show(session, path)

    def show(
        self,
        session: SavedSession,
        path: Path | None = None,
        *,
        refused: Callable[[], None] = _nothing,
        shown: Callable[[], None] = _nothing,
    ) -> None:
        """Look for what a session names, then show it.

        Parameters
        ----------
        path
            The file of the user's own that it comes from: from its arrival on Ctrl+S writes there.
        refused
            Called where work was begun while it was read, before it is asked what shall be lost.
        shown
            Called when it is open.
        """
        self._waiting = None

        def arrive(found: FoundSession) -> None:
            leaving = self.window.actions_.leaving
            if leaving.lost_since():
                refused()
            leaving.again(partial(self._found, found, path, shown))

        words = "Restoring what was open" if path is None else "Opening the session"
        self.window.actions_.reader.read_session(session, arrive, words)

    def _found(self, found: FoundSession, path: Path | None, shown: Callable[[], None]) -> None:
        session, window = found.session, self.window
        self.path, self._newer, self._shown = path, session.newer, shown
        if found.missing:
            self._ask_relocate(found)
        if found.opened is not None:
            window.actions_.cancel_all()
            if session.scan is not None and session.scan.path.exists():
                place = (session.scan.path, _selection(session))
                window.actions_.sources[found.opened.case.scan.sha256] = place
            window.session.show_case(found.opened)
            window.actions_.reader.check_files(found.opened)
            self._restore(session)
        elif not found.missing and session.scan is not None:
            self._waiting = session
            window.actions_.open_scan(session.scan.path, None, _selection(session))
        elif not found.missing:
            window.close_case()

    def _ask_relocate(self, found: FoundSession) -> None:
        """Where is it now? Without an answer the rest is shown."""
        path, shown = self.path, self._shown

        def locate() -> None:
            if found.missing == "case":
                name = ask_folder(self.window, "Where is the case folder?")
            else:
                name, _ = ask_open(self.window, "Where is the scan?")
            if name:
                self.show(moved(found.session, found.missing, Path(name)), path, shown=shown)

        ask_relocate(self.window, found.missing, found.opened is not None, locate)

    def _case_changed(self) -> None:
        """The scan of a session without a case has been opened, or another one."""
        waiting, preview = self._waiting, self.window.session.preview
        if waiting is None or preview is None or waiting.scan is None:
            return
        self._waiting = None
        if preview.scan.sha256 == waiting.scan.sha256:
            self._restore(waiting)
            return
        if preview.path != waiting.scan.path:
            return  # another scan was opened meanwhile: nothing is to be said of it
        self.window.actions_.messages.tell(
            StorageError(
                "The scan was changed after the session was saved.",
                "It is open as it is now; layers and censored frames were left out.",
                code="session.scan_changed",
            )
        )

    def _restore(self, session: SavedSession) -> None:
        try:
            state = from_plain(session.view) if session.view else ViewState()
        except ValueError:
            self.window.actions_.messages.tell(
                StorageError(
                    "The view of this session could not be read; scan and case are open.",
                    "Choose layers and thresholds again.",
                    code="session.view",
                )
            )
            return
        self._shown()
        self._shown = _nothing
        self.window.session.files.update({one.sha256: one.path for one in session.maps})
        self.window.session.restore(state)
        if self.path is not None:  # from a file of the user's own, which holds them
            self.window.actions_.leaving.keep()
        if session.step in self.window.steps.buttons:
            self.window.show_step(session.step)
        opened = self.window.session.case
        if opened is not None and opened.stale:
            self.window.actions_.messages.tell(
                StorageError("The results are stale: no number is shown.", opened.stale + ".")
            )
        for one in session.maps:
            if not one.path.exists():
                self.window.say("A map of a layer is not where it was.")


def _selection(session: SavedSession) -> dict[str, object]:
    """As `Actions.open_scan` takes it."""
    return {
        key: Path(value) if key.endswith("_path") else value
        for key, value in session.selection.items()
    }
