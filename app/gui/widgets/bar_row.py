"""The colour bars of all visible layers, side by side, each with its layer's name and count."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.core.explanation_wording import baseline_words
from app.gui.widgets.colour_bar import NOTE_PX, ColourBar
from app.gui.widgets.layer_stack import DrawnLayer
from app.gui.widgets.theme import font
from app.gui.widgets.view import ElidedLabel

_WIDTH_PX = 66


class BarRow(QWidget):
    """One bar a layer, from the lowest to the highest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self.bars: list[ColourBar] = []
        self._columns: list[QWidget] = []
        self._names: list[ElidedLabel] = []
        self._counts: list[ElidedLabel] = []  # how much each layer hides

    def show_layers(self, layers: Sequence[DrawnLayer]) -> None:
        """Show the bars of these layers; a single one needs no name."""
        while len(self.bars) < len(layers):
            self._add()
        for index, column in enumerate(self._columns):
            column.setVisible(index < len(layers))
        several = len(layers) > 1
        for index, drawn in enumerate(layers):
            note = baseline_words("" if drawn.overlay is None else drawn.overlay.baseline)
            self._columns[index].setFixedWidth(_WIDTH_PX + NOTE_PX * bool(note))
            self.bars[index].set_scale(
                drawn.scale, clipped=drawn.clipped, title=drawn.title, note=note
            )
            self._names[index].set_full_text(drawn.title)
            self._counts[index].set_full_text(drawn.hidden_text)
            for label in (self._names[index], self._counts[index]):
                label.setVisible(several)
        self.setVisible(bool(layers))

    def _add(self) -> None:
        column = QWidget()
        column.setFixedWidth(_WIDTH_PX)
        inside = QVBoxLayout(column)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(1)
        name, bar, count = ElidedLabel(), ColourBar(), ElidedLabel()
        for label in (name, count):
            label.setFont(font(label.font(), scale=0.8))
        inside.addWidget(name)
        inside.addWidget(bar, 1)
        inside.addWidget(count)
        self._counts.append(count)
        self.bars.append(bar)
        self._names.append(name)
        self._columns.append(column)
        self._row.addWidget(column)
