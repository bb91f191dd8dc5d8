"""A dialog that says "research use only" itself, since it may cover the window's own line."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QVBoxLayout, QWidget

from app.gui.widgets.strip import ResearchStrip
from app.gui.widgets.theme import scaled

_MARGINS = (16, 12, 16, 12)
_FRAME_PX = 8  # kept free at each side of the screen
_TITLE_PX = 32  # and above, for the title bar that a window manager adds


class FramedDialog(QDialog):
    """The line on top, below it `inside`; as large as is wished, never larger than the screen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.strip = ResearchStrip()
        self.inside = QVBoxLayout()
        self.inside.setContentsMargins(*_MARGINS)
        self.inside.setSpacing(10)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.strip)
        whole.addLayout(self.inside, 1)

    def wish(self, width: int, height: int) -> None:
        """The size to begin with at the usual text size, where the screen has room for it."""
        room = self.screen().availableGeometry()
        self.resize(
            min(scaled(width), room.width() - 2 * _FRAME_PX),
            min(scaled(height), room.height() - 2 * _FRAME_PX - _TITLE_PX),
        )

    def showEvent(self, event: QShowEvent) -> None:
        """All of it on the screen, whatever it was placed over."""
        super().showEvent(event)
        room = self.screen().availableGeometry()
        right, low = room.right() - self.width(), room.bottom() - self.height()
        inside = QPoint(max(min(self.x(), right), room.left()), max(min(self.y(), low), room.top()))
        if inside != self.pos():
            self.move(inside)
