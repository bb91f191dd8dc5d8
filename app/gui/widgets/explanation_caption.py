"""What must be read with the maps of an explanation, above them and always in sight."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.core.explanation_wording import (
    agrees_poorly,
    caption,
    frames_text,
    limits_text,
    other_baseline_text,
    seed_text,
)
from app.core.reference_wording import map_reference_text
from app.gui.session import Session
from app.gui.view_state import SERIES_OVERLAYS
from app.gui.widgets.icons import StateSign
from app.gui.widgets.layer_stack import is_seed, ruled_layer
from app.gui.widgets.overlay import seed_title
from app.gui.widgets.theme import font


class ExplanationCaption(QWidget):
    """Not a cause, how well both methods agree, what colours and hatching mean."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.sign = StateSign("attention", 14)
        self.words = QLabel()
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setWordWrap(True)
        self.words.setFont(font(self.font(), scale=0.9))
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 4, 0)
        row.setSpacing(6)
        row.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.words, 1)
        session.case_changed.connect(self.refresh)
        for signal in (session.display_changed, session.slices_changed, session.parcel_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the case; without an explanation there is nothing to say."""
        opened = self.session.drawn
        found = opened.attribution if opened is not None else None
        self.setVisible(found is not None)
        words = ""
        if opened is not None and found is not None:
            prediction = opened.case.prediction
            limits = limits_text(prediction.model if prediction is not None else None)
            seed, overlay = self._seed(), self.session.display.overlay
            frames, signals = self.session.state.selection.frames, opened.case.signals
            told = "" if seed else map_reference_text(found, overlay, opened.baseline, frames)
            words = " ".join(filter(None, (caption(found), told, limits)))
            by_frame = not seed and overlay in SERIES_OVERLAYS
            if by_frame and frames and signals is not None:
                words = f"{frames_text(found, signals, *frames)} {words}"
            if opened.baseline:
                words = f"{other_baseline_text(opened.baseline)} {words}"
            if seed:
                words = f"{seed_text(seed)} {words}"
        self.words.setText(words)
        other = opened is not None and bool(opened.baseline)
        self.sign.setVisible(other or (found is not None and agrees_poorly(found)))

    def _seed(self) -> str:
        """Name of the seed map that slices and surface show; "" while they show another map."""
        layer, display = ruled_layer(self.session), self.session.display
        if layer is not None and is_seed(layer):
            return layer.name
        opened, parcel = self.session.case, self.session.parcel
        if layer is None or display.overlay != "seed" or opened is None or parcel is None:
            return ""
        return seed_title(opened, parcel)
