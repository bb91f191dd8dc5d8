"""The line on top of windows and dialogs: research use only, and what is stamped."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from app.core import wording


class ResearchStrip(QLabel):
    """Says so always; what else must be said is added behind it."""

    def __init__(self) -> None:
        super().__init__(wording.RUO_LINE)
        self.setObjectName("strip")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)  # never cut, however large the text is

    def show_stamps(self, stamps: Sequence[str]) -> None:
        """Put stamps behind the line, in place of earlier ones."""
        self.setText("  ·  ".join((wording.RUO_LINE, *stamps)))
