"""What every view has: a title, room for controls, and stamps that no picture can lose."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.core import wording
from app.gui.session import Session
from app.gui.widgets.theme import Tokens, font, tokens


class ElidedLabel(QLabel):
    """A label that shortens its text to the room there is; the whole text is its tooltip.

    The text is shortened while painting, so that a change of size never changes the layout.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(40)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.set_full_text(text)

    def set_full_text(self, text: str) -> None:
        """Show a text, shortened if it must be."""
        if text != self.text():
            self.setText(text)
            self.setToolTip(text)
            self.setAccessibleName(text)

    def full_text(self) -> str:
        """The text before shortening."""
        return self.text()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw as much of the text as fits, with an ellipsis for the rest."""
        painter = QPainter(self)
        box = self.contentsRect()
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, box.width())
        self.style().drawItemText(
            painter,
            box,
            int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter),
            self.palette(),
            self.isEnabled(),
            shown,
            QPalette.ColorRole.WindowText,
        )
        painter.end()


class View(QWidget):
    """Base of all views: a framed panel with a title row, a body and a stamp line.

    Subclasses add controls to `tools`, content to `body`, and override `refresh` (another case)
    and `restyle` (another theme). The stamp line lies inside the view, so that a picture of the
    view carries it.
    """

    name = ""  # stable name, used for files and tests
    title = ""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.setAccessibleName(self.title)
        # Images, matrices and their letters are never mirrored by the language's direction.
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(10, 7, 10, 6)
        outer.setSpacing(5)
        self.tools = QHBoxLayout()
        self.tools.setSpacing(6)
        self.title_label = QLabel(self.title)
        self.title_label.setObjectName("title")
        self.tools.addWidget(self.title_label)
        self.tools.addStretch(1)
        outer.addLayout(self.tools)
        self.body = QVBoxLayout()
        self.body.setSpacing(4)
        outer.addLayout(self.body, 1)
        self.stamp_label = ElidedLabel()
        self.stamp_label.setObjectName("stamp")
        self.stamp_label.setFont(font(self.font(), scale=0.82, bold=True))
        outer.addWidget(self.stamp_label)
        self._restyle_later = QTimer(self)
        self._restyle_later.setSingleShot(True)
        self._restyle_later.timeout.connect(self._restyle_if_changed)
        self._dark = self.tokens().dark
        session.case_changed.connect(self._case_changed)
        self._show_stamps()

    def tokens(self) -> Tokens:
        """The colours of the theme that is on."""
        return tokens(self.palette())

    def refresh(self) -> None:
        """Show the session's case; called when another one was opened."""

    def restyle(self) -> None:
        """Take over the colours of the theme; called when it changed."""

    def footnote(self) -> str:
        """Words that stand in the last line beside the stamps, such as the convention."""
        return ""

    def empty_reason(self) -> str:
        """Why there is nothing to show; printed in the place of the picture."""
        if self.session.case is None:
            return "No case is open."
        if self.session.case.withheld:
            return "Withheld: nothing is shown here, because no number may be derived from it."
        return "This part of the case was not computed."

    def picture(self) -> QPixmap:
        """The view as a picture, with its stamps and the research-use line burnt in."""
        self.stamp_label.set_full_text(self._stamp_text(wording.RUO_LINE))
        taken = self.grab()
        self._show_stamps()
        return taken

    def save_picture(self, path: Path) -> bool:
        """Write the view as PNG; tells whether it worked."""
        return self.picture().save(str(path), "PNG")

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme, soon: Qt is still walking over the widgets that this may replace."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_restyle_later"):
            self._restyle_later.start()

    def _restyle_if_changed(self) -> None:
        if self.tokens().dark != self._dark:
            self._dark = self.tokens().dark
            self.restyle()

    def _case_changed(self) -> None:
        self._show_stamps()
        self.refresh()

    def _show_stamps(self) -> None:
        self.stamp_label.set_full_text(self._stamp_text())

    def _stamp_text(self, *more: str) -> str:
        footnote = self.footnote()
        return "  ·  ".join([*[footnote] * bool(footnote), *self.session.stamps(), *more])
