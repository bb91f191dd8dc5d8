"""The tab with group matrices: mean of the included rows, of two groups, and their difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.core import wording
from app.core.arrays import Floats, Ints
from app.core.colours import CORRELATION_LIMIT, SignedScale, display_order, signed_scale
from app.core.errors import StorageError
from app.core.wording import counted
from app.gui.cohort.state import CohortState
from app.gui.cohort.work import CohortWork
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.fields import choice
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.matrix_canvas import MatrixCanvas
from app.gui.widgets.matrix_content import MatrixContent
from app.gui.widgets.tables import Table, TableDialog

_GROUPS = {
    "": "No groups",
    "site": "By site",
    "sex": "By sex",
    "arm": "By arm",
    "session": "By visit",
    "quality": "By quality",
}
_EMPTY = "Choose Compute: the mean of the included rows is made in the background."


class MatricesTab(QWidget):
    """Means with their n; pooled only where drug, time point and definition are one."""

    def __init__(self, state: CohortState, work: CohortWork, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Group matrices")
        self.state, self.work = state, work
        self.group_by = ""
        self._matrices: dict[str, Floats] = {}
        self._counts: dict[str, Ints] = {}
        self._names: tuple[str, ...] = ()
        self._shown = ""
        self.groups = choice("Two groups to compare", _GROUPS, "", self._choose_groups)
        self.compute = QPushButton("Compute")
        self.compute.setObjectName("primary")
        self.compute.clicked.connect(lambda _checked=False: work.make_matrices(self.group_by))
        self.which = choice("Which matrix is shown", {"": "\N{EN DASH}"}, "", self._show)
        self.table = QPushButton("Show as table")
        self.table.setToolTip("The matrix in words and numbers, region by region")
        self.table.clicked.connect(lambda _checked=False: self.show_table())
        self.canvas = MatrixCanvas()
        self.canvas.setAccessibleName("Matrix of a group")
        self.bar = ColourBar()
        self.said = QLabel()
        self.said.setObjectName("muted")
        self.said.setWordWrap(True)
        self.read_out = QLabel("Point at a cell to read it.")
        self.read_out.setObjectName("muted")
        self.read_out.setWordWrap(True)
        self.read_out.setTextFormat(Qt.TextFormat.PlainText)
        self.canvas.hovered.connect(self._hovered)
        head = flow(self.groups, self.compute, self.which, self.table, spacing=6)
        row = QHBoxLayout()
        row.addWidget(self.canvas, 1)
        row.addWidget(self.bar)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 0, 0)
        column.addLayout(head)
        column.addLayout(row, 1)
        column.addWidget(self.read_out)
        column.addWidget(self.said)
        work.matrices_ready.connect(self.show_answer)
        work.running_changed.connect(self._follow)
        state.opened.connect(self.clear)
        state.excluded_changed.connect(self._outdated)
        state.rows_changed.connect(self._follow)
        self.clear()

    def clear(self) -> None:
        """Nothing was computed yet."""
        self._matrices, self._counts = {}, {}
        self.which.hide()
        self.table.hide()
        self.canvas.show_content(None, _EMPTY)
        self.bar.set_scale(None)
        self.said.setText("")
        self._follow()

    def show_answer(self, answer: dict[str, Any]) -> None:
        """Show what the worker has made."""
        try:
            with np.load(Path(answer["matrices"]), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, KeyError) as fault:
            self.work.messages.tell(
                StorageError("The matrices cannot be read back.", type(fault).__name__)
            )
            return
        self._names = tuple(map(str, arrays["names"]))
        self._networks = tuple(map(str, arrays["networks"]))
        self._order = display_order(self._networks, tuple(map(str, arrays["hemispheres"])))
        titles = {}
        self._matrices, self._counts = {}, {}
        for number, (name, scans, people) in enumerate(answer["groups"]):
            key = f"mean-{number}"
            label = "all included" if number == 0 else str(name)
            titles[key] = f"Mean of {label} (n = {scans}, {counted(people, 'participant')})"
            self._matrices[key] = np.asarray(arrays["mean"][number], float)
            self._counts[key] = np.asarray(arrays["count"][number], np.int64)
        if "difference" in arrays:
            (_, n1, _), (_, n2, _) = answer["groups"][1:3]
            first, second = answer["groups"][1][0], answer["groups"][2][0]
            words = f"{first} (n = {n1}) minus {second} (n = {n2})"
            titles["difference"] = words
            self._matrices["difference"] = np.asarray(arrays["difference"], float)
        with QSignalBlocker(self.which):
            self.which.clear()
            for key, words in titles.items():
                self.which.addItem(words, key)
        self.which.setMinimumWidth(320)
        self.which.show()
        self.table.show()
        self._left_out = "; ".join(answer["left_out"])
        self._show("difference" if "difference" in titles else "mean-0")
        self.which.setCurrentIndex(self.which.findData(self._shown))

    def _show(self, key: str) -> None:
        matrix = self._matrices.get(key)
        if matrix is None:
            return
        self._shown = key
        difference = key == "difference"
        found = signed_scale(matrix, top_share=1.0)
        scale = (
            SignedScale(found.limit, 0.0, "r")
            if difference
            else (SignedScale(CORRELATION_LIMIT, 0.0, "r"))
        )
        self.canvas.show_content(MatrixContent(matrix, self._order, self._networks, scale))
        self.bar.set_scale(scale, clipped=difference and scale.clipped(matrix))
        words = "Mean of Fisher's z over scans, shown as correlation. "
        words += "The difference describes; it is no test. " if difference else ""
        self.said.setText(words + (f"Left out: {self._left_out}." if self._left_out else ""))

    def cell_text(self, first: int, second: int) -> str:
        """Such as "A - B: +0.42 r, n = 12"."""
        value = float(self._matrices[self._shown][first, second])
        pair = f"{self._names[first]} \N{EN DASH} {self._names[second]}"
        if first == second:
            return f"{self._names[first]}: diagonal"
        if not np.isfinite(value):
            return f"{pair}: covered by no scan"
        count = self._counts.get(self._shown)
        words = f", n = {int(count[first, second])}" if count is not None else ""
        return f"{pair}: {wording.signed(value, 2)} r{words}"

    def show_table(self) -> TableDialog:
        """The matrix that is shown, as a table beside the window."""
        matrix, order = self._matrices[self._shown], self._order.tolist()
        names = [self._names[parcel] for parcel in order]
        rows = [
            (self._names[parcel], *(float(matrix[parcel, other]) for other in order))
            for parcel in order
        ]
        simulated = wording.stamps(simulated=self.state.simulated, research_only=False)
        stamps = "  \N{MIDDLE DOT}  ".join((*simulated, wording.RUO_LINE))
        table = Table(("Region", *names), rows)
        dialog = TableDialog(self.which.currentText(), stamps, table, self)
        dialog.show()
        return dialog

    def _hovered(self, first: int, second: int) -> None:
        if first >= 0 and self._shown in self._matrices:
            self.read_out.setText(self.cell_text(first, second))

    def _choose_groups(self, key: str) -> None:
        self.group_by = key

    def _outdated(self, _keys: object) -> None:
        if self._matrices:
            self.said.setText("Rows were included or excluded since: compute again.")

    def _follow(self, *_told: object) -> None:
        self.compute.setEnabled(not self.work.running and self.state.counts()["done"] > 0)
