"""The evaluation page: answer, models side by side, curves, every other table, plan and flags."""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QScrollArea,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import StorageError
from app.gui.cohort.figures import CURVES, Curve, Record
from app.gui.messages import Messages
from app.gui.widgets.fields import choice
from app.gui.widgets.plots import name_below, pen, plot, style_plot
from app.gui.widgets.tables import Table, TableRows
from app.gui.widgets.theme import scaled, text_scale, tokens

MOST_ROWS, ROW_HEIGHT, CURVES_HEIGHT = 12, 24, 330  # shown whole; px; below it nothing is read
_LINES = ("#4c9be8", "#e0a030", "#5fbf7f", "#c678b0", "#9b8cff", "#d9726b", "#6fbcc4", "#a8a23c",
          "#8a8f98", "#b58863")  # fmt: skip


class EvaluationPage(QWidget):
    """Shows one `Record`; baselines stand beside the model in table and curves."""

    def __init__(self, messages: Messages, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Evaluation")
        self.messages = messages
        self.record: Record | None = None
        self._which = "roc"
        self.sentence, self.secondary = QLabel(), QLabel()
        self.plan, self.remarks = QLabel(), QLabel()
        for label, name in ((self.sentence, "title"), (self.secondary, ""), (self.plan, "muted"),
                            (self.remarks, "stamp")):  # fmt: skip
            label.setObjectName(name)
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.models = _table_view("Models on the same folds")
        self.other = _table_view("Another table of the evaluation")
        self.tables = choice("Which table is shown", {"": "\N{EN DASH}"}, "", self._show_table)
        self.curve = choice("Which curve is shown", CURVES, "roc", self._show_curve)
        self.canvas = pg.GraphicsLayoutWidget()
        self.canvas.setBackground(None)
        self.canvas.setAccessibleName("Curves of the evaluation")
        self.item = plot(self.canvas, 0, "")
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self._lay_out()

    def _lay_out(self) -> None:
        left, right = QWidget(), QWidget()
        for widget, parts in (
            (left, ((self.curve, 0), (self.canvas, 1), (self.legend, 0))),
            (right, ((self.tables, 0), (self.other, 1))),
        ):
            column = QVBoxLayout(widget)
            column.setContentsMargins(0, 0, 0, 0)
            for part, share in parts:
                column.addWidget(part, share)
        narrow = text_scale() > 1.6  # the curve, then the table below it
        below = QSplitter(Qt.Orientation.Vertical if narrow else Qt.Orientation.Horizontal)
        below.addWidget(left)
        below.addWidget(right)
        below.setSizes([500, 560])
        below.setChildrenCollapsible(False)
        below.setMinimumHeight(scaled(CURVES_HEIGHT) * (1 + narrow))
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.sentence)
        column.addWidget(self.secondary)
        column.addWidget(self.remarks)
        column.addWidget(self.models)
        column.addWidget(below, 1)
        column.addWidget(self.plan)
        self.room = QScrollArea()  # words never squeeze tables and curves: the page scrolls
        self.room.setFrameShape(QFrame.Shape.NoFrame)
        self.room.setWidgetResizable(True)
        self.room.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.room.setAccessibleName("Evaluation, scrolled")
        self.room.setWidget(body)
        self.room.viewport().setAutoFillBackground(False)
        body.setAutoFillBackground(False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.room)

    def show_file(self, path: Path) -> bool:
        """Show an ``evaluation.json``; False where it cannot be read, which is told."""
        try:
            record = Record.read(path)
        except StorageError as error:
            self.messages.tell(error)
            return False
        self.show_record(record)
        return True

    def show_record(self, record: Record) -> None:
        """Show an evaluation."""
        self.record = record
        self.sentence.setText("  ".join((*record.stamps, record.sentence())))
        self.secondary.setText(record.secondary())
        self.secondary.setVisible(bool(record.secondary()))
        self.plan.setText(record.plan_words())
        self.remarks.setText("\n".join(record.remarks()))
        self.remarks.setVisible(bool(record.remarks()))
        _fill(self.models, record.models())
        rows = 3 + min(self.models.model().rowCount(), MOST_ROWS)  # header, scroll bar, frame
        self.models.setFixedHeight(scaled(ROW_HEIGHT) * rows)
        self._tables = record.tables()
        with QSignalBlocker(self.tables):
            self.tables.clear()
            for title in self._tables:
                self.tables.addItem(title, title)
        self.room.verticalScrollBar().setValue(0)
        self._show_table(next(iter(self._tables), ""))
        self._show_curve(self._which)

    def _show_table(self, title: str) -> None:
        if title in getattr(self, "_tables", {}):
            _fill(self.other, self._tables[title])

    def _show_curve(self, which: str) -> None:
        self._which = which
        if self.record is None:
            return
        lines, below, left = self.record.curves(which)
        colours = tokens(self.palette())
        self.item.clear()
        name_below(self.item, below)
        self.item.setLabel("left", left)
        style_plot(self.item, colours)
        words = []
        for number, line in enumerate(lines):
            colour = self._colour(line, number)
            self._draw(line, colour)
            words.append(f'<span style="color:{colour}">\N{HORIZONTAL BAR}</span> {line.label}')
        self.legend.setText("&nbsp;&nbsp; ".join(words))
        if which.startswith("learning") and not lines[0].points:
            self.legend.setText("The plan asked for no learning curve, or none could be made.")
        self.item.autoRange()
        if which == "decision":  # treating all falls far below what anybody would consider
            top = max((y for line in lines for _, y in line.points), default=0.5)
            self.item.setYRange(-0.1, max(top, 0.1) * 1.1)

    def _colour(self, line: Curve, number: int) -> str:
        colours = tokens(self.palette())
        if line.dashed:
            return colours.muted
        return colours.accent if line.strong else _LINES[number % len(_LINES)]

    def _draw(self, line: Curve, colour: str) -> None:
        style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
        if line.points:
            x, y = zip(*line.points, strict=True)
            self.item.plot(list(x), list(y), pen=pen(colour, 3.0 if line.strong else 1.2, style))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.record is not None:
            self._show_curve(self._which)


def _table_view(name: str) -> QTableView:
    view = QTableView()
    view.setAccessibleName(name)
    view.setAlternatingRowColors(True)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(scaled(ROW_HEIGHT))
    view.horizontalHeader().setStretchLastSection(True)
    view.setWordWrap(False)
    view.setMinimumHeight(96)
    return view


def _fill(view: QTableView, table: Table) -> None:
    before = view.model()
    view.setModel(TableRows(table))
    if before is not None:
        before.deleteLater()
    view.model().setParent(view)
    view.resizeColumnsToContents()
