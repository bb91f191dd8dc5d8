"""The workspace as a page: folder and queue above, tabs below."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.progress import ProgressEvent
from app.gui.cohort.folder_dialog import FolderDialog
from app.gui.cohort.learning import LearningTab
from app.gui.cohort.matrices import MatricesTab
from app.gui.cohort.participants import ParticipantsTab
from app.gui.cohort.sheet import SheetTab
from app.gui.cohort.state import CohortState
from app.gui.cohort.work import RUN, CohortWork
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.page_room import FittedPage
from app.gui.widgets.progress_panel import ProgressPanel
from app.gui.widgets.theme import font, scaled
from app.gui.widgets.view import ElidedLabel


class CohortPage(FittedPage):
    """Participants, their queue, group matrices; one background job at a time."""

    case_asked = Signal(object)  # folder of a case to open
    model_asked = Signal(str)  # id of a model whose card is wanted
    state_changed = Signal(str, str)  # state of the step's button, reason

    def __init__(self, state: CohortState, work: CohortWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cohort")
        self.state, self.work = state, work
        self.dialog: FolderDialog | None = None
        self.folder = ElidedLabel()
        self.folder.setObjectName("title")
        self.findings = QLabel()
        self.findings.setObjectName("stamp")
        self.findings.setWordWrap(True)
        self.findings.setTextFormat(Qt.TextFormat.PlainText)
        self.findings.hide()
        self.run = QPushButton("Run")
        self.run.setObjectName("primary")
        self.run.clicked.connect(lambda _checked=False: self.run_included())
        self.other = QPushButton("Open folder\N{HORIZONTAL ELLIPSIS}")
        self.other.clicked.connect(lambda _checked=False: self.ask_folder())
        self.card = QPushButton("Model card")
        self.card.clicked.connect(lambda _checked=False: self.model_asked.emit(self.work.model_id))
        self.model = QComboBox()
        self.model.setAccessibleName("Model that the queue asks")
        self.model.setToolTip("Installed model that the next run asks; rows of another one are "
                              "analysed again")  # fmt: skip
        self.model.setMinimumWidth(scaled(160))
        self.model.activated.connect(lambda _i: state.choose_model(self.model.currentText()))
        self.participants = ParticipantsTab(state, work)
        self.participants.case_asked.connect(self.case_asked)
        self.matrices = MatricesTab(state, work)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.addTab(self.participants, "Participants")
        self.tabs.addTab(self.matrices, "Matrices")
        self.sheet = SheetTab(state)
        self.sheet.case_asked.connect(self.case_asked)
        self.tabs.addTab(self.sheet, "Contact sheet")
        self.learning = LearningTab(state, work)
        self.tabs.addTab(self.learning, "Train and evaluate")
        self.progress = ProgressPanel()
        self.engine = QLabel()
        self.engine.setObjectName("muted")
        self.engine.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.engine.hide()
        self.stack = QStackedWidget()
        self.stack.addWidget(self._empty())
        self.stack.addWidget(self._whole())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack, 1)
        outer.addWidget(self.progress)
        outer.addWidget(self.engine)
        self._connect()
        self._follow()

    def _empty(self) -> QWidget:
        widget = QWidget()
        column = QVBoxLayout(widget)
        column.addStretch(1)
        title = QLabel("No cohort is open")
        title.setFont(font(self.font(), scale=1.7, bold=True))
        words = QLabel(
            "Open a BIDS folder: every scan goes through the same steps as a single one, side by "
            "side, and one that fails never stops the others."
        )
        words.setObjectName("muted")
        words.setWordWrap(True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        button = QPushButton("Open BIDS folder\N{HORIZONTAL ELLIPSIS}")
        button.setObjectName("primary")
        button.clicked.connect(lambda _checked=False: self.ask_folder())
        for part in (title, words, button):
            across = part is words  # as wide as the page: a label that wraps asks for a narrow room
            side = Qt.AlignmentFlag(0) if across else Qt.AlignmentFlag.AlignHCenter
            column.addWidget(part, 0, side)
            column.addSpacing(8)
        column.addStretch(1)
        return widget

    def _whole(self) -> QWidget:
        widget = QWidget()
        self.folder.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(widget)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(flow(self.folder, self.model, self.card, self.other, self.run))
        column.addWidget(self.findings)
        column.addWidget(self.tabs, 1)
        return widget

    def _connect(self) -> None:
        jobs, state, work = self.work.jobs, self.state, self.work
        changes = (state.opened, state.rows_changed, state.excluded_changed, state.models_changed)
        for signal in changes:
            signal.connect(self._follow)
        work.running_changed.connect(self._follow)
        work.listed.connect(self._show_findings)
        work.engine_told.connect(self._show_engine)
        jobs.started.connect(self._started)
        jobs.progressed.connect(self._progressed)
        jobs.finished.connect(self._finished)
        self.progress.cancel_asked.connect(lambda _job_id: work.cancel())

    # what the user asks ----------------------------------------------------------------

    def ask_folder(self) -> None:
        """Choose a BIDS folder and where its results go."""
        self.dialog = FolderDialog(self)
        self.dialog.chosen.connect(self.open_folder)
        self.dialog.destroyed.connect(self._dialog_closed)
        self.dialog.open()

    def open_folder(self, bids_dir: Path, out_dir: Path) -> None:
        """List a folder's visits."""
        self.findings.hide()
        self.engine.hide()
        self.work.open_folder(bids_dir, out_dir)

    def close_readers(self) -> None:
        """Nothing is read any more: the window closes."""
        self.sheet.rows.close()

    def run_included(self) -> None:
        """Analyse every included row that has a scan; done ones are recognised and kept."""
        self.work.run(self.state.runnable())

    # what happens ----------------------------------------------------------------------

    def _started(self, job_id: str) -> None:
        running = self.work.jobs.find(job_id)
        if running is not None:
            self.progress.begin(job_id, running.title)

    def _progressed(self, job_id: str, event: ProgressEvent) -> None:
        self.progress.show_event(job_id, event)

    def _finished(self, job_id: str) -> None:
        self.progress.end(job_id)
        self.engine.hide()

    def _show_engine(self, words: str) -> None:
        self.engine.setText(words)
        self.engine.show()

    def _show_findings(self) -> None:
        self.findings.setText("\n".join(self.state.findings))
        self.findings.setVisible(bool(self.state.findings))

    def _follow(self, *_told: object) -> None:
        state, running = self.state, self.work.running
        self.stack.setCurrentIndex(0 if state.bids_dir is None else 1)
        if state.bids_dir is not None:
            self.folder.set_full_text(f"{state.bids_dir.name}  \N{RIGHTWARDS ARROW}  "
                                      f"{state.out_dir}")  # fmt: skip
        shown = [self.model.itemText(n) for n in range(self.model.count())]
        if shown != list(state.models):
            self.model.clear()
            self.model.addItems(list(state.models))
        self.model.setCurrentText(state.model_id)
        self.model.setEnabled(not running)
        left, counts = len(state.left()), state.counts()
        some = bool(counts["done"] or counts["failed"])
        self.run.setText(f"Go on with {left}" if some and left else f"Run {left}" if left else
                         "Check again")  # fmt: skip
        self.run.setToolTip("Analyses the included rows; what is done is recognised by the hash "
                            "of its bytes and settings, and kept")  # fmt: skip
        self.run.setEnabled(not running and bool(state.runnable()))
        self.other.setEnabled(not running)
        self._tell_step(running, counts)

    def _tell_step(self, running: str, counts: dict[str, int]) -> None:
        if running == RUN:
            self.state_changed.emit("running", "The cohort is being analysed.")
        elif counts["failed"]:
            failed = wording.counted(counts["failed"], "row")
            self.state_changed.emit("attention", f"{failed} could not be analysed.")
        elif counts["rows"] and not counts["waiting"]:
            self.state_changed.emit("done", "Every row is analysed.")
        else:
            self.state_changed.emit("idle", "Many participants at a time.")

    def _dialog_closed(self) -> None:
        self.dialog = None
