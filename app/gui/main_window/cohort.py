"""The Cohort workspace inside the window: made at its first opening, closed with the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QUndoStack

from app.core import wording
from app.gui.cohort.folder_dialog import proposed_results
from app.gui.cohort.page import CohortPage
from app.gui.cohort.state import CohortState
from app.gui.cohort.work import CohortWork
from app.gui.jobs import Jobs, Running

if TYPE_CHECKING:
    from app.gui.main_window.window import MainWindow

KEY = "cohort"


class CohortWorkspace(QObject):
    """State, work and page of the workspace, and what they wish of the window."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self.state = CohortState(self)
        self.jobs: Jobs = window.jobs.sibling()
        self.work = CohortWork(self.state, self.jobs, window.actions_.messages, self)
        self._page: CohortPage | None = None
        self.state.stack.indexChanged.connect(self._stack_moved)
        self.state.rows_changed.connect(lambda _keys: window.follow_stamps())
        self.work.said.connect(window.say)

    @property
    def hidden(self) -> bool:
        """Whether clinic mode keeps the workspaces of research away."""
        return self.window_.actions_.settings.clinic_mode

    @property
    def stack(self) -> QUndoStack:
        """What was included and excluded."""
        return self.state.stack

    def page(self) -> CohortPage:
        """The page, built at its first use."""
        if self._page is None:
            page = CohortPage(self.state, self.work)
            page.case_asked.connect(self._open_case)
            page.model_asked.connect(self.window_.tools.show_card)
            page.state_changed.connect(self._show_state)
            self._page = page
        self.work.settings = self.window_.actions_.settings
        return self._page

    def open_folder(self, bids_dir: Path) -> None:
        """A folder was dropped on the page: its results go to the proposed place."""
        self.page().open_folder(bids_dir, proposed_results(bids_dir))

    def stamps(self) -> tuple[str, ...]:
        """What must stand over the rows."""
        return wording.stamps(simulated=self.state.simulated, research_only=False)

    def running(self) -> tuple[Running, ...]:
        """Jobs that have not ended."""
        return self.jobs.running()

    def close(self) -> None:
        """Stop the workspace's work."""
        self.work.close()

    def follow_settings(self) -> None:
        """Clinic mode hides the workspace; if it is open, the window goes back to the scan."""
        self.work.settings = self.window_.actions_.settings
        self.window_.steps.show_workspaces(not self.hidden)
        if self.hidden and self.window_.shown_step == KEY:
            self.window_.show_step("load")

    def _open_case(self, folder: Path) -> None:
        self.window_.actions_.open_case(folder)

    def _show_state(self, state: str, reason: str) -> None:
        self.window_.steps.set_state(KEY, state, reason)

    def _stack_moved(self, _index: int) -> None:
        self.window_.menus.follow()
