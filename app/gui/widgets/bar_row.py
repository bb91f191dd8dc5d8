"""The colour bars of all visible layers, each with its layer's name and count.

A single bar stands; several lie below each other, so that the slices keep their room.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.core.explanation_wording import baseline_words
from app.gui.widgets.colour_bar import ColourBar
from app.gui.widgets.flat_bar import FlatBar, brief_text
from app.gui.widgets.layer_stack import DrawnLayer
from app.gui.widgets.theme import font
from app.gui.widgets.view import ElidedLabel

_CHARS = 25  # of a lying bar's words
_IN_COLUMN = 3


def _note_of(drawn: DrawnLayer) -> str:
    """From which baseline a layer was drawn, where it is not the answer's own."""
    return baseline_words("" if drawn.overlay is None else drawn.overlay.baseline)


class BarRow(QWidget):
    """One bar a layer, from the lowest to the highest."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(4)
        self._grid.setVerticalSpacing(6)
        self._grid.setRowStretch(_IN_COLUMN, 1)
        self.single = ColourBar()
        self._grid.addWidget(self.single, 0, 0, _IN_COLUMN + 1, 1)
        self._lying: list[_LyingBar] = []

    @property
    def bars(self) -> list[ColourBar]:
        """The bars that are shown, from the lowest layer to the highest."""
        lying: list[ColourBar] = [one.bar for one in self._lying if not one.isHidden()]
        return lying or [self.single]

    def show_layers(self, layers: Sequence[DrawnLayer]) -> None:
        """Show the bars of these layers; a single one needs no name."""
        several = len(layers) > 1
        while several and len(self._lying) < len(layers):
            self._add()
        for index, one in enumerate(self._lying):
            one.setVisible(several and index < len(layers))
        if several:
            self.single.set_scale(None)
            for one, drawn in zip(self._lying, layers, strict=False):
                one.show_layer(drawn)
        elif layers:
            only = layers[0]
            note = _note_of(only)
            self.single.set_scale(only.scale, clipped=only.clipped, title=only.title, note=note)
            self.single.setFixedWidth(self.single.width_px())
        self.setVisible(bool(layers))

    def _add(self) -> None:
        made = _LyingBar()
        column, row = divmod(len(self._lying), _IN_COLUMN)
        self._grid.addWidget(made, row, column)
        self._lying.append(made)


class _LyingBar(QWidget):
    """Name, bar, and how much of the layer is hidden."""

    def __init__(self) -> None:
        super().__init__()
        inside = QVBoxLayout(self)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(0)
        self.name, self.bar, self.count = ElidedLabel(), FlatBar(), ElidedLabel()
        self.note = ElidedLabel()
        for label in (self.name, self.count, self.note):
            label.setFont(font(label.font(), scale=0.85))
        self.count.setObjectName("muted")
        self.setFixedWidth(self.name.fontMetrics().averageCharWidth() * _CHARS)
        for widget in (self.name, self.bar, self.count, self.note):
            inside.addWidget(widget)

    def show_layer(self, drawn: DrawnLayer) -> None:
        """Take over a layer."""
        note = _note_of(drawn)
        self.bar.set_scale(drawn.scale, clipped=drawn.clipped, title=drawn.title, note=note)
        self.note.set_full_text(note)
        self.note.setVisible(bool(note))
        self.name.set_full_text(drawn.title)
        self.count.set_full_text(brief_text(drawn.hidden_text, drawn.scale))
        self.count.setToolTip(drawn.hidden_text)
