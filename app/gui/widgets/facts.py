"""Named facts under each other, wrapped and selectable, in a scrolling area."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.core import wording
from app.core.results import Finding, Severity
from app.gui.widgets.icons import StateSign

SIGNS = {Severity.NOTE: "idle", Severity.WARNING: "attention", Severity.BLOCKING: "blocked"}


class FactsArea(QScrollArea):
    """Names at the left, what is known at the right; findings with their signs below."""

    def __init__(self, parent: QWidget | None = None, *, above: QWidget | None = None) -> None:
        super().__init__(parent)
        content = QWidget()
        self._facts = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 2, 6, 2)
        self._column.setSpacing(6)
        if above is not None:  # scrolled with the facts
            self._column.addWidget(above)
        self._column.addWidget(self._facts)
        self._column.addStretch(1)
        self.setWidget(content)
        content.setAutoFillBackground(False)  # setWidget turned it on; the panel shows through
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.viewport().setAutoFillBackground(False)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_facts(
        self,
        rows: Sequence[tuple[str, str]],
        findings: Sequence[Finding] = (),
        *,
        stacked: bool = False,
    ) -> None:
        """Write everything anew; `stacked` puts each name above its words, for narrow places."""
        fresh = QWidget()
        column = QVBoxLayout(fresh)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0 if stacked else 1, 1)
        for row, (name, value) in enumerate(rows):
            label = QLabel(name)
            label.setObjectName("muted")
            label.setWordWrap(stacked)
            place = (2 * row, 0, 2 * row + 1, 0) if stacked else (row, 0, row, 1)
            grid.addWidget(label, place[0], place[1], Qt.AlignmentFlag.AlignTop)
            grid.addWidget(wrapped(value), place[2], place[3])
        column.addLayout(grid)
        if findings:
            title = QLabel("Findings")
            title.setObjectName("title")
            column.addSpacing(4)
            column.addWidget(title)
        told = QGridLayout()
        told.setHorizontalSpacing(8)
        told.setColumnStretch(1, 1)
        for row, finding in enumerate(findings):
            told.addWidget(StateSign(SIGNS[finding.severity]), row, 0, Qt.AlignmentFlag.AlignTop)
            word = wording.SEVERITY_WORDS[finding.severity]
            told.addWidget(wrapped(f"{word}: {finding.message} {finding.hint}".strip()), row, 1)
        column.addLayout(told)
        self._column.replaceWidget(self._facts, fresh)
        self._facts.hide()
        self._facts.deleteLater()
        self._facts = fresh
        self.verticalScrollBar().setValue(0)


def wrapped(text: str) -> QLabel:
    """Plain words that wrap and can be selected."""
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(80)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
