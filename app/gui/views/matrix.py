"""The connectivity matrix, or an attribution of connections, with its read-out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.connectome.orders import ORDERS, Ranks, parcel_order
from app.core.arrays import Floats, Ints
from app.core.errors import AppError
from app.core.explanation_wording import baseline_words, titled
from app.gui.connections import (
    KINDS,
    is_gram,
    matrix_case,
    matrix_of,
    matrix_title,
    no_connectivity,
    scale_of,
    shown_connections,
    unit_of,
    value_text,
)
from app.gui.jobs import Reader
from app.gui.session import OpenCase, Session
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice, set_choice
from app.gui.widgets.file_dialogs import ask_save
from app.gui.widgets.matrix_canvas import MatrixCanvas
from app.gui.widgets.matrix_content import MatrixContent, MatrixRows
from app.gui.widgets.matrix_export import FORMATS, matrix_bytes, matrix_sidecar, write_matrix
from app.gui.widgets.tables import Table
from app.gui.widgets.threshold_row import ThresholdRow
from app.gui.widgets.view import ElidedLabel, View
from app.gui.widgets.view_keys import ViewCommand

_POINT = "Point at a cell to read it."


class MatrixView(View):
    """The matrix; a click selects the connection and its first parcel everywhere.

    Parameters
    ----------
    compact
        Short names and without the choices: connectivity only, by network.
    """

    name = "matrix"
    title = "Connectivity"
    takes_turns = True
    commands: ClassVar[tuple[ViewCommand, ...]] = (
        ViewCommand("up", "Cell above", "Up", "cell_up", "canvas"),
        ViewCommand("down", "Cell below", "Down", "cell_down", "canvas"),
        ViewCommand("left", "Cell to the left", "Left", "cell_left", "canvas"),
        ViewCommand("right", "Cell to the right", "Right", "cell_right", "canvas"),
        ViewCommand("select", "Select this connection", "Return; Enter", "select_cell", "canvas"),
        ViewCommand("nearer", "Zoom in about the cell", "Ctrl++; Ctrl+=", "nearer", "canvas"),
        ViewCommand("farther", "Zoom out", "Ctrl+-", "farther", "canvas"),
        ViewCommand("whole", "Whole matrix", "R", "show_whole", "canvas"),
        ViewCommand(
            "export",
            "Export the matrix (TSV, CSV, NPY)\N{HORIZONTAL ELLIPSIS}",
            "",
            "ask_export",
            help="Always in the model's own order of the parcels",
        ),
    )
    gestures: ClassVar[tuple[tuple[str, str], ...]] = (
        ("Click", "Select the connection everywhere"),
        ("Click a network's name or strip", "Select the network everywhere"),
        ("Wheel", "Zoom about the pointer"),
        ("Middle drag, Shift+drag", "Move the zoomed matrix"),
    )

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, compact: bool = False
    ) -> None:
        super().__init__(session, parent)
        self.compact = compact
        self._matrix: Floats | None = None
        self._ranks = Ranks(np.zeros((0, 0)))
        self._clustered: tuple[OpenCase, Ints] | None = None
        self.reader = Reader(self)
        self.canvas = MatrixCanvas(short_names=compact)
        self.canvas.setAccessibleName("Matrix of connections")
        self.bar = ColourBar()
        self.read_out = ElidedLabel(_POINT, lines=2)
        self.read_out.setObjectName("muted")
        self.threshold = ThresholdRow(session, words=False, upright=True)
        if not compact:
            self._add_controls()
        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self.canvas, 1)
        if compact:
            row.addWidget(self.bar)
            self.threshold.setParent(self)
            self.threshold.hide()
        else:
            column = QVBoxLayout()  # beside the square, which needs the height
            column.addWidget(self.threshold)
            column.addWidget(self.bar, 1)
            row.addLayout(column)
        self.body.addLayout(row, 1)
        self.body.addWidget(self.read_out)
        self.canvas.hovered.connect(self._hovered)
        self.canvas.clicked.connect(session.select_edge)
        self.canvas.network_clicked.connect(session.select_network)
        self.listen(session.parcel_changed, self._selection_changed, soon=True)
        self.listen(session.edge_changed, self._selection_changed, soon=True)
        self.listen(session.network_changed, self._selection_changed, soon=True)
        self.listen(session.display_changed, self._state_changed)
        self.listen(session.plots_changed, self._state_changed)
        self.listen(session.explain_changed, self._state_changed)
        self._drawn: object = None
        self.refresh()

    def _add_controls(self) -> None:
        session = self.session
        self.kind_box = choice(
            "What the matrix shows",
            {**KINDS, "correlation": "Pearson r"},  # short: two boxes share a narrow row
            session.display.matrix,
            lambda key: session.set_display(matrix=key),
        )
        self.order_box = choice(
            "Order of the matrix",
            ORDERS,
            session.state.plots.order,
            lambda key: session.change("Order of the matrix", "plots", order=key),
        )
        self.tools.addWidget(self.kind_box)
        self.tools.addWidget(self.order_box)

    # drawing ---------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the case's matrix."""
        kind = self._kind()
        opened = matrix_case(self.session, kind)
        self._matrix = matrix_of(opened, kind)
        self._drawn = self._what_is_drawn()
        if self._matrix is not None and self._matrix is not self._ranks.matrix:
            self._ranks = Ranks(self._matrix)
        if not self.compact:
            set_choice(self.kind_box, self.session.display.matrix)
            set_choice(self.order_box, self.session.state.plots.order)
            self.threshold.follow()
        whole = titled(self.title, self.baseline())
        self.title_label.setText(matrix_title(opened, kind) if is_gram(opened) else whole)
        if opened is None or opened.case.signals is None or self._matrix is None:
            self.canvas.show_content(None, self.empty_reason())
            self.bar.set_scale(None)
            self.read_out.set_full_text("")
            return
        scale = scale_of(self._matrix, kind, gram=self._gram())
        order = self._order(opened)
        by_network = self.compact or self.session.state.plots.order == "network"
        shown = None if self.compact else shown_connections(self.session)
        pairs = shown.edges.pairs() if shown is not None and shown.thresholded else None
        networks = opened.case.signals.networks
        self.canvas.show_content(
            MatrixContent(self._matrix, order, networks, scale, by_network, pairs)
        )
        clipped = (kind != "correlation" or self._gram()) and scale.clipped(self._matrix)
        self.bar.set_scale(scale, clipped=clipped, note=baseline_words(self.baseline()))
        self._selection_changed()

    def restyle(self) -> None:
        """Names take the theme's colour."""
        self.canvas.update()

    def baseline(self) -> str:
        """Of attribution (b), while the matrix shows it."""
        opened = matrix_case(self.session, self._kind())
        return opened.baseline if opened is not None else ""

    def _kind(self) -> str:
        return "correlation" if self.compact else self.session.display.matrix

    def _gram(self) -> bool:
        return self._kind() == "correlation" and is_gram(self.session.case)

    def _unit(self) -> str:
        return unit_of(self._kind(), gram=self._gram())

    def _order(self, opened: OpenCase) -> Ints:
        """Parcel of each row; clustering takes long, so it comes when it is there."""
        kind = "network" if self.compact else self.session.state.plots.order
        signals = opened.case.signals
        assert signals is not None
        if kind == "network":
            return opened.order
        matrix = matrix_of(opened, "correlation")
        if kind != "cluster":
            return parcel_order(
                kind, signals.networks, signals.hemispheres, signals.centroids_mm, matrix
            )
        if self._clustered is not None and self._clustered[0] is opened:
            return self._clustered[1]

        def work() -> Ints:
            return parcel_order(
                "cluster", signals.networks, signals.hemispheres, signals.centroids_mm, matrix
            )

        def tell(found: Ints | AppError) -> None:
            if self.session.case is not opened:
                return  # words and order of a case that is no longer open
            if isinstance(found, AppError):
                self.read_out.set_full_text(f"{found.message} {found.hint}".strip())
            else:
                self._clustered = (opened, found)
                self.refresh()

        self.reader.read("order of the matrix", work, tell)
        if self._clustered is not None and self._clustered[0] is opened:
            return self._clustered[1]
        return opened.order

    def _what_is_drawn(self) -> object:
        plots = self.session.state.plots
        if self.compact:
            return ()
        return (
            self._kind(),
            plots.order,
            plots.threshold,
            plots.attribution_threshold,
            plots.edge_count,
            self.session.state.explain.show_unstable,
            self.baseline(),
        )

    def _state_changed(self) -> None:
        if self._drawn != self._what_is_drawn():
            self.refresh()

    # reading ---------------------------------------------------------------------

    def cell_text(self, first: int, second: int) -> str:
        """Such as "A - B: +0.420 r, rank 12 of 90525"."""
        opened = self.session.case
        if opened is None or opened.case.signals is None or self._matrix is None:
            return ""
        names = opened.case.signals.parcel_names
        value = float(self._matrix[first, second])
        pair = f"{names[first]} \N{EN DASH} {names[second]}".replace("_", " ")
        if first == second and not self._gram():
            return f"{names[first].replace('_', ' ')}: diagonal"
        if not np.isfinite(value):
            return f"{pair}: not covered"
        rank, count = self._ranks.of(value)
        unit = self._unit()
        words = f"{value_text(value, unit)} {unit}".strip()
        return f"{pair}: {words}, rank {rank} of {count}"

    def empty_reason(self) -> str:
        """Also where too few frames were left."""
        opened = self.session.case
        few = opened.not_cleaned if opened is not None and self.compact else ""
        return few or no_connectivity(self.session) or super().empty_reason()

    def sentence(self) -> str:
        """Title, what is pointed at or selected, and what the threshold leaves."""
        if self._matrix is None:
            return self.empty_reason()
        title = matrix_title(matrix_case(self.session, self._kind()), self._kind())
        parts = [title, self.read_out.full_text()]
        return ". ".join(part for part in parts if part)

    def as_table(self) -> Table | None:
        """One row and column a parcel in drawing order, whatever the threshold hides left out."""
        content, opened = self.canvas.content, self.session.case
        if content is None or opened is None or opened.case.signals is None:
            return None
        names = [opened.case.signals.parcel_names[parcel] for parcel in content.order]
        return Table(("Region", *names), MatrixRows(content, names))

    def _hovered(self, first: int, second: int) -> None:
        cell = (first, second) if first >= 0 else self.session.edge
        if cell is None and self._matrix is not None:
            shown = None if self.compact else shown_connections(self.session)
            by_user = shown is not None and shown.thresholded
            self.read_out.set_full_text(shown.words if shown is not None and by_user else _POINT)
        elif cell is not None and self._matrix is not None and max(cell) < len(self._matrix):
            shown = None if self.compact else shown_connections(self.session)
            parts = [self.cell_text(*cell)]
            if shown is not None and shown.thresholded:
                parts.append(shown.words)
            self.read_out.set_full_text("  \N{MIDDLE DOT}  ".join(parts))
            self.canvas.setAccessibleDescription(self.read_out.full_text())

    def _selection_changed(self) -> None:
        session = self.session
        network = () if session.parcel is not None else session.selected_parcels
        self.canvas.set_selection(session.parcel, session.edge, network)
        self._hovered(-1, -1)

    # keys ------------------------------------------------------------------------

    def cell_up(self) -> None:
        """One row up."""
        self.canvas.move_cursor(-1, 0)

    def cell_down(self) -> None:
        """One row down."""
        self.canvas.move_cursor(1, 0)

    def cell_left(self) -> None:
        """One column to the left."""
        self.canvas.move_cursor(0, -1)

    def cell_right(self) -> None:
        """One column to the right."""
        self.canvas.move_cursor(0, 1)

    def select_cell(self) -> None:
        """Select what the cell cursor stands on."""
        self.canvas.choose_cursor()

    def nearer(self) -> None:
        """Zoom in."""
        self.canvas.zoom_by(1.5)

    def farther(self) -> None:
        """Zoom out."""
        self.canvas.zoom_by(1.0 / 1.5)

    def show_whole(self) -> None:
        """Zoom out."""
        self.canvas.show_whole()

    # files -----------------------------------------------------------------------

    def ask_export(self) -> None:
        """Choose where the matrix goes."""
        opened = self.session.case
        if opened is None or self._matrix is None:
            return
        measure = {"correlation": "pearsoncorrelation"}.get(self._kind(), self._kind())
        measure = "gram" if self._gram() else measure
        measure += re.sub("[^A-Za-z0-9]", "", baseline_words(self.baseline()).title())
        proposed = f"{opened.case.stem()}_stat-{measure}_relmat.tsv"
        name, _ = ask_save(self, "Export the matrix", proposed, ";;".join(FORMATS.values()))
        if name:
            self.export_to(Path(name))

    def export_to(self, path: Path) -> None:
        """Write the matrix that is shown, whole and in atlas order; the read-out says how it went.

        Nothing follows from how it is drawn: neither order nor threshold change the file.
        """
        opened, matrix = self.session.case, self._matrix
        signals = opened.case.signals if opened is not None else None
        if opened is None or signals is None or matrix is None:
            return
        path = path if path.suffix in FORMATS else path.with_name(path.name + ".tsv")
        connectome = opened.case.connectome
        frames = connectome.frame_count if connectome is not None else None
        kind = self._kind()
        sidecar = matrix_sidecar(
            signals,
            measure=matrix_title(matrix_case(self.session, kind), kind),
            unit=self._unit(),
            frames=frames,
            stamps=self.stamp_text(),
            sources=f"urn:sha256:{opened.case.scan.sha256}",
        )

        def work() -> None:
            write_matrix(path, matrix_bytes(path.suffix, matrix, signals.parcel_names), sidecar)

        def tell(found: AppError | None) -> None:
            if found is None:
                self.read_out.set_full_text("The matrix was exported in the model's own order.")
            else:
                self.read_out.set_full_text(f"{found.message} {found.hint}".strip())

        self.reader.read("export", work, tell)

    def close_scene(self) -> None:
        """Wait for the threads."""
        self.reader.close()
