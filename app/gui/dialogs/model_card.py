"""A model's card as a page, limitations first; what it says comes from the worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import font, scaled

_NAME_WIDTH = 168


class ModelCardDialog(FramedDialog):
    """All that a person should know before believing a number of this model."""

    model_asked = Signal(str)  # show the card of another installed model
    export_asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Model card")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.wish(780, 680)
        self.title = QLabel()
        self.title.setFont(font(self.font(), scale=1.5, bold=True))
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.models = QComboBox()
        self.models.setAccessibleName("Installed model")
        self.models.setToolTip("Show the card of another installed model")
        self.models.activated.connect(lambda _i: self.model_asked.emit(self.models.currentText()))
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.viewport().setAutoFillBackground(False)
        self.area.setAccessibleName("Model card")
        self.export = QPushButton("Export as file…")
        self.export.setToolTip("Write this model as one .nrmodel file for another machine")
        self.export.setAutoDefault(False)
        self.export.clicked.connect(lambda: self.export_asked.emit(self.models.currentText()))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.export, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.close)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.models)
        panel = QWidget()
        panel.setObjectName("panel")
        inside = QVBoxLayout(panel)
        inside.setContentsMargins(6, 6, 2, 6)
        inside.addWidget(self.area)
        column = self.inside
        column.addLayout(head)
        column.addWidget(panel, 1)
        column.addWidget(buttons)

    def show_card(self, card: Mapping[str, Any]) -> None:
        """Fill the page with a card as the worker's job `bundle_card` answers it."""
        name = str(card["model_id"])
        self.title.setText(name)
        self.strip.show_stamps(wording.stamps(simulated=card["simulated"], research_only=False))
        self.models.clear()
        self.models.addItems([str(one) for one in card["installed"]])
        self.models.setCurrentText(name)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(10, 6, 14, 10)
        column.setSpacing(4)
        for section in card["sections"]:
            title = QLabel(section["title"])
            title.setFont(font(self.font(), scale=1.15, bold=True))
            column.addSpacing(8)
            column.addWidget(title)
            column.addLayout(self._lines(section["lines"]))
        column.addStretch(1)
        self.area.setWidget(content)
        content.setAutoFillBackground(False)
        self.area.setFocus()

    def _lines(self, lines: Sequence[Sequence[str]]) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, scaled(_NAME_WIDTH))
        for row, (name, value) in enumerate(lines):
            label, text = QLabel(name), QLabel(value)
            for one in (label, text):
                one.setWordWrap(True)
                one.setTextFormat(Qt.TextFormat.PlainText)
            label.setObjectName("muted")
            label.setFixedWidth(scaled(_NAME_WIDTH))
            text.setMinimumWidth(60)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            text.setAccessibleName(f"{name}: {value}")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(text, row, 1)
        return grid
