"""Explanation health: convergence, agreement over repeats, sanity checks, single features."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QWidget

from app.core import wording
from app.core.explanation_health import (
    BASELINES,
    ExplanationHealth,
    Repeat,
    keeps_baselines,
)
from app.core.explanation_lists import CONNECTIONS_RULE, REGIONS_RULE
from app.core.explanation_wording import (
    SUPPRESSOR_CAPTION,
    headed,
    health_estimate,
    health_rows,
    stability_text,
    titled,
    univariate_lines,
)
from app.gui.session import Session
from app.gui.widgets.facts import FactsArea, wrapped
from app.gui.widgets.tables import Cell, Table
from app.gui.widgets.view import View
from app.gui.widgets.work_row import WorkRow

AS_SHOWN = "The answer's own: all references"
_COMPUTE = "Compute explanation health"
_AGAIN = "Compute again, to draw baselines"
_REPORT = "Card, report and case folder keep the answer's own map."
_NOT_KEPT = (
    "Its map is not kept in this older case, so the answer's own stays drawn; compute the health "
    "again to see it."
)


class HealthView(View):
    """What the explanation is worth, and what changes with another baseline."""

    name = "health"
    title = "Health"
    takes_turns = True

    health_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.work = WorkRow(_COMPUTE)
        self.compute = self.work.button
        self.compute.setToolTip(
            "Draws the map again from other baselines, windows, token orders and halves, and by "
            "models that know nothing"
        )
        self.work.asked.connect(self.health_asked)
        self.unstable = QCheckBox("Hatched in the lists")
        self.unstable.setToolTip(f"{REGIONS_RULE} {CONNECTIONS_RULE} Here they can be listed too.")
        self.unstable.toggled.connect(self._unstable_toggled)
        self.body.addWidget(self.work)
        self.body.addWidget(self.unstable)
        self.baseline_box = QComboBox()
        self.baseline_box.setAccessibleName("Baseline of the explanation")
        self.baseline_box.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.baseline_box.setMinimumContentsLength(24)
        self.baseline_box.activated.connect(self._baseline_chosen)
        self.figures = wrapped("")
        self.figures.setAccessibleName("Figures of the chosen baseline")
        label = QLabel("&Baseline")
        label.setBuddy(self.baseline_box)
        self.body.addWidget(label)
        self.body.addWidget(self.baseline_box)
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
        made = opened.case.provenance if opened is not None else None
        estimate = "" if made is None else health_estimate(made.stage_seconds)
        old = health is not None and not keeps_baselines(health)
        self.work.set_offer(
            enabled=found is not None, estimate=estimate if found is not None else ""
        )
        self.compute.setText(_AGAIN if old else _COMPUTE)
        self.work.setVisible(health is None or old)
        self.unstable.setVisible(found is not None)
        self.baseline_box.clear()
        self.baseline_box.addItem(AS_SHOWN)
        for repeat in self._baselines():
            self.baseline_box.addItem(repeat.name)
        self.baseline_box.setEnabled(self.baseline_box.count() > 1)
        if found is None:
            self.facts.show_facts((("", self.empty_reason()),))
        else:
            rows = [*health_rows(found, health), ("Caption", SUPPRESSOR_CAPTION)]
            if health is not None:
                rows += [("Single features", health.univariate_text), *univariate_lines(health)]
            self.facts.show_facts(rows, stacked=True)
        self._follow()

    def _baselines(self) -> tuple[Repeat, ...]:
        health = self._health()
        return () if health is None else health.of_kind(BASELINES)

    def _health(self) -> ExplanationHealth | None:
        return self.session.case.health if self.session.case is not None else None

    def _follow(self) -> None:
        """Show what the state says: the chosen baseline with its own figures."""
        state = self.session.state.explain
        self.unstable.setChecked(state.show_unstable)
        chosen = min(max(state.baseline, 0), self.baseline_box.count() - 1)
        self.baseline_box.setCurrentIndex(chosen)
        opened, drawn, repeats = self.session.case, self.session.drawn, self._baselines()
        found = opened.attribution if opened is not None else None
        self.title_label.setText(headed(self.title, self.baseline()))
        if found is None:
            self.figures.setText("")
        elif chosen == 0 or chosen > len(repeats):
            scan = found.scan
            self.figures.setText(
                f"Completeness error {wording.number(scan.completeness_error, 2)} in a sum of "
                f"{wording.signed(scan.output_difference)} log-odds, {scan.nodes} nodes; "
                f"agreement of (a) and (b): Spearman {wording.signed(found.agreement)}. "
                f"{stability_text(self._health())}"
            )
        else:
            one = repeats[chosen - 1]
            words = (
                f"Completeness error {wording.number(one.completeness_error, 2)} in a sum of "
                f"{wording.signed(one.output_difference)} log-odds, {one.nodes} nodes; "
                f"agreement with the answer's own map: Spearman {wording.signed(one.agreement)} "
                f"over parcels, {wording.signed(one.connections_agreement)} over connections."
            )
            if drawn is not None and drawn.baseline and drawn.attribution is not None:
                correlation = wording.signed(drawn.attribution.agreement)
                words += (
                    f" Drawn now in every view: Spearman {correlation} with (a). "
                    f"{stability_text(drawn.health)} {_REPORT}"
                )
            else:
                words += f" {_NOT_KEPT}"
            self.figures.setText(words)

    def baseline(self) -> str:
        """Which baseline is drawn, where it is not the answer's own."""
        drawn = self.session.drawn
        return drawn.baseline if drawn is not None else ""

    def _baseline_chosen(self, index: int) -> None:
        self.session.change("Baseline of the explanation", "explain", baseline=index)

    def _unstable_toggled(self, checked: bool) -> None:
        self.session.change("Hatched regions in the lists", "explain", show_unstable=checked)

    def as_table(self) -> Table | None:
        """Every parcel's stability; each repeat's agreement stands in the case's JSON."""
        opened = self.session.drawn
        health = opened.health if opened is not None else None
        signals = opened.case.signals if opened is not None else None
        if health is None or signals is None:
            return None
        rows: list[tuple[Cell, ...]] = [
            (name, network, float(value), "unstable" if value < health.limit else "stable")
            for name, network, value in zip(
                signals.parcel_names, signals.networks, health.stability.tolist(), strict=True
            )
        ]
        stability = titled("stability (0 to 1)", self.baseline())
        return Table(("region", "network", stability, "verdict"), rows)

    def sentence(self) -> str:
        """Stability in words, and the baseline that is drawn."""
        drawn = self.session.drawn
        words = stability_text(drawn.health if drawn is not None else None)
        name = self.baseline()
        return f"Baseline: {name}. {words}" if name else words
