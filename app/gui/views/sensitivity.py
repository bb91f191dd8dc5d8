"""Sensitivity: the participant's log-odds under other choices, as marked variants."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from app.core.explanation_wording import (
    VARIANTS_NOTE,
    sensitivity_estimate,
    sensitivity_text,
)
from app.gui.session import Session
from app.gui.widgets.facts import wrapped
from app.gui.widgets.tables import Cell, Table
from app.gui.widgets.variant_strip import VariantStrip
from app.gui.widgets.view import View
from app.gui.widgets.work_row import WorkRow


class SensitivityView(View):
    """A strip of dots against the cut-off; what could not be computed says why."""

    name = "sensitivity"
    title = "Sensitivity"
    takes_turns = True

    sensitivity_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.work = WorkRow("Compute the variants")
        self.compute = self.work.button
        self.compute.setToolTip(
            "Global signal, filter, censoring, repetition time, windows, token orders, halves"
        )
        self.work.asked.connect(self.sensitivity_asked)
        self.body.addWidget(self.work)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.viewport().setAutoFillBackground(False)
        self.area.setAccessibleName("Sensitivity of the log-odds")
        self.body.addWidget(self.area, 1)
        self.refresh()

    def refresh(self) -> None:
        """Draw the strip of the case that is open."""
        opened = self.session.case
        found = opened.sensitivity if opened is not None else None
        shows = opened is not None and not opened.withheld
        made = opened.case.provenance if opened is not None else None
        known = made.stage_seconds if made is not None else {}
        self.work.set_offer(enabled=shows, estimate=sensitivity_estimate(known) if shows else "")
        self.work.setVisible(found is None)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        if found is not None:
            column.addWidget(VariantStrip(found))
            column.addWidget(wrapped(sensitivity_text(found)))
            missing = [one for one in found.variants if one.log_odds is None]
            for one in missing:
                column.addWidget(wrapped(f"{one.group}, {one.name}: not computed. {one.note}"))
        elif not shows:
            column.addWidget(wrapped(self.empty_reason()))
        note = wrapped(VARIANTS_NOTE)
        note.setObjectName("muted")
        column.addWidget(note)
        column.addStretch(1)
        self.area.setWidget(content)
        content.setAutoFillBackground(False)

    def as_table(self) -> Table | None:
        """Every variant with its value or the reason why it has none."""
        found = self.session.case.sensitivity if self.session.case is not None else None
        if found is None:
            return None
        rows: list[tuple[Cell, ...]] = [("as made", "", found.as_made, "")]
        rows += [(one.group, one.name, one.log_odds, one.note) for one in found.variants]
        return Table(("choice", "variant", "log-odds before calibration", "note"), rows)

    def sentence(self) -> str:
        """The range in words."""
        found = self.session.case.sensitivity if self.session.case is not None else None
        return "" if found is None else sensitivity_text(found)
