"""Icons from `resources/icons` in the theme's colours; a state always has its word beside it."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPaintEvent, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QWidget

from app.core.resources import resource_path
from app.core.results import Verdict
from app.gui.widgets.theme import Tokens, scaled, tokens

STATE_WORDS = {
    "idle": "Not started",
    "running": "Running",
    "attention": "Needs attention",
    "done": "Done",
    "blocked": "Blocked",
}
VERDICT_STATES = {
    Verdict.PASS: "done",
    Verdict.ATTENTION: "attention",
    Verdict.WITHHELD: "blocked",
}  # keys of STATE_WORDS


@lru_cache(maxsize=64)
def _source(name: str) -> str:
    return resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")


def renderer(name: str, colour: str) -> QSvgRenderer:
    """An icon whose `currentColor` is a given colour."""
    return QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour).encode()))


def icon(name: str, colour: str, size: int = 20) -> QIcon:
    """An icon for a button or a menu, sharp on dense screens."""
    found = QIcon()
    for ratio in (1, 2, 3):
        pixmap = QPixmap(size * ratio, size * ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer(name, colour).render(painter, QRectF(0, 0, size * ratio, size * ratio))
        painter.end()
        found.addPixmap(pixmap)
    return found


def state_colour(state: str, colours: Tokens) -> str:
    """The theme's colour for a state."""
    return {
        "idle": colours.muted,
        "running": colours.accent,
        "attention": colours.attention,
        "done": colours.done,
        "blocked": colours.blocked,
    }[state]


class StateSign(QWidget):
    """A small sign for a state, one of `STATE_WORDS`."""

    def __init__(self, state: str, size: int = 16, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        side = scaled(size)  # as large beside its words as at the usual text size
        self.setFixedSize(QSize(side, side))
        self.setAccessibleName(STATE_WORDS[state])

    def set_state(self, state: str) -> None:
        """Show another state."""
        self._state = state
        self.setAccessibleName(STATE_WORDS[state])
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the sign."""
        painter = QPainter(self)
        colour = state_colour(self._state, tokens(self.palette()))
        renderer(f"state-{self._state}", colour).render(painter, QRectF(self.rect()))
        painter.end()
