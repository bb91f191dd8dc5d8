"""Published models and atlases: what there is, its licence, install, take over, verify, remove.

Nothing here waits: every wish is a job of a worker of its own, so that an analysis can run while
something is fetched. Closing the dialog leaves the work running.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSplitter,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.core.errors import AppError
from app.core.progress import ProgressEvent
from app.core.published import Published, fact_lines, file_lines, licence_lines
from app.gui.dialogs.questions import ask_remove
from app.gui.jobs import Jobs
from app.gui.widgets.file_dialogs import ask_open_several
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.progress_panel import ProgressPanel
from app.gui.widgets.theme import scaled, text_scale, tokens
from app.worker.published import CATALOGUE
from app.worker.requests import models_job

COLUMNS = ("Name", "Kind", "Size", "Licence", "State")
_LICENCE, _STATE = COLUMNS.index("Licence"), COLUMNS.index("State")
_LETTERS = 60  # of a line beside the box to tick, where the text is large
_LICENCE_LETTERS = 40  # of its column; what stands before it is whole, the state takes the rest
_INTRO = (
    "Published encoders and the A424 atlas are not part of this program. They are fetched only "
    "when you ask for it; without a connection, import files that you carried in."
)


@dataclass(frozen=True, slots=True)
class RowState:
    """What a worker said about one entry."""

    installed: bool = False
    trouble: str = ""
    partial_bytes: int = 0
    words: str = "looking…"


class _WholeRows(QStyledItemDelegate):
    """Draws a chosen row as one: no cell of it looks different."""

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Leave the mark of the current cell out."""
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus


class ModelsDialog(FramedDialog):
    """A table, the facts and terms of the chosen row, and what can be done with it."""

    said = Signal(str)  # one short sentence for the window, when work has ended

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models and atlases")
        self.setModal(False)
        self.wish(980, 640)
        self._jobs = jobs
        self._states: dict[str, RowState] = {}
        self._wishes: dict[str, tuple[str, str]] = {}  # job id -> (job name, entry id)
        self._build()
        jobs.progressed.connect(self._progressed)
        jobs.succeeded.connect(self._succeeded)
        jobs.failed.connect(self._failed)
        jobs.cancelled.connect(self._cancelled)
        jobs.finished.connect(self._finished)
        self.table.selectRow(0)

    # building --------------------------------------------------------------------------

    def _build(self) -> None:
        intro = QLabel(_INTRO)
        intro.setWordWrap(True)
        intro.setObjectName("muted")
        self.table = self._make_table()
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setAccessibleName("Facts and licence of the chosen entry")
        self.accept_box = QCheckBox()
        self.accept_box.toggled.connect(lambda _on: self._follow())
        self.install_button = self._button("&Install", self._install)
        self.install_button.setObjectName("primary")
        self.import_button = self._button("I&mport files…", self._import)
        self.verify_button = self._button("&Verify", self._verify)
        self.remove_button = self._button("&Remove…", self._ask_remove)
        close = self._button("Close", self.close)
        close.setAutoDefault(False)
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.setAccessibleName("What happened last")
        self.message.hide()
        self.progress = ProgressPanel()
        self.progress.cancel_asked.connect(self._jobs.cancel)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(self.text)
        split.setSizes([scaled(190), scaled(300)])
        split.setChildrenCollapsible(False)
        work = flow(self.install_button, self.import_button, self.verify_button, self.remove_button)
        row = QHBoxLayout()
        row.addLayout(work, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignBottom)
        column = self.inside
        column.addWidget(intro)
        column.addWidget(split, 1)
        column.addWidget(self.accept_box)
        column.addWidget(self.message)
        column.addWidget(self.progress)
        column.addLayout(row)
        chain = (self.table, self.text, self.accept_box, self.install_button, self.import_button,
                 self.verify_button, self.remove_button, close)  # fmt: skip
        for before, after in pairwise(chain):
            self.setTabOrder(before, after)

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(len(CATALOGUE), len(COLUMNS))
        table.setHorizontalHeaderLabels(list(COLUMNS))
        table.setItemDelegate(_WholeRows(table))
        table.setAccessibleName("Published models and atlases")
        table.verticalHeader().hide()
        table.setShowGrid(False)
        table.setAlternatingRowColors(True)
        table.setTabKeyNavigation(False)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        for index in range(_LICENCE):
            header.setSectionResizeMode(index, QHeaderView.ResizeMode.ResizeToContents)
        table.setColumnWidth(_LICENCE, _LICENCE_LETTERS * table.fontMetrics().averageCharWidth())
        header.setSectionResizeMode(_STATE, QHeaderView.ResizeMode.Stretch)
        for row, entry in enumerate(CATALOGUE):
            cells = (entry.id, entry.kind, entry.size_words, entry.licence.name, RowState().words)
            for column, words in enumerate(cells):
                item = QTableWidgetItem(words)
                item.setToolTip(entry.title if column == 0 else words)
                table.setItem(row, column, item)
        table.itemSelectionChanged.connect(self._chosen)
        return table

    def _button(self, words: str, do: Any) -> QPushButton:
        button = QPushButton(words)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: do())
        return button

    # what is shown -----------------------------------------------------------------------

    @property
    def entry(self) -> Published:
        """The chosen entry."""
        return CATALOGUE[max(self.table.currentRow(), 0)]

    def show_now(self) -> None:
        """Come to the front and look again at what is installed."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.table.setFocus()
        self._look()

    def choose(self, entry_id: str) -> None:
        """Select a row."""
        for row, entry in enumerate(CATALOGUE):
            if entry.id == entry_id:
                self.table.selectRow(row)

    def _chosen(self) -> None:
        entry = self.entry
        lines = [*fact_lines(entry), "", *licence_lines(entry), "", "Files", *file_lines(entry)]
        self.text.setPlainText("\n".join(lines))
        self.accept_box.setChecked(False)
        extra = " and my use is not commercial" if entry.licence.non_commercial else ""
        words = f"I have read the licence of {entry.id} ({entry.licence.name}) and accept it{extra}"
        self.accept_box.setText(textwrap.fill(words, _LETTERS) if text_scale() > 1.5 else words)
        if not self._wishes:
            self.message.hide()
        self._follow()

    def _follow(self) -> None:
        """Grey what cannot be done now."""
        state = self._states.get(self.entry.id, RowState())
        known, busy = self.entry.id in self._states, self._busy()
        may = known and not busy and not state.installed
        there = state.installed or bool(state.trouble)
        if state.installed:
            self.accept_box.setChecked(False)  # the next time it is asked again
        self.install_button.setText("Resu&me" if state.partial_bytes else "&Install")
        self.install_button.setEnabled(may and self.accept_box.isChecked())
        self.import_button.setEnabled(may and self.accept_box.isChecked())
        self.accept_box.setEnabled(may)
        self.verify_button.setEnabled(known and not busy and there)
        self.remove_button.setEnabled(known and not busy and (there or state.partial_bytes > 0))
        reason = "" if self.accept_box.isChecked() or not may else "Accept the licence first"
        self.install_button.setToolTip(reason)
        self.import_button.setToolTip(reason)

    def _busy(self) -> bool:
        return any(name != "models_state" for name, _ in self._wishes.values())

    def _tell(self, words: str, *, fault: bool = False) -> None:
        colours = tokens(self.palette())
        palette = self.message.palette()
        colour = colours.blocked if fault else colours.done
        palette.setColor(self.message.foregroundRole(), QColor(colour))
        self.message.setPalette(palette)
        self.message.setText(words)
        self.message.setAccessibleDescription(words)
        self.message.show()
        if not self.isVisible():
            self.said.emit(words)

    # wishes ------------------------------------------------------------------------------

    def _start(self, name: str, entry_id: str, title: str, **arguments: Any) -> None:
        job = models_job(name, **arguments)
        self._wishes[job.job_id] = (name, entry_id)
        if title:
            self.message.hide()
            self.progress.begin(job.job_id, title)
        self._jobs.start(job, title or "Looking at models")
        self._follow()

    def _look(self) -> None:
        if not self._busy():
            self._start("models_state", "", "")

    def _install(self) -> None:
        entry = self.entry
        self._start(
            "models_install",
            entry.id,
            f"Installing {entry.id}",
            id=entry.id,
            accepted=self.accept_box.isChecked(),
        )

    def _import(self) -> None:
        entry = self.entry
        names, _ = ask_open_several(self, f"Import the files of {entry.id}", "", "All files (*)")
        if names:
            self._start(
                "models_import",
                entry.id,
                f"Importing {entry.id}",
                paths=names,
                id=entry.id,
                accepted=self.accept_box.isChecked(),
            )

    def _verify(self) -> None:
        entry = self.entry
        self._start("models_verify", entry.id, f"Verifying {entry.id}", ids=[entry.id])

    def _ask_remove(self) -> None:
        entry = self.entry
        ask_remove(self, entry.id, lambda: self._remove(entry.id))

    def _remove(self, entry_id: str) -> None:
        self._start("models_remove", entry_id, f"Removing {entry_id}", id=entry_id)

    # answers -----------------------------------------------------------------------------

    def _progressed(self, job_id: str, event: ProgressEvent) -> None:
        self.progress.show_event(job_id, event)

    def _succeeded(self, job_id: str, result: dict[str, Any]) -> None:
        name, entry_id = self._wishes.get(job_id, ("", ""))
        if name == "models_state":
            self._show_states(result["states"])
        elif name == "models_install":
            self._tell(f"{entry_id} is installed.{self._also_needed(entry_id)}")
        elif name == "models_import":
            self._tell(f"{entry_id} was imported.{self._also_needed(entry_id)}")
        elif name == "models_remove":
            self._tell(f"{entry_id} was removed.")
        elif name == "models_verify":
            trouble = result["troubles"].get(entry_id, "")
            words = f"{entry_id} is damaged. {trouble}" if trouble else f"{entry_id} is sound."
            self._tell(words, fault=bool(trouble))

    def _also_needed(self, entry_id: str) -> str:
        needs = next(entry.needs for entry in CATALOGUE if entry.id == entry_id)
        missing = [name for name in needs if not self._states.get(name, RowState()).installed]
        return f" It needs {', '.join(missing)}: install it too." if missing else ""

    def _failed(self, job_id: str, error: AppError) -> None:
        if job_id in self._wishes:
            self._tell(f"{error.message} {error.hint}".strip(), fault=True)

    def _cancelled(self, job_id: str) -> None:
        name, _ = self._wishes.get(job_id, ("", ""))
        if name == "models_install":
            self._tell("Stopped. What has come is kept: Resume goes on from there.")
        elif name and name != "models_state":
            self._tell("Stopped. Nothing was changed.")

    def _finished(self, job_id: str) -> None:
        name, _ = self._wishes.pop(job_id, ("", ""))
        self.progress.end(job_id)
        if name and name != "models_state":
            self._look()
        self._follow()

    def _show_states(self, states: list[dict[str, Any]]) -> None:
        for row, entry in enumerate(CATALOGUE):
            found = next((s for s in states if s["id"] == entry.id), None)
            item = self.table.item(row, _STATE)
            if found is None or item is None:
                continue
            state = RowState(
                found["installed"], found["trouble"], found["partial_bytes"], found["words"]
            )
            self._states[entry.id] = state
            item.setText(state.words)
            item.setToolTip(state.trouble or state.words)
        self._follow()
