"""The coordinate box: type a place and Enter goes there; copy the read-out; places with notes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from app.core.arrays import Floats
from app.core.coordinates import read_point
from app.core.errors import AppError
from app.gui.session import Session
from app.gui.widgets.fields import mark, muted
from app.gui.widgets.places_panel import PlacesPanel
from app.gui.widgets.theme import scaled

_HOW = "Type -4 26 40, L 4 A 26 S 40 or voxel 36 81 42; Enter goes there"
_VOXELS = "Voxels count from 0, as the scan's file or the template's 2 mm grid stores them."


class PlaceBox(QWidget):
    """One line: the field, Copy, Places, and what is wrong with an entry."""

    placed = Signal(tuple)  # world mm of the picture's space
    copied = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._affine: Floats = np.eye(4)
        self._shape: tuple[int, ...] = (1, 1, 1)
        self.space = ""
        self.panel: PlacesPanel | None = None
        self.refused = False  # what stands in the field is no place
        self._going = False  # to the place that was typed
        row = self.row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.field = QLineEdit()
        self.field.setPlaceholderText("x y z mm, or voxel i j k")
        self.field.setAccessibleName("Go to a place: x y z in mm, or voxel i j k")
        self.field.setToolTip(f"{_HOW}. {_VOXELS}")
        self.field.setMinimumWidth(scaled(120))
        self.field.setMaximumWidth(scaled(170))
        self.field.returnPressed.connect(self._go)
        self.field.textEdited.connect(lambda _text: self.say(""))
        self.copy = _button("Copy", "Copy position, voxel, space, values and region")
        self.copy.clicked.connect(lambda _checked=False: self.copied.emit())
        self.places = _button("Places", "Places that were kept, with notes")
        self.places.clicked.connect(lambda _checked=False: self.show_places())
        self.words = muted("")
        for widget in (self.field, self.copy, self.places):
            row.addWidget(widget)
        row.addWidget(self.words, 1)
        session.crosshair_changed.connect(self._moved)
        session.case_changed.connect(self._moved)

    def show_grid(self, affine: Floats, shape: tuple[int, ...], space: str) -> None:
        """The picture in which places are meant, as its file is stored."""
        self._affine, self._shape, self.space = np.asarray(affine), shape, space

    def hide_controls(self, hidden: bool) -> None:
        """Only the words stay, for a picture."""
        for widget in (self.field, self.copy, self.places):
            widget.setHidden(hidden)

    def say(self, words: str, *, refused: bool = False) -> None:
        """A few words beside the field; with `refused` the field is marked."""
        self.words.setText(words)
        self.words.setToolTip(words)
        self.refused = refused
        mark(self.field, words if refused else "")
        if not refused:
            self.field.setToolTip(f"{_HOW}. {_VOXELS}")

    def show_places(self) -> None:
        """Open the list of places."""
        if self.panel is None:
            self.panel = PlacesPanel(self.session, self)
            self.panel.chosen.connect(self.placed)
        self.panel.show_space(self.space)
        self.panel.show()
        self.panel.raise_()

    def _go(self) -> None:
        try:
            point = read_point(
                self.field.text(),
                affine=self._affine,
                shape=self._shape,
                sides_known=self.session.orientation_known,
            )
        except AppError as error:
            self.say(error.message, refused=True)
            self.field.setToolTip(f"{error.message} {error.hint}")
            return
        self.say("")
        self.field.setModified(False)  # what stands there is where the crosshair goes now
        self._going = True
        self.placed.emit(point)
        self._going = False

    def _moved(self) -> None:
        """The crosshair went elsewhere: the field names no place any more.

        Words that are being typed stay; the place itself is told by the read-out above.
        """
        typing = self.field.hasFocus() and self.field.isModified()
        if self.refused or not (self._going or typing):
            self.field.clear()
            self.say("")


def _button(text: str, words: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(words)
    button.setAccessibleName(words)
    button.setAutoRaise(True)
    return button
