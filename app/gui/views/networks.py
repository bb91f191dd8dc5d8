"""The attribution by network and hemisphere, positive and negative kept apart."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QWidget

from app.core import wording
from app.core.explanation_wording import titled
from app.core.network_sums import NetworkSum, network_sums
from app.gui.session import Session
from app.gui.widgets.fields import choice, muted, set_choice
from app.gui.widgets.network_bars import NetworkBars
from app.gui.widgets.tables import Table
from app.gui.widgets.view import ElidedLabel, View
from app.gui.widgets.view_keys import ViewCommand

_METHODS = {"scan": "(b) whole scan", "branches": "(a) each branch"}


class NetworksView(View):
    """Bars about zero; a click selects the network everywhere."""

    name = "networks"
    title = "Networks"
    takes_turns = True
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        ViewCommand("next", "Next network", "Down", "next_network", "bars"),
        ViewCommand("previous", "Network before", "Up", "previous_network", "bars"),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (("Click", "Select the network"),)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._rows: tuple[NetworkSum, ...] = ()
        self.method_box = choice(
            "Which attribution is summed",
            _METHODS,
            session.state.plots.sums,
            lambda key: session.change("Attribution summed by network", "plots", sums=key),
        )
        self.tools.addWidget(self.method_box)
        self.bars = NetworkBars()
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(self.bars)
        for widget in (self.bars, self.area.viewport()):  # the panel shows through
            widget.setAutoFillBackground(False)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.read_out = ElidedLabel(lines=2)
        self.read_out.setObjectName("muted")
        legend = muted("log-odds \N{MIDDLE DOT} filled: left \N{MIDDLE DOT} ruled: right")
        legend.setWordWrap(True)
        self.body.addWidget(legend)
        self.body.addWidget(self.area, 1)
        self.body.addWidget(self.read_out)
        self.bars.chosen.connect(session.select_network)
        self.listen(session.network_changed, self._network_changed)
        self.listen(session.plots_changed, self._plots_changed)
        self.listen(session.explain_changed, self._plots_changed)
        self._summed = self._baseline = ""
        self.refresh()

    def refresh(self) -> None:
        """Sum the case's attribution."""
        self._summed = self.session.state.plots.sums
        opened = self.session.drawn if self._summed == "scan" else self.session.case
        self._baseline = opened.baseline if opened is not None else ""
        self.title_label.setText(titled(self.title, self._baseline))
        set_choice(self.method_box, self._summed)
        found = opened.attribution if opened is not None else None
        signals = opened.case.signals if opened is not None else None
        self._rows = ()
        if found is not None and signals is not None:
            branch = found.scan if self._summed == "scan" else found.branches
            self._rows = network_sums(branch.per_parcel, signals.networks, signals.hemispheres)
        self.bars.show_rows(self._rows, self.empty_reason())
        self._network_changed()

    def baseline(self) -> str:
        """Of what is summed."""
        return self._baseline

    def restyle(self) -> None:
        """Names take the theme's colour."""
        self.bars.update()

    def sentence(self) -> str:
        """The selected network's sums, or the largest."""
        return self.read_out.full_text() or self.empty_reason()

    def as_table(self) -> Table | None:
        """One row a network and side."""
        if not self._rows:
            return None
        signed = [
            titled(f"{what}, log-odds", self._baseline) for what in ("positive", "negative", "sum")
        ]
        columns = ("network", "hemisphere", "parcels", *signed)
        rows = [
            (row.network, row.side, row.parcels, row.positive, row.negative, row.net)
            for row in self._rows
        ]
        return Table(columns, rows)

    def _plots_changed(self) -> None:
        drawn = self.session.drawn
        now = drawn.baseline if drawn is not None and self._summed == "scan" else ""
        if self._summed != self.session.state.plots.sums or now != self._baseline:
            self.refresh()

    def _network_changed(self) -> None:
        network = self.session.state.selection.network
        self.bars.set_selected(network)
        own = [row for row in self._rows if row.network == network]
        parts = [
            f"{row.side} {wording.signed(row.positive, 3)} and {wording.signed(row.negative, 3)}"
            for row in own
        ]
        words = f"{network}: {'; '.join(parts)} log-odds" if own else ""
        if not own and self._rows:
            positive = sum(row.positive for row in self._rows)
            negative = sum(row.negative for row in self._rows)
            words = (
                f"All networks: {wording.signed(positive, 3)} and {wording.signed(negative, 3)} "
                "log-odds. Not a cause."
            )
        self.read_out.set_full_text(words)
        if own:
            self.area.ensureVisible(0, round(self.bars.row_middle(str(network)).y()))

    def next_network(self) -> None:
        """The network below."""
        self.bars.step(1)

    def previous_network(self) -> None:
        """The network above."""
        self.bars.step(-1)
