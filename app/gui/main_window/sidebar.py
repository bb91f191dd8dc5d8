"""The left side of the window: the steps, who is open, on which side left is drawn."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QScrollArea, QVBoxLayout, QWidget

from app.core import wording
from app.core.sides import UNKNOWN_MEANING
from app.gui.session import Session
from app.gui.widgets.step_bar import StepBar
from app.gui.widgets.view import ElidedLabel

_WIDTH_PX = 164  # at the usual text size


class Sidebar(QWidget):
    """Steps above; pseudonym, case and convention below."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground, True)
        self.set_text_size(100)
        self.steps = StepBar()
        self.person = ElidedLabel()
        self.person.setObjectName("title")
        self.person_facts, self.convention = QLabel(), QLabel()
        for label in (self.person_facts, self.convention):
            label.setObjectName("muted")
            label.setWordWrap(True)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 10)
        column.addWidget(self.steps)
        column.addStretch(1)
        facts = QVBoxLayout()
        facts.setContentsMargins(14, 0, 10, 0)
        facts.setSpacing(3)
        facts.addWidget(self.person)
        facts.addWidget(self.person_facts)
        facts.addSpacing(8)
        facts.addWidget(self.convention)
        column.addLayout(facts)
        area = QScrollArea()  # a low window scrolls the steps
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        for widget in (inside, area.viewport()):  # the sidebar shows through
            widget.setAutoFillBackground(False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 1, 0)  # beside its rule
        whole.addWidget(area)

    def set_text_size(self, percent: int) -> None:
        """Keep room for the words."""
        self.setFixedWidth(round(_WIDTH_PX * percent / 100.0))

    def show_session(self, session: Session) -> None:
        """Say who is open and how slices are laid."""
        opened, preview = session.case, session.preview
        if opened is not None:
            person = opened.case.participant
            self.person.set_full_text(wording.join((person.label, person.session)))
            self.person_facts.setText(f"case {opened.case.case_id[:8]}")
        elif preview is not None:
            self.person.set_full_text(str(preview.participant.get("label") or "New scan"))
            words = "being analysed" if session.analysing else "not analysed yet"
            self.person_facts.setText(words)
        else:
            self.person.set_full_text("")
            self.person_facts.setText("")
        words = session.convention_word
        meaning = wording.CONVENTION_MEANING.get(words, UNKNOWN_MEANING)
        self.convention.setText(f"{words}: {meaning}")
