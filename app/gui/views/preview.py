"""The participant summary page by page, drawn from the very file that would be exported."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPixmap, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QComboBox, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.gui.session import Session
from app.gui.widgets.view import View

DOTS_PER_INCH = 120.0
_WAIT_MS = 700  # after the last key in the comment


class PreviewView(View):
    """Pages under each other, as wide as the view; asked for when they are first seen."""

    name = "preview"
    title = "Preview"
    dots_per_inch = DOTS_PER_INCH

    preview_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.paper = QComboBox()
        self.paper.addItems(["A4", "Letter"])
        self.paper.setAccessibleName("Paper")
        self.paper.currentIndexChanged.connect(self._wanted)
        self.tools.addWidget(self.paper)
        self.state = QLabel()
        self.state.setObjectName("muted")
        self.state.setWordWrap(True)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setAccessibleName("Pages of the participant summary")
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # Always there: one that comes with the pages would leave them wider than the rest.
        self.area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.body.addWidget(self.state)
        self.body.addWidget(self.area, 1)
        self.pages: list[QPixmap] = []
        self._labels: list[QLabel] = []
        self._shown_key: object = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_WAIT_MS)
        self._later.timeout.connect(self._ask)
        self.listen(session.review_changed, self._wanted)
        self.listen(session.display_changed, self._wanted)
        self.refresh()

    def key(self) -> object:
        """What decides how the pages look."""
        opened = self.session.case
        if opened is None or opened.stale:
            return None
        comment = self.session.state.review.comment
        word = self.session.convention_word
        return (id(opened), comment, word, self.paper.currentText())

    def refresh(self) -> None:
        """Forget the pages of another case and ask for this one's."""
        self._show(())
        self._shown_key = None
        opened = self.session.case
        if opened is None:
            self.say(self.empty_reason())
        elif opened.stale:
            self.say(f"{opened.stale}.")
        else:
            self._wanted()

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for pages that nobody wanted while the view was hidden."""
        super().showEvent(event)
        self._wanted()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Pages stay as wide as the view."""
        super().resizeEvent(event)
        self._scale()

    def say(self, words: str) -> None:
        """Why there are no pages, or what is under way; "" for nothing."""
        self.state.setText(words)
        self.state.setVisible(bool(words))

    def show_pages(self, key: object, paths: list[Path]) -> None:
        """Take over the drawn pages, unless something else is wanted by now."""
        if key != self.key():
            return
        self._shown_key = key
        self._show(tuple(paths))
        self.say("")

    def _wanted(self) -> None:
        key = self.key()
        if key is not None and self.isVisible() and key != self._shown_key:
            self.say("The pages are being drawn\N{HORIZONTAL ELLIPSIS}")
            self._later.start(0 if not self.pages else _WAIT_MS)

    def _ask(self) -> None:
        if self.isVisible() and self.key() != self._shown_key:
            self.preview_asked.emit()

    def _show(self, paths: tuple[Path, ...]) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        self.pages, self._labels = [QPixmap(str(path)) for path in paths], []
        for number in range(1, len(self.pages) + 1):
            label = QLabel()
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setAccessibleName(f"Page {number} of {len(self.pages)}")
            column.addWidget(label)
            self._labels.append(label)
        column.addStretch(1)
        self.area.setWidget(content)
        self._scale()

    def _scale(self) -> None:
        ratio = self.devicePixelRatioF()
        width = max(self.area.viewport().width() - 12, 200)
        for label, page in zip(self._labels, self.pages, strict=True):
            if page.isNull():
                continue
            scaled = page.scaledToWidth(
                min(round(width * ratio), page.width()), Qt.TransformationMode.SmoothTransformation
            )
            scaled.setDevicePixelRatio(ratio)
            label.setPixmap(scaled)
