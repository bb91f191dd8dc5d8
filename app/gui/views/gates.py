"""The quality gates: each value, its limit, where the limit comes from, the verdict in words."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.results import QualityMetric, Severity, Verdict
from app.gui.session import Session
from app.gui.widgets.fields import muted
from app.gui.widgets.icons import icon, state_colour
from app.gui.widgets.theme import font
from app.gui.widgets.view import ElidedLabel, View

_COLUMNS = ("Gate, limit and its source", "Value", "Verdict")
_SIGNS = {Verdict.PASS: "done", Verdict.ATTENTION: "attention", Verdict.WITHHELD: "blocked"}


class GatesView(View):
    """A table of all gates, the worst verdict above, findings below."""

    name = "gates"
    title = "Quality gates"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.verdict = muted("")
        self.tools.addWidget(self.verdict)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setWordWrap(False)
        self.table.setAccessibleName("Quality gates")
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(_COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        self.body.addWidget(self.table, 1)
        self.findings = ElidedLabel()
        self.findings.setObjectName("muted")
        self.body.addWidget(self.findings)
        self.refresh()

    def refresh(self) -> None:
        """Fill the table for the case that is open."""
        opened = self.session.case
        quality = opened.case.quality if opened is not None else None
        self.table.setRowCount(0)
        if opened is None or quality is None:
            self.verdict.setText(self.empty_reason())
            self.findings.set_full_text("")
            return
        self.verdict.setText(f"Overall: {wording.VERDICT_WORDS[quality.verdict]}")
        colours = self.tokens()
        self.table.setRowCount(len(quality.metrics))
        for row, metric in enumerate(quality.metrics):
            state = _SIGNS[metric.verdict]
            colour = state_colour(state, colours)
            self.table.setItem(row, 0, QTableWidgetItem())
            self.table.setCellWidget(row, 0, self._gate(metric))
            value = QTableWidgetItem(wording.metric_value(metric))
            verdict = QTableWidgetItem(wording.VERDICT_WORDS[metric.verdict])
            verdict.setIcon(icon(f"state-{state}", colour, 16))
            verdict.setForeground(QColor(colour))
            self.table.setItem(row, 1, value)
            self.table.setItem(row, 2, verdict)
            self.table.setRowHeight(row, 2 * self.fontMetrics().height() + 9)
        noted = [f for f in opened.case.findings if f.severity is not Severity.NOTE]
        words = "  ".join(f"{wording.SEVERITY_WORDS[f.severity]}: {f.message}" for f in noted)
        self.findings.set_full_text(words or "No findings.")

    def _gate(self, metric: QualityMetric) -> QWidget:
        """The gate's name over its limit and where that comes from."""
        cell = QWidget()
        column = QVBoxLayout(cell)
        column.setContentsMargins(4, 3, 4, 3)
        column.setSpacing(0)
        limit = ElidedLabel(wording.join((metric.limit, metric.source)))
        limit.setObjectName("muted")
        limit.setFont(font(self.font(), scale=0.9))
        column.addWidget(ElidedLabel(metric.label))
        column.addWidget(limit)
        return cell

    def restyle(self) -> None:
        """Signs take the theme's colours."""
        self.refresh()
