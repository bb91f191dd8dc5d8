"""Connectivity, or attribution per connection, as a matrix in network order."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.core import wording
from app.core.arrays import Floats
from app.core.colours import CORRELATION_LIMIT, SignedScale, signed_scale
from app.gui.session import Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.matrix_canvas import MatrixCanvas, MatrixContent
from app.gui.widgets.view import ElidedLabel, View

_KINDS = {
    "correlation": "Pearson correlation",
    "scan": "Attribution (b)",
    "branches": "Attribution (a)",
}


class MatrixView(View):
    """The matrix; a click selects the connection and its first parcel everywhere.

    Parameters
    ----------
    compact
        Short names and without the choice: connectivity only.
    """

    name = "matrix"
    title = "Connectivity"
    takes_turns = True

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, compact: bool = False
    ) -> None:
        super().__init__(session, parent)
        self.compact = compact
        self._matrix: Floats | None = None
        self._kind = "correlation"
        self.canvas = MatrixCanvas(short_names=compact)
        self.bar = ColourBar()
        self.read_out = ElidedLabel("Point at a cell to read it.")
        self.read_out.setObjectName("muted")
        if not compact:
            self.kind_box = choice(
                "What the matrix shows",
                _KINDS,
                session.display.matrix,
                lambda key: session.set_display(matrix=key),
            )
            self.tools.addWidget(self.kind_box)
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.canvas, 1)
        row.addWidget(self.bar)
        self.body.addLayout(row, 1)
        self.body.addWidget(self.read_out)
        self.canvas.hovered.connect(self._hovered)
        self.canvas.clicked.connect(session.select_edge)
        self.listen(session.parcel_changed, self._selection_changed)
        self.listen(session.edge_changed, self._selection_changed)
        self.listen(session.display_changed, self._display_changed)
        self.refresh()

    def refresh(self) -> None:
        """Draw the case's matrix."""
        opened, display = self.session.case, self.session.display
        self._kind = "correlation" if self.compact else display.matrix
        if not self.compact:
            set_choice(self.kind_box, display.matrix)
        self._matrix = self._find_matrix()
        if opened is None or opened.case.signals is None or self._matrix is None:
            self.canvas.show_content(None, self.empty_reason())
            self.bar.set_scale(None)
            return
        clipped = False
        if self._kind == "correlation":
            scale = SignedScale(CORRELATION_LIMIT, 0.0, "r")
        else:
            found = signed_scale(self._matrix, top_share=1.0)
            scale = SignedScale(found.limit, 0.0, found.unit)
            clipped = scale.clipped(self._matrix)
        networks = opened.case.signals.networks
        self.canvas.show_content(MatrixContent(self._matrix, opened.order, networks, scale))
        self.bar.set_scale(scale, clipped=clipped)
        self._selection_changed()

    def restyle(self) -> None:
        """Names take the theme's colour."""
        self.canvas.update()

    def _find_matrix(self) -> Floats | None:
        opened = self.session.case
        if opened is None:
            return None
        if self._kind != "correlation":
            found = opened.attribution
            if found is None:
                return None
            branch = found.scan if self._kind == "scan" else found.branches
            return np.asarray(branch.per_connection)
        connectome = opened.case.connectome
        return None if connectome is None else np.asarray(connectome.matrix)

    def cell_text(self, first: int, second: int) -> str:
        """Such as "A - B: +0.42 r, rank 12 of 90525"."""
        opened = self.session.case
        if opened is None or opened.case.signals is None or self._matrix is None:
            return ""
        names = opened.case.signals.parcel_names
        value = float(self._matrix[first, second])
        pair = f"{names[first]} – {names[second]}"
        if first == second:
            return f"{names[first]}: diagonal"
        if not np.isfinite(value):
            return f"{pair}: not covered"
        upper = np.abs(self._matrix[np.triu_indices(len(names), 1)])
        rank = 1 + int((upper > abs(value)).sum())
        unit = "r" if self._kind == "correlation" else "log-odds"
        digits = 2 if self._kind == "correlation" else 5
        return f"{pair}: {wording.signed(value, digits)} {unit}, rank {rank} of {upper.size}"

    def _hovered(self, first: int, second: int) -> None:
        cell = (first, second) if first >= 0 else self.session.edge
        if cell is not None and self._matrix is not None:
            self.read_out.set_full_text(self.cell_text(*cell))

    def _selection_changed(self) -> None:
        self.canvas.set_selection(self.session.parcel, self.session.edge)
        self._hovered(-1, -1)

    def _display_changed(self) -> None:
        if self._kind != self.session.display.matrix and not self.compact:
            self.refresh()
