"""The tab that trains and judges: a plan, the included rows, then the evaluation page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import AppError
from app.gui.cohort.evaluation import EvaluationPage
from app.gui.cohort.state import CohortState
from app.gui.cohort.work import CohortWork
from app.gui.widgets.file_dialogs import ask_open
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.theme import scaled

EVALUATIONS, PLAN = "evaluations", "plan.toml"
_WORDS = (
    "Who responded is read only once the plan is locked: outcome, definition, treatment, "
    "population, models and figures stand in a TOML file whose hash is recorded first and printed "
    "with every result. Rivals (age, sex, motion, baseline pain, linear connectivity) are judged "
    "on the same folds. Only included rows of usable quality take part."
)


def plan_notes(path: Path) -> str:
    """What to mind of a plan before it is locked, in sentences; "" for nothing, and for no plan.

    What is wrong with a plan that cannot be read is told as well: it would be refused.
    """
    from app.cohort.learn.flags import too_few_permutations
    from app.cohort.learn.plan import read_plan

    try:
        if path.suffix != ".toml" or not path.is_file() or not path.stat().st_size:
            return ""
        few = too_few_permutations(read_plan(path).protocol.permutations)
    except OSError:
        return ""
    except AppError as error:
        return str(error)
    return f"{few}." if few else ""


class LearningTab(QWidget):
    """Chooses a plan and starts the job; shows what came of it."""

    model_made = Signal(str)  # folder of a bundle

    def __init__(self, state: CohortState, work: CohortWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Train and evaluate")
        self.state, self.work = state, work
        self.plan = QLineEdit()
        self.plan.setPlaceholderText("Analysis plan (plan.toml)")
        self.plan.setAccessibleName("Analysis plan")
        self.plan.textChanged.connect(self._plan_changed)
        browse = QPushButton("Browse\N{HORIZONTAL ELLIPSIS}")
        browse.clicked.connect(lambda _checked=False: self._browse())
        self.model_id = QLineEdit()
        self.model_id.setPlaceholderText("id of a new model (optional)")
        self.model_id.setAccessibleName("Id of the model to train; empty judges only")
        self.model_id.setMaximumWidth(scaled(220))
        self.model_id.textChanged.connect(self._follow)
        self.start = QPushButton("Evaluate")
        self.start.setObjectName("primary")
        self.start.clicked.connect(lambda _checked=False: self.begin())
        self.earlier = QPushButton("Open evaluation\N{HORIZONTAL ELLIPSIS}")
        self.earlier.clicked.connect(lambda _checked=False: self._open_earlier())
        self.take = QPushButton("Import and use")
        self.take.setToolTip("Installs the trained model and chooses it for the next run")
        self.take.clicked.connect(lambda _checked=False: self._take())
        self.take.hide()
        self._archive = ""
        self._look = False  # outcomes are looked for once nothing runs
        self.said = QLabel()
        self.said.setObjectName("muted")
        self.said.setWordWrap(True)
        self.said.hide()
        self.note = QLabel()
        self.note.setObjectName("stamp")
        self.note.setAccessibleName("What to mind before the plan is locked")
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.hide()
        self.page = EvaluationPage(work.messages)
        self.stack = QStackedWidget()
        self.stack.addWidget(self._intro())
        self.stack.addWidget(self.page)
        head = flow(self.plan, browse, self.model_id, self.start, self.earlier, spacing=6)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.addLayout(head)
        column.addWidget(self.note)
        told = QHBoxLayout()
        told.addWidget(self.said, 1)
        told.addWidget(self.take)
        column.addLayout(told)
        column.addWidget(self.stack, 1)
        work.evaluated.connect(self.show_answer)
        work.running_changed.connect(self._follow)
        work.running_changed.connect(self._read_outcomes)
        for signal in (state.opened, state.rows_changed, state.excluded_changed):
            signal.connect(self._follow)
        state.opened.connect(lambda: self.stack.setCurrentIndex(0))
        work.listed.connect(self._listed)
        self._follow()

    def _intro(self) -> QWidget:
        widget = QWidget()
        column = QVBoxLayout(widget)
        words = QLabel(_WORDS)
        words.setObjectName("muted")
        words.setWordWrap(True)
        words.setMaximumWidth(scaled(760))
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()  # an alignment would count lines by the whole width and cut the rest
        row.addStretch(1)
        row.addWidget(words, 100)
        row.addStretch(1)
        column.addStretch(1)
        column.addLayout(row)
        column.addStretch(1)
        return widget

    # what the user asks ----------------------------------------------------------------

    def begin(self) -> None:
        """Judge, and train where an id is given; goes on where an earlier run was stopped."""
        target = self.target()
        if target is not None:
            # an earlier run's figures never stand beside a run that fails
            self.said.hide()
            self.take.hide()
            self.stack.setCurrentIndex(0)
            self.work.learn(Path(self.plan.text()), target, self.model_id.text().strip())

    def target(self) -> Path | None:
        """Folder of this plan's evaluation: one a plan file, so that a rerun goes on in it."""
        if self.state.out_dir is None or not self.plan.text():
            return None
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in Path(self.plan.text()).stem)
        return self.state.out_dir / EVALUATIONS / (name or "plan")

    def show_answer(self, answer: dict[str, Any]) -> None:
        """Show the evaluation that the worker has written."""
        if self.page.show_file(Path(answer["evaluation"])):
            self.stack.setCurrentWidget(self.page)
        told = []
        self._archive = str(answer.get("archive", ""))
        if "bundle" in answer:
            told.append(f"The model was written to {answer['bundle']}.")
            if not answer["shows_numbers"]:
                told.append("It has not earned an individual number: its answers are withheld.")
            if interval := answer.get("interval"):
                told.append(f"A person's 95 % interval: {interval}.")
            self.model_made.emit(answer["bundle"])
        if "report" in answer:
            told.append(f"Report: {answer['report']}")
        self.said.setText(" ".join(told))
        self.said.setVisible(bool(told))
        self.take.setVisible(bool(self._archive))

    # small things ----------------------------------------------------------------------

    def _take(self) -> None:
        self.take.hide()
        self.work.import_model(Path(self._archive))

    def _plan_changed(self, *_told: object) -> None:
        """Outcomes follow the plan: shown where it is locked, sealed where it is not."""
        self._look = True
        words = plan_notes(Path(self.plan.text()))
        self.note.setText(words)
        self.note.setVisible(bool(words))
        self._read_outcomes()
        self._follow()

    def _read_outcomes(self) -> None:
        if not self._look or self.work.running:
            return
        self._look = False
        target, plan = self.target(), Path(self.plan.text())
        if target is not None and plan.is_file():
            self.work.read_outcomes(plan, target)
        else:
            self.state.put_outcomes({})

    def _listed(self) -> None:
        """A cohort was opened: the plan beside its table is proposed, if there is one."""
        beside = None if self.state.bids_dir is None else self.state.bids_dir / PLAN
        if not self.plan.text() and beside is not None and beside.is_file():
            self.plan.setText(str(beside))
        self._plan_changed()

    def _browse(self) -> None:
        name, _ = ask_open(self, "Analysis plan", "", "Plans (*.toml)")
        if name:
            self.plan.setText(name)

    def _open_earlier(self) -> None:
        start = "" if self.state.out_dir is None else str(self.state.out_dir / EVALUATIONS)
        name, _ = ask_open(self, "Open an evaluation", start, "Evaluations (evaluation.json)")
        if name and self.page.show_file(Path(name)):
            self.stack.setCurrentWidget(self.page)

    def _follow(self, *_told: object) -> None:
        done = sum(row.finished for row in self.state.included())
        there = bool(self.plan.text()) and Path(self.plan.text()).is_file()
        self.start.setText("Train" if self.model_id.text().strip() else "Evaluate")
        self.start.setEnabled(there and done > 0 and not self.work.running)
        reason = (
            "" if there and done else
            "Analyse the scans first." if not done else "Choose a plan that is there."
        )  # fmt: skip
        self.start.setToolTip(reason or f"{done} analysed rows are included")
