"""Explanation health: convergence, agreement over repeats, sanity checks, single features."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton, QWidget

from app.core import wording
from app.core.explanation_health import BASELINES, ExplanationHealth, Repeat
from app.core.explanation_wording import (
    SUPPRESSOR_CAPTION,
    health_rows,
    stability_text,
    univariate_lines,
)
from app.gui.session import Session
from app.gui.widgets.facts import FactsArea, wrapped
from app.gui.widgets.tables import Cell, Table
from app.gui.widgets.view import View

_COMPUTE = "Compute explanation health"
AS_SHOWN = "As shown: all references"


class HealthView(View):
    """What the explanation is worth, and what changes with another baseline."""

    name = "health"
    title = "Health"

    health_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.running = False  # the worker explains already
        self.compute = QPushButton(_COMPUTE)
        self.compute.setToolTip(
            "Draws the map again from other baselines, windows, token orders and halves, and by "
            "models that know nothing; some minutes"
        )
        self.compute.clicked.connect(self.health_asked)
        self.unstable = QCheckBox("Unstable in the lists")
        self.unstable.setToolTip("Lists name parcels and connections under the stability limit too")
        self.unstable.toggled.connect(self._unstable_toggled)
        row = QHBoxLayout()
        row.addWidget(self.compute)
        row.addStretch(1)
        row.addWidget(self.unstable)
        self.body.addLayout(row)
        self.baseline = QComboBox()
        self.baseline.setAccessibleName("Baseline of the explanation")
        self.baseline.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.baseline.setMinimumContentsLength(len(AS_SHOWN))
        self.baseline.activated.connect(self._baseline_chosen)
        self.figures = wrapped("")
        self.figures.setAccessibleName("Figures of the chosen baseline")
        label = QLabel("&Baseline")
        label.setBuddy(self.baseline)
        self.body.addWidget(label)
        self.body.addWidget(self.baseline)
        self.facts = FactsArea(above=self.figures)
        self.facts.setAccessibleName("Explanation health")
        self.body.addWidget(self.facts, 1)
        self.listen(session.explain_changed, self._follow)
        self.refresh()

    def refresh(self) -> None:
        """Show the figures of the case that is open."""
        opened = self.session.case
        found = opened.attribution if opened is not None else None
        health = opened.health if opened is not None else None
        self.compute.setEnabled(found is not None and not self.running)
        self.compute.setVisible(health is None)
        self.unstable.setVisible(health is not None)
        self.baseline.clear()
        self.baseline.addItem(AS_SHOWN)
        for repeat in self._baselines():
            self.baseline.addItem(repeat.name)
        self.baseline.setEnabled(self.baseline.count() > 1)
        if found is None:
            self.facts.show_facts((("", self.empty_reason()),))
        else:
            rows = [*health_rows(found, health), ("Caption", SUPPRESSOR_CAPTION)]
            if health is not None:
                rows += [("Single features", health.univariate_text), *univariate_lines(health)]
            self.facts.show_facts(rows, stacked=True)
        self._follow()

    def set_running(self, running: bool) -> None:
        """One explanation at a time: the button says that it is being made."""
        self.running = running
        self.compute.setText("Being computed…" if running else _COMPUTE)
        opened = self.session.case
        self.compute.setEnabled(
            not running and opened is not None and opened.attribution is not None
        )

    def _baselines(self) -> tuple[Repeat, ...]:
        health = self._health()
        return () if health is None else health.of_kind(BASELINES)

    def _health(self) -> ExplanationHealth | None:
        return self.session.case.health if self.session.case is not None else None

    def _follow(self) -> None:
        """Show what the state says: the chosen baseline with its own figures."""
        state = self.session.state.explain
        self.unstable.setChecked(state.show_unstable)
        chosen = min(max(state.baseline, 0), self.baseline.count() - 1)
        self.baseline.setCurrentIndex(chosen)
        opened, repeats = self.session.case, self._baselines()
        found = opened.attribution if opened is not None else None
        if found is None:
            self.figures.setText("")
        elif chosen == 0 or chosen > len(repeats):
            scan = found.scan
            self.figures.setText(
                f"Completeness error {wording.number(scan.completeness_error, 2)} log-odds of "
                f"{wording.signed(scan.output_difference)}, {scan.nodes} nodes; agreement of (a) "
                f"and (b): Spearman {wording.signed(found.agreement)}. "
                f"{stability_text(self._health())}"
            )
        else:
            one = repeats[chosen - 1]
            self.figures.setText(
                f"Completeness error {wording.number(one.completeness_error, 2)} log-odds of "
                f"{wording.signed(one.output_difference)}, {one.nodes} nodes; agreement with the "
                f"map as shown: Spearman {wording.signed(one.agreement)} over parcels, "
                f"{wording.signed(one.connections_agreement)} over connections."
            )

    def _baseline_chosen(self, index: int) -> None:
        self.session.change("Baseline of the explanation", "explain", baseline=index)

    def _unstable_toggled(self, checked: bool) -> None:
        self.session.change("Unstable regions in the lists", "explain", show_unstable=checked)

    def as_table(self) -> Table | None:
        """Every parcel's stability; each repeat's agreement stands in the case's JSON."""
        opened, health = self.session.case, self._health()
        signals = opened.case.signals if opened is not None else None
        if health is None or signals is None:
            return None
        rows: list[tuple[Cell, ...]] = [
            (name, network, float(value), "unstable" if value < health.limit else "stable")
            for name, network, value in zip(
                signals.parcel_names, signals.networks, health.stability.tolist(), strict=True
            )
        ]
        return Table(("region", "network", "stability (0 to 1)", "verdict"), rows)

    def sentence(self) -> str:
        """Stability in words."""
        return stability_text(self._health())
