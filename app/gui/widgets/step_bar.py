"""The steps at the left, and the workspaces below: sign, name, and state in words."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QFrame, QSizePolicy, QVBoxLayout, QWidget

from app.gui.widgets.icons import STATE_WORDS, renderer, state_colour
from app.gui.widgets.theme import font, scaled, tokens

STEPS = (
    ("load", "Load"),
    ("check", "Check"),
    ("predict", "Predict"),
    ("explain", "Explain"),
    ("report", "Report"),
)
WORKSPACES = (("cohort", "Cohort"),)  # pages beside the steps of one scan


class StepButton(QAbstractButton):
    """One step; any step can be opened at any time."""

    def __init__(self, key: str, title: str, number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self.state = "idle"
        self.is_next = False  # the guide leads here
        self.setText(title)
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setToolTip(f"{title} (Ctrl+{number})")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._name()

    def set_state(self, state: str, reason: str = "") -> None:
        """Show a state of `STATE_WORDS`, with what is missing as the tooltip."""
        self.state = state
        self.setToolTip(reason or f"{self.text()}: {STATE_WORDS[state].lower()}")
        self._name()
        self.update()

    def set_next(self, is_next: bool) -> None:
        """Frame the step that the guide leads to."""
        if is_next != self.is_next:
            self.is_next = is_next
            self._name()
            self.update()

    def sizeHint(self) -> QSize:
        """Two lines of words."""
        return QSize(scaled(148), round(self.fontMetrics().height() * 2.2) + 18)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Icon, name, state sign and word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = tokens(self.palette())
        box = QRectF(self.rect()).adjusted(6, 2, -6, -2)
        if self.isChecked() or self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.raised))
            painter.drawRoundedRect(box, 6, 6)
        if self.isChecked():
            painter.setBrush(QColor(colours.accent))
            painter.drawRoundedRect(
                QRectF(box.left(), box.top() + 8, 3, box.height() - 16), 1.5, 1.5
            )
        if self.is_next:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 1.2, Qt.PenStyle.DashLine))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colours.accent), 1.5))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        colour = colours.accent if self.isChecked() else colours.text
        side, small = scaled(22), scaled(12)  # the signs grow with the words
        sign = QRectF(box.left() + 11, box.center().y() - side / 2.0, side, side)
        renderer(self.key, colour).render(painter, sign)
        left = sign.right() + 11
        half = box.height() / 2.0
        painter.setFont(font(self.font(), scale=1.1, bold=self.isChecked()))
        painter.setPen(QColor(colours.text))
        flag = Qt.AlignmentFlag
        width = box.right() - left
        name_box = QRectF(left, box.top() + 2, width, half)
        painter.drawText(name_box, flag.AlignLeft | flag.AlignBottom, self.text())
        painter.setFont(font(self.font(), scale=0.86))
        state = state_colour(self.state, colours)
        state_box = QRectF(left, box.top() + half + 3, width, half - 3)
        height = painter.fontMetrics().height()
        renderer(f"state-{self.state}", state).render(
            painter, QRectF(left, state_box.top() + (height - small) / 2.0, small, small)
        )
        painter.setPen(QColor(state))
        words = state_box.adjusted(small + 4, 0, 0, 0)
        painter.drawText(words, flag.AlignLeft | flag.AlignTop, STATE_WORDS[self.state])
        painter.end()

    def _name(self) -> None:
        following = ", next step of the guide" if self.is_next else ""
        self.setAccessibleName(f"{self.text()}: {STATE_WORDS[self.state]}{following}")


class StepBar(QWidget):
    """All steps from top to bottom."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(2)
        self.buttons: dict[str, StepButton] = {}
        self._rule = QFrame()
        self._rule.setObjectName("rule")
        self._rule.setFixedHeight(1)
        for number, (key, title) in enumerate((*STEPS, *WORKSPACES), start=1):
            if number == len(STEPS) + 1:
                column.addSpacing(6)
                column.addWidget(self._rule)
                column.addSpacing(6)
            button = StepButton(key, title, number)
            button.clicked.connect(partial(self._clicked, key))
            column.addWidget(button)
            self.buttons[key] = button
        self.buttons["load"].setChecked(True)

    def show_workspaces(self, shown: bool) -> None:
        """Show the pages of research, or hide them in clinic mode."""
        self._rule.setVisible(shown)
        for key, _ in WORKSPACES:
            self.buttons[key].setVisible(shown)

    def choose(self, key: str) -> None:
        """Mark a step as the open one, without telling; none where a workspace is open."""
        for name, button in self.buttons.items():
            button.setAutoExclusive(False)
            button.setChecked(name == key)
            button.setAutoExclusive(True)

    def set_state(self, key: str, state: str, reason: str = "") -> None:
        """Show the state of a step."""
        self.buttons[key].set_state(state, reason)

    def set_next(self, key: str) -> None:
        """Frame the step that the guide leads to; "" for none."""
        for name, button in self.buttons.items():
            button.set_next(name == key)

    def _clicked(self, key: str, _checked: bool = False) -> None:
        self.chosen.emit(key)
