"""One sentence over the window for two seconds."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QLabel, QWidget

from app.gui.widgets.theme import font

_SHOWN_MS = 2000


class Banner(QLabel):
    """Lies over its parent, near the top, and goes by itself."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setFont(font(self.font(), scale=1.3, bold=True))
        self.hide()
        self._window = parent
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)

    def say(self, words: str) -> None:
        """Show a sentence in place of the last one."""
        self.setText(words)
        self.adjustSize()
        width = self.width() + 60
        self.setGeometry((self._window.width() - width) // 2, 90, width, self.height() + 16)
        self.raise_()
        self.show()
        self._timer.start(_SHOWN_MS)
