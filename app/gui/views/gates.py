"""The quality gates: each value, its limit, where the limit comes from, the verdict in words."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.results import (
    QualityMetric,
    QualityReport,
    Severity,
    Verdict,
    overrides_quality,
)
from app.gui.censoring import is_behind
from app.gui.session import Session
from app.gui.widgets.facts import wrapped
from app.gui.widgets.fields import muted
from app.gui.widgets.frame_table import telling_frame
from app.gui.widgets.icons import VERDICT_STATES, icon, state_colour
from app.gui.widgets.tables import Table
from app.gui.widgets.theme import font, scaled
from app.gui.widgets.view import ElidedLabel, View

_COLUMNS = ("Gate, limit and its source", "Value", "Verdict")
_GRAVEST_FIRST = (Severity.BLOCKING, Severity.WARNING, Severity.NOTE)
INFORMING_TITLE = "Informs only: no limit; compare within one protocol"


class GatesView(View):
    """A table of all gates, then what informs only; the worst verdict above, findings below."""

    override_asked = Signal()

    name = "gates"
    title = "Quality gates"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.verdict = muted("")
        self.tools.addWidget(self.verdict)
        self.override = QPushButton("Overrule…")
        self.override.setToolTip("Research mode: compute a number against this verdict")
        self.override.setAccessibleName("Overrule the quality verdict, research mode")
        self.override.clicked.connect(self.override_asked)
        self.tools.addWidget(self.override)
        session.research_wanted_changed.connect(self._follow_research)
        self.table = QTableWidget(0, len(_COLUMNS))
        self.table.setHorizontalHeaderLabels(list(_COLUMNS))
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setAlternatingRowColors(True)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setWordWrap(False)
        self.table.setIconSize(QSize(scaled(16), scaled(16)))
        self.table.setAccessibleName("Quality gates")
        self.table.cellClicked.connect(lambda row, _column: self._to_frame(row))
        self.table.cellActivated.connect(lambda row, _column: self._to_frame(row))
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(_COLUMNS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        self._fit_later = QTimer(self)  # once all columns have their widths
        self._fit_later.setSingleShot(True)
        self._fit_later.timeout.connect(self._fit_rows)
        header.sectionResized.connect(lambda *_column: self._fit_later.start())
        self.body.addWidget(self.table, 1)
        self.findings = ElidedLabel(lines=3)
        self.findings.setObjectName("muted")
        self.body.addWidget(self.findings)
        self.refresh()

    def as_table(self) -> Table | None:
        """Each gate with its value, limit, source and verdict; then what informs only."""
        opened = self.session.case
        quality = opened.case.quality if opened is not None else None
        if quality is None:
            return None
        columns = ("Gate", "Value", "Unit", "Limit", "Source", "Verdict")
        judged = [
            (m.label, m.value, m.unit, m.limit, m.source, wording.VERDICT_WORDS[m.verdict])
            for m in quality.metrics
        ]
        told = [(m.label, m.value, m.unit, "", m.source, "informs only") for m in quality.informing]
        return Table(columns, [*judged, *told])

    def sentence(self) -> str:
        """The worst verdict."""
        return self.verdict.text()

    def refresh(self) -> None:
        """Fill the table for the case that is open."""
        opened = self.session.case
        quality = opened.case.quality if opened is not None else None
        self.table.setRowCount(0)
        self.table.clearSpans()
        self._follow_research()
        if opened is None or quality is None:
            self.verdict.setText(self.empty_reason())
            self.findings.set_full_text("")
            return
        words = f"Overall: {wording.VERDICT_WORDS[quality.verdict]}"
        if overrides_quality(opened.case):
            words += ", overruled in research mode"
        if is_behind(opened):
            words = f"Before the edit: {wording.VERDICT_WORDS[quality.verdict]}"
        self.verdict.setText(f"{words}  ·  table {quality.table_version}")
        for metric in quality.metrics:
            self._add_row(metric, judged=True)
        if quality.informing:
            row = self.table.rowCount()
            self.table.insertRow(row)
            self.table.setSpan(row, 0, 1, len(_COLUMNS))
            title = QTableWidgetItem(INFORMING_TITLE)
            title.setFont(font(self.font(), bold=True))
            title.setFlags(Qt.ItemFlag.ItemIsEnabled)
            self.table.setItem(row, 0, title)
            self.table.setRowHeight(row, self.fontMetrics().height() + 14)
        for metric in quality.informing:
            self._add_row(metric, judged=False)
        self._fit_rows()
        self._show_worst(quality)
        found = sorted(opened.case.findings, key=lambda f: _GRAVEST_FIRST.index(f.severity))
        told = [f"{wording.SEVERITY_WORDS[f.severity]}: {f.message}" for f in found]
        if not any(f.severity is not Severity.NOTE for f in found):
            told.insert(0, "No warnings.")
        self.findings.set_full_text("  ".join(told))

    def _add_row(self, metric: QualityMetric, *, judged: bool) -> None:
        row = self.table.rowCount()
        self.table.insertRow(row)
        self.table.setItem(row, 0, QTableWidgetItem())
        self.table.setCellWidget(row, 0, self._gate(metric, judged=judged))
        value = QTableWidgetItem(wording.metric_value(metric))
        value.setData(Qt.ItemDataRole.UserRole, metric.name)
        self.table.setItem(row, 1, value)
        if judged:
            state, colours = VERDICT_STATES[metric.verdict], self.tokens()
            colour = state_colour(state, colours)
            verdict = QTableWidgetItem(wording.VERDICT_WORDS[metric.verdict])
            verdict.setIcon(icon(f"state-{state}", colour, scaled(16)))
            verdict.setForeground(QColor(colour))
        else:
            verdict = QTableWidgetItem("informs")
            verdict.setForeground(QColor(self.tokens().muted))
        self.table.setItem(row, 2, verdict)

    def _fit_rows(self) -> None:
        """As high as the wrapped words: no gate's name, limit or source is cut."""
        width = self.table.columnWidth(0)
        for row in range(self.table.rowCount()):
            cell = self.table.cellWidget(row, 0)
            if cell is not None:
                self.table.setRowHeight(row, cell.heightForWidth(width))

    def _to_frame(self, row: int) -> None:
        """Go to the frame that a measure is about, in carpet, traces and slices."""
        opened, item = self.session.case, self.table.item(row, 1)
        name = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        if opened is not None and isinstance(name, str):
            frame = telling_frame(opened.case, name, self.session.frame)
            if frame is not None:
                self.session.select_frame(frame)

    def _show_worst(self, quality: QualityReport) -> None:
        """The first gate that decides the verdict is in sight."""
        self.table.scrollToTop()
        if quality.verdict is not Verdict.PASS:
            rows = [i for i, m in enumerate(quality.metrics) if m.verdict is quality.verdict]
            if rows:
                self.table.scrollTo(self.table.model().index(rows[0], 0))

    def _follow_research(self) -> None:
        self.override.setVisible(self.session.may_overrule)

    def _gate(self, metric: QualityMetric, *, judged: bool) -> QWidget:
        """The gate's name over its limit and where that comes from."""
        cell = QWidget()
        column = QVBoxLayout(cell)
        column.setContentsMargins(4, 3, 4, 3)
        column.setSpacing(0)
        words = (wording.limit_text(metric), metric.source) if judged else (metric.source,)
        name, limit = wrapped(metric.label), wrapped(wording.join(words))
        limit.setObjectName("muted")
        limit.setFont(font(self.font(), scale=0.9))
        for label in (name, limit):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)  # rows select
            column.addWidget(label)
        return cell

    def restyle(self) -> None:
        """Signs take the theme's colours."""
        self.refresh()
