"""The Cohort workspace inside the window: made at its first opening, closed with the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoStack

from app.core import wording
from app.gui.cohort.folder_dialog import proposed_results
from app.gui.cohort.state import CohortState
from app.gui.cohort.work import CohortWork
from app.gui.jobs import Jobs, Running

if TYPE_CHECKING:
    from app.gui.cohort.page import CohortPage
    from app.gui.main_window.window import MainWindow

KEY = "cohort"


class CohortWorkspace(QObject):
    """State, work and page of the workspace, and what they wish of the window."""

    key = KEY

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self.state = CohortState(self)
        self.jobs: Jobs = window.jobs.sibling()
        self.work = CohortWork(self.state, self.jobs, window.actions_.messages, self)
        self._page: CohortPage | None = None
        self.state.stack.indexChanged.connect(self._stack_moved)
        self.state.rows_changed.connect(lambda _keys: self.follow_stamps())
        self.work.said.connect(window.say)

    @property
    def hidden(self) -> bool:
        """Whether clinic mode keeps the workspaces of research away."""
        return self.window_.actions_.settings.clinic_mode

    @property
    def shown(self) -> bool:
        """Whether the workspace is on screen."""
        return self.window_.step == KEY

    def undo_stack(self) -> QUndoStack:
        """What Undo goes back on: the workspace's changes there, the scan's elsewhere."""
        return self.state.stack if self.shown else self.window_.session.history.stack

    def follow_stamps(self) -> None:
        """The strip says what must be said of what is on screen."""
        rows = wording.stamps(simulated=self.state.simulated, research_only=False)
        self.window_.strip.show_stamps(rows if self.shown else self.window_.session.stamps())

    def forget_page(self) -> None:
        """The window has deleted its pages: another text size makes them anew."""
        if self._page is not None:
            self._page.close_readers()
        self._page = None

    def page(self) -> CohortPage:
        """The page, built at its first use."""
        if self._page is None:
            from app.gui.cohort.page import CohortPage  # its plots are wanted at first use

            page = CohortPage(self.state, self.work)
            page.case_asked.connect(self._open_case)
            page.model_asked.connect(self.window_.tools.show_card)
            page.state_changed.connect(self._show_state)
            self._page = page
        self.work.settings = self.window_.actions_.settings
        return self._page

    def take_dropped(self, paths: list[Path]) -> bool:
        """A folder dropped on the page is a cohort; its results go to the proposed place."""
        if not self.shown or not paths[0].is_dir():
            return False
        self.page().open_folder(paths[0], proposed_results(paths[0]))
        return True

    def step_changed(self) -> None:
        """Another page is open: other stamps, another undo."""
        self.window_.menus.follow()
        self.follow_stamps()

    def running(self) -> tuple[Running, ...]:
        """Jobs that have not ended."""
        return self.jobs.running()

    def close(self) -> None:
        """Stop the workspace's work."""
        if self._page is not None:
            self._page.close_readers()
        self.work.close()

    def follow_settings(self) -> None:
        """Clinic mode hides the workspace; if it is open, the window goes back to the scan."""
        self.work.settings = self.window_.actions_.settings
        self.window_.steps.show_workspaces(not self.hidden)
        if self.hidden and self.shown:
            self.window_.show_step("load")

    def _open_case(self, folder: Path) -> None:
        actions = self.window_.actions_
        actions.leaving(lambda: actions.open_case(folder))

    def _show_state(self, state: str, reason: str) -> None:
        self.window_.steps.set_state(KEY, state, reason)

    def _stack_moved(self, _index: int) -> None:
        self.window_.menus.follow()
