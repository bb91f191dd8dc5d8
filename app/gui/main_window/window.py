"""The window that holds it all together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QHBoxLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.settings import Settings
from app.gui.actions import Actions
from app.gui.dialogs.questions import ask_stop
from app.gui.jobs import Jobs
from app.gui.main_window import geometry
from app.gui.main_window.asking import Asking, open_dropped
from app.gui.main_window.cohort import CohortWorkspace
from app.gui.main_window.exports import Exports
from app.gui.main_window.guide import Guide
from app.gui.main_window.history_panel import make_history_dock
from app.gui.main_window.job_line import JobLine
from app.gui.main_window.layouts import LAYOUTS
from app.gui.main_window.menus import Menus
from app.gui.main_window.pages_window import PagesWindow
from app.gui.main_window.palettes import Palettes
from app.gui.main_window.recovery import Recovery
from app.gui.main_window.reports import Reports
from app.gui.main_window.resume import ResumeBar
from app.gui.main_window.saving import Saving
from app.gui.main_window.sidebar import Sidebar
from app.gui.main_window.start import StartPanel
from app.gui.main_window.states import step_states
from app.gui.main_window.tools import Tools
from app.gui.messages import ErrorPanel, Messages
from app.gui.session import Session
from app.gui.widgets.banner import Banner
from app.gui.widgets.page_room import PageRoom
from app.gui.widgets.progress_panel import ProgressPanel
from app.gui.widgets.strip import ResearchStrip
from app.gui.widgets.theme import apply_text_size, apply_theme

_SIZE = (1280, 720)
_LEAST = (640, 360)  # 1920 x 1080 at 300 %; pages and steps are scrolled


class MainWindow(PagesWindow):
    """Steps, pages, the research-use strip, progress and errors."""

    actions_: Actions
    asking: Asking
    cohort: CohortWorkspace
    errors: ErrorPanel
    exports: Exports
    guide: Guide
    history_dock: QDockWidget
    job_line: JobLine
    jobs: Jobs
    menus: Menus
    palettes: Palettes
    progress: ProgressPanel
    reports: Reports
    recovery: Recovery
    resume: ResumeBar
    saving: Saving
    session: Session
    tools: Tools

    def __init__(self, jobs: Jobs, messages: Messages, settings: Settings) -> None:
        super().__init__()
        self.setWindowTitle("NeuroResponder")
        self.setAcceptDrops(True)
        room = self.screen().availableGeometry().size()
        self.setMinimumSize(QSize(*_LEAST).boundedTo(room))
        self.resize(QSize(*_SIZE).boundedTo(room))
        self.jobs = jobs
        self.session = Session(self)
        self.actions_ = Actions(self.session, jobs, messages, settings, self)
        self._theme = ""
        self._step = "load"
        self._closing = False
        self._clinic = False
        self._focus_later = QTimer(self)
        self._focus_later.setSingleShot(True)
        self._focus_later.timeout.connect(self._focus_changed)
        self._build(messages)
        self.exports = Exports(self)
        self.palettes = Palettes(self)
        self.asking = Asking(self)
        self.tools = Tools(self)
        self.reports = Reports(self)
        self.saving = Saving(self)
        self.cohort = CohortWorkspace(self)
        self.menus = Menus(self)
        self._connect()
        geometry.restore(self)
        self._settings_changed()
        self._display_changed()
        self._state_changed()

    # building --------------------------------------------------------------------------

    def _build(self, messages: Messages) -> None:
        self.strip = ResearchStrip()
        self.sidebar = Sidebar()
        self.steps = self.sidebar.steps
        self.start = StartPanel()
        self.stack = QStackedWidget()
        self.stack.addWidget(self.start)
        self.errors = ErrorPanel(messages)
        self.resume = ResumeBar(self.actions_)
        self.progress = ProgressPanel()
        self.recovery = Recovery(self)
        middle = QVBoxLayout()
        middle.setContentsMargins(8, 8, 8, 8)
        middle.setSpacing(8)
        self.guide = Guide(self)
        middle.addWidget(self.guide.bar)
        self.page_area = PageRoom(self.stack)
        middle.addWidget(self.page_area, 1)
        middle.addWidget(self.errors)
        middle.addWidget(self.recovery.bar)
        middle.addWidget(self.resume)
        middle.addWidget(self.progress)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.sidebar)
        row.addLayout(middle, 1)
        central = QWidget()
        whole = QVBoxLayout(central)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.strip)
        whole.addLayout(row, 1)
        self.setCentralWidget(central)
        self.banner = Banner(self)
        self.history_dock = make_history_dock(self.session.history, self)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.history_dock)

    def _connect(self) -> None:
        session, jobs, actions = self.session, self.jobs, self.actions_
        self.errors.follow(lambda: session.scan_sha256)
        session.case_changed.connect(self.errors.subject_changed)
        session.case_changed.connect(self._state_changed)
        session.display_changed.connect(self._display_changed)
        self.job_line = JobLine(jobs, actions.reader, self.progress, self)
        jobs.started.connect(lambda _job: self._state_changed())
        jobs.finished.connect(lambda _job: self._state_changed())
        self.progress.cancel_asked.connect(self.resume.told_to_stop)
        self.progress.cancel_asked.connect(actions.cancel)
        self.resume.changed.connect(self._state_changed)
        self.resume.again.clicked.connect(lambda _checked=False: self.run_from_menu())
        actions.begun.connect(self.errors.hide)
        actions.exported.connect(self.guide.exported)
        actions.step_wanted.connect(self.show_step)
        actions.result_ready.connect(self._show_result)
        actions.said.connect(self.say)
        self.steps.chosen.connect(self.show_step)
        self.start.scan_asked.connect(self.asking.ask_scan)
        self.start.case_asked.connect(self.asking.ask_case)
        self.start.path_chosen.connect(actions.open_path)
        self.start.tour_asked.connect(self.guide.begin)
        self.start.convention_chosen.connect(actions.set_convention)
        self.start.show_recent(actions.recent())
        actions.settings_changed.connect(self._settings_changed)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            application.focusChanged.connect(self._focus_moved)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._scheme_changed)

    # steps -----------------------------------------------------------------------------

    @property
    def step(self) -> str:
        """Key of the step that is shown."""
        return self._step

    def show_step(self, key: str) -> None:
        """Open a step; its page is built at the first time."""
        if key == self.cohort.key and self.cohort.hidden:
            return
        self._step = key
        self.steps.choose(key)
        self.cohort.step_changed()
        nothing = self.session.case is None and self.session.preview is None
        if key == "load" and nothing:
            self.stack.setCurrentWidget(self.start)
            self.guide.follow()
            return
        self.stack.setCurrentWidget(self.page(key))
        self.guide.follow()

    def page(self, key: str) -> QWidget:
        """The page of a step, made to its end where it is not yet."""
        for _ in self._making(key):
            pass
        return self._pages[key]

    def make_pages_ahead(self) -> Iterator[None]:
        """Make in parts the pages that a case will need, so that its result finds them."""
        for key in LAYOUTS:
            yield from self._making(key)

    def _making(self, key: str) -> Iterator[None]:
        """The parts of a page that are not made yet; what another began is gone on with."""
        from app.gui.main_window.pages import making_page

        if key == self.cohort.key and key not in self._pages:
            self._add_page(key, self.cohort.page())
        while key not in self._pages:
            parts = self._parts.setdefault(key, making_page(key, self))
            try:
                next(parts)
            except StopIteration as made:
                self._add_page(key, made.value)
                return
            yield

    # what the user asks ------------------------------------------------------------------

    def run_from_menu(self) -> None:
        """Run with what the participant form says, or finish what was cancelled."""
        from app.gui.views.intake import IntakeView

        if self.session.preview is None:
            self.resume.resume()
            return
        form = self.page("load").findChildren(IntakeView)[0]
        if form.problem():
            self.show_step("load")
            self.say(form.problem())
        else:
            self.actions_.run_analysis(form.values())

    def close_case(self) -> None:
        """Go back to the start."""
        self.actions_.cancel_all()
        self.session.show_case(None)
        self.show_step("load")

    def clear_recent(self) -> None:
        """Empty the list of recent files."""
        self.actions_.clear_recent()
        self.start.show_recent(())

    def say(self, words: str) -> None:
        """One sentence over the window for two seconds."""
        self.banner.say(words)

    # what happens --------------------------------------------------------------------------

    def _show_result(self) -> None:
        """From the checks to the answer; who has gone elsewhere meanwhile stays there."""
        if self._step == "check":
            self.show_step("predict")

    def _state_changed(self) -> None:
        running = frozenset(r.job.name for r in self.jobs.running())
        self.session.set_analysing("analyse" in running)
        states = step_states(self.session, running, interrupted=self.resume.interrupted)
        for key, (state, reason) in states.items():
            self.steps.set_state(key, state, reason)
        self.cohort.follow_stamps()
        self.sidebar.show_session(self.session)
        nothing = self.session.case is None and self.session.preview is None
        if nothing:
            self.start.ask_convention(not self.actions_.settings.convention_asked)
            self.start.show_recent(self.actions_.recent())
        if self._step == "load" and (self.stack.currentWidget() is self.start) != nothing:
            self.show_step("load")
        if hasattr(self, "menus"):
            self.menus.follow()
            self.guide.follow()

    def _display_changed(self) -> None:
        if self.session.display.theme != self._theme:
            self._theme = self.session.display.theme
            self._apply_theme()
        self.sidebar.show_session(self.session)
        self.menus.follow()

    def _focus_moved(self) -> None:
        # Not at once: the widget that loses the focus may be dying, with half of its children.
        self._focus_later.start()

    def _settings_changed(self) -> None:
        application = QApplication.instance()
        percent = self.actions_.settings.text_size_percent
        if isinstance(application, QApplication) and apply_text_size(application, percent):
            self._apply_theme()  # with a style sheet Qt hands fonts on only while it polishes
            self._rebuild()
        self.page_area.fit()
        self.sidebar.set_text_size(percent)
        self.start.show_recent(self.actions_.recent())
        self._follow_mode()
        self.menus.follow()

    def _follow_mode(self) -> None:
        """Clinic or research: the guide leads the one, workspaces are for the other."""
        clinic = self.actions_.settings.clinic_mode
        if clinic != self._clinic:
            self._clinic = clinic
            self.guide.begin() if clinic else self.guide.end()
        self.cohort.follow_settings()

    def _rebuild(self) -> None:
        """Make the pages anew: their fonts were scaled from the old text size."""
        self._drop_pages()
        self.cohort.forget_page()
        self.show_step(self._step)

    def _scheme_changed(self, _scheme: Qt.ColorScheme) -> None:
        if self._theme == "system":
            self._apply_theme()

    def _apply_theme(self) -> None:
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, self._theme)

    # Qt's events ---------------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and folders may be dropped anywhere."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys that nothing with the focus wanted, such as Esc."""
        if not self.menus.take_key(event):
            super().keyPressEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped: one thing, or the folder of several files."""
        paths = [Path(u.toLocalFile()) for u in event.mimeData().urls() if u.isLocalFile()]
        if not paths:
            return
        event.acceptProposedAction()
        if not self.cohort.take_dropped(paths):
            open_dropped(self, paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask first where work is running; then stop everything that we started."""
        working = (self.jobs, self.actions_.downloads, self.cohort)
        everything = (one for jobs in working for one in jobs.running())
        running = [one for one in everything if one.job.name != "preview_pages"]
        work, unsaved = running[-1].title if running else "", self.actions_.leaving.unsaved()
        if (work or unsaved) and not self._closing:
            event.ignore()
            ask_stop(self, work, self._stop_and_close, unsaved)
            return
        geometry.save(self)
        self.session.turns.forget(self)
        self._close_views()
        self.exports.close()
        self.recovery.close()
        self.tools.close()
        self.cohort.close()
        self.actions_.close()
        super().closeEvent(event)

    def _stop_and_close(self) -> None:
        self._closing = True
        self.close()
