"""The threshold of the connections: all, so many, or from a magnitude on; shared by all views."""

from __future__ import annotations

import numpy as np
from PySide6.QtWidgets import (
    QBoxLayout,
    QDoubleSpinBox,
    QHBoxLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.gui.connections import DEFAULT_COUNT, MOST, shown_connections
from app.gui.session import Session
from app.gui.widgets.fields import choice, pass_undo, set_choice
from app.gui.widgets.view import ElidedLabel

_WAYS = {"all": "All", "count": "Strongest", "least": "At least"}
_WORDS = "Threshold of the connections"


class ThresholdRow(QWidget):
    """Boxes for the session's threshold and, in words where there is room, what it leaves."""

    def __init__(
        self,
        session: Session,
        parent: QWidget | None = None,
        *,
        words: bool = True,
        upright: bool = False,
    ) -> None:
        super().__init__(parent)
        self.session = session
        self.way_box = choice(_WORDS, _WAYS, "all", self._way_chosen)
        self.count_box = QSpinBox()
        self.count_box.setRange(1, MOST)
        self.count_box.setAccessibleName("Number of connections shown")
        self.count_box.setKeyboardTracking(False)
        self.count_box.valueChanged.connect(self._count_changed)
        self.least_box = QDoubleSpinBox()
        self.least_box.setAccessibleName("Least magnitude of a connection shown")
        self.least_box.setKeyboardTracking(False)
        self.least_box.valueChanged.connect(self._least_changed)
        pass_undo(self.count_box, self.least_box)
        self.words = ElidedLabel(lines=2)
        self.words.setObjectName("muted")
        row: QBoxLayout = QVBoxLayout(self) if upright else QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.way_box, self.count_box, self.least_box):
            row.addWidget(widget)
        self.words.setVisible(words)
        row.addWidget(self.words, 1)
        if upright:
            self.setFixedWidth(self.fontMetrics().averageCharWidth() * 9 + 44)

    def follow(self) -> None:
        """Show what the session says, without telling anybody."""
        plots, shown = self.session.state.plots, shown_connections(self.session)
        correlation = self.session.display.matrix == "correlation"
        threshold = plots.threshold if correlation else plots.attribution_threshold
        way = "count" if plots.edge_count else "least" if threshold > 0.0 else "all"
        set_choice(self.way_box, way)
        self.count_box.setVisible(way == "count")
        self.least_box.setVisible(way == "least")
        self.setEnabled(shown is not None)
        for box in (self.count_box, self.least_box):
            box.blockSignals(True)
        self.count_box.setValue(plots.edge_count or DEFAULT_COUNT)
        if shown is not None:
            digits = 2 if shown.unit == "r" else 5 if shown.unit else 0
            self.least_box.setDecimals(digits)
            self.least_box.setRange(10.0**-digits, max(_largest(shown.edges.value), threshold, 1.0))
            self.least_box.setSingleStep(10.0**-digits)
            self.least_box.setSuffix(f" {shown.unit}" if shown.unit else "")
            self.least_box.setValue(threshold)
        for box in (self.count_box, self.least_box):
            box.blockSignals(False)
        self.words.set_full_text(shown.words if shown is not None else "")

    def _way_chosen(self, way: str) -> None:
        shown = shown_connections(self.session)
        if way == "count":
            count = len(shown.edges) if shown is not None else DEFAULT_COUNT
            self._change(edge_count=max(count, 1))
        elif way == "least" and shown is not None:
            limit = float(shown.edges.limit) if len(shown.edges) else 0.0
            digits = 2 if shown.unit == "r" else 5 if shown.unit else 0
            self._change(edge_count=0, **{self._field(): max(round(limit, digits), 10.0**-digits)})
        else:
            self._change(edge_count=0, **{self._field(): 0.0})

    def _field(self) -> str:
        correlation = self.session.display.matrix == "correlation"
        return "threshold" if correlation else "attribution_threshold"

    def _count_changed(self, count: int) -> None:
        self._change(edge_count=count)

    def _least_changed(self, least: float) -> None:
        self._change(edge_count=0, **{self._field(): least})

    def _change(self, **changes: float) -> None:
        self.session.change(_WORDS, "plots", merge="threshold", **changes)


def _largest(values: object) -> float:
    found = np.abs(np.asarray(values, dtype=float))
    return float(found.max()) if found.size else 0.0
