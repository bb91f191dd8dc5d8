"""The connections over the threshold as a ring, in the matrix's network order and colours."""

from __future__ import annotations

from typing import ClassVar

from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core.explanation_wording import baseline_words, titled
from app.gui.connections import (
    matrix_case,
    matrix_title,
    no_connectivity,
    shown_connections,
    value_text,
)
from app.gui.session import Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.connection_rows import connection_table
from app.gui.widgets.ring_canvas import RingCanvas, RingContent
from app.gui.widgets.tables import Table
from app.gui.widgets.threshold_row import ThresholdRow
from app.gui.widgets.view import ElidedLabel, View
from app.gui.widgets.view_keys import ViewCommand


class RingView(View):
    """Same connections, threshold, selection and colours as the matrix."""

    name = "ring"
    title = "Ring"
    takes_turns = True
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        ViewCommand("next", "Next connection", "Right; Down", "next_edge", "canvas"),
        ViewCommand("previous", "Connection before", "Left; Up", "previous_edge", "canvas"),
        ViewCommand("select", "Select this connection", "Return; Enter", "select_edge", "canvas"),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click a curve", "Select the connection everywhere"),
        ("Click the rim", "Select the region everywhere"),
        ("Click a network's name, double click its rim", "Select the network everywhere"),
    )

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.threshold = ThresholdRow(session, words=False)
        self.tools.addWidget(self.threshold)
        self.canvas = RingCanvas()
        self.canvas.setAccessibleName("Ring of connections")
        self.bar = ColourBar()
        self.read_out = ElidedLabel(lines=3)
        self.read_out.setObjectName("muted")
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.canvas, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        self.body.addWidget(self.read_out)
        self.canvas.hovered.connect(self._hovered)
        self.canvas.clicked.connect(session.select_edge)
        self.canvas.parcel_clicked.connect(session.select_parcel)
        self.canvas.network_clicked.connect(session.select_network)
        self.listen(session.parcel_changed, self._selection_changed, soon=True)
        self.listen(session.edge_changed, self._selection_changed, soon=True)
        self.listen(session.network_changed, self._selection_changed, soon=True)
        self.listen(session.display_changed, self._state_changed)
        self.listen(session.plots_changed, self._state_changed)
        self.listen(session.explain_changed, self._state_changed)
        self._drawn: object = None
        self.refresh()

    def refresh(self) -> None:
        """Draw the connections that the session's threshold leaves."""
        opened, shown = self.session.case, shown_connections(self.session)
        self._drawn = shown
        self.threshold.follow()
        if opened is None or opened.case.signals is None or shown is None:
            self.canvas.show_content(None, self.empty_reason())
            self.bar.set_scale(None)
            self.read_out.set_full_text("")
            return
        networks = opened.case.signals.networks
        self.canvas.show_content(
            RingContent(shown.edges, opened.order, networks, shown.scale, shown.doubtful)
        )
        self.title_label.setText(titled(self.title, shown.baseline))
        clipped, note = shown.scale.clipped(shown.matrix), baseline_words(shown.baseline)
        self.bar.set_scale(shown.scale, clipped=clipped, note=note)
        self._selection_changed()

    def empty_reason(self) -> str:
        """Also where too few frames were left."""
        return no_connectivity(self.session) or super().empty_reason()

    def baseline(self) -> str:
        """Of the connections that are drawn."""
        shown = shown_connections(self.session)
        return shown.baseline if shown is not None else ""

    def restyle(self) -> None:
        """Curves and names take the theme's colours."""
        self.canvas.update()

    def _state_changed(self) -> None:
        if shown_connections(self.session) is not self._drawn:
            self.refresh()

    def sentence(self) -> str:
        """What is drawn and what is selected."""
        shown = shown_connections(self.session)
        if shown is None:
            return self.empty_reason()
        title = matrix_title(matrix_case(self.session, shown.kind), shown.kind)
        return f"Ring, {title}. {self.read_out.full_text()}"

    def as_table(self) -> Table | None:
        """One row a connection that is drawn."""
        return connection_table(self.session)

    def _words(self, first: int, second: int) -> str:
        opened, shown = self.session.case, shown_connections(self.session)
        if opened is None or opened.case.signals is None or shown is None or first < 0:
            return ""
        names, networks = opened.case.signals.parcel_names, opened.case.signals.networks
        if second < 0:
            own = (shown.edges.first == first) | (shown.edges.second == first)
            name = names[first].replace("_", " ")
            return f"{name}, {networks[first]}: {int(own.sum())} of the connections shown"
        pair = f"{names[first]} \N{EN DASH} {names[second]}".replace("_", " ")
        value = value_text(float(shown.matrix[first, second]), shown.unit)
        return f"{pair}: {value} {shown.unit}".strip()

    def _hovered(self, first: int, second: int) -> None:
        words = self._words(first, second)
        if not words:
            edge, parcel = self.session.edge, self.session.parcel
            words = self._words(*(edge if edge is not None else (-1, -1)))
            if words and self.canvas.selected_beside() is not None:
                words += " (selected; not one of the connections shown)"
            words = words or self._words(-1 if parcel is None else parcel, -1)
            shown = shown_connections(self.session)
            words = "  \N{MIDDLE DOT}  ".join(
                filter(None, (words, shown.words if shown else "", self.canvas.key_words()))
            )
        self.read_out.set_full_text(words)
        self.canvas.setAccessibleDescription(words)

    def _selection_changed(self) -> None:
        session = self.session
        self.canvas.set_selection(session.parcel, session.edge, session.state.selection.network)
        self._hovered(-1, -1)

    def next_edge(self) -> None:
        """The next weaker connection."""
        self.canvas.step(1)

    def previous_edge(self) -> None:
        """The next stronger connection."""
        self.canvas.step(-1)

    def select_edge(self) -> None:
        """Select what was walked to."""
        self.canvas.choose_under()
