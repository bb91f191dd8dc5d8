"""What this program is, and what it is not."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QWidget

from app import __version__
from app.core import wording
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import scaled


class AboutDialog(FramedDialog):
    """Version, purpose, limits."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About NeuroResponder")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        column = self.inside
        column.setContentsMargins(22, 18, 22, 14)
        title = QLabel(f"NeuroResponder {__version__}")
        title.setObjectName("title")
        column.addWidget(title)
        for words in (
            "Opens a resting-state fMRI scan, preprocesses it, estimates the probability of "
            "meeting a responder definition, and shows what the model relied on.",
            wording.NOT_A_DEVICE,
            "The model that is delivered was made from simulated people.",
            "Apache License 2.0. Bundled data: see resources/LICENSES.md.",
        ):
            label = QLabel(words)
            label.setWordWrap(True)
            label.setMinimumWidth(scaled(420))
            column.addWidget(label)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        column.addWidget(buttons)
