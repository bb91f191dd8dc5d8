"""The report step: what the PDF holds for this case, and where to get it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.core import wording
from app.core.explanation_wording import ANSWER_BASELINE
from app.core.results import overrides_quality
from app.core.signing import LONGEST_NAME, ReaderNote
from app.gui.session import OpenCase, Session
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.icons import StateSign
from app.gui.widgets.theme import font
from app.gui.widgets.view import View

_CONFIRM_FIRST = "To sign, confirm the quality verdict above first."


class SummaryView(View):
    """Contents of the participant summary with what is and is not in it."""

    name = "summary"
    title = "Participant summary"

    export_asked = Signal()
    html_asked = Signal()
    folder_asked = Signal()
    batch_asked = Signal()
    sign_asked = Signal()
    signed_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.export = QPushButton("Export PDF…")
        self.export.setObjectName("primary")
        self.export.setToolTip("Save the participant summary as PDF (Ctrl+P)")
        self.export.clicked.connect(self.export_asked)
        self.html = QPushButton("Export HTML…")
        self.html.setToolTip("The same content for screen readers and browsers, in one file")
        self.html.clicked.connect(self.html_asked)
        self.batch = QPushButton("Many cases…")
        self.batch.setToolTip("Write the summaries of all cases in a folder")
        self.batch.clicked.connect(self.batch_asked)
        self.folder = QPushButton("Case folder")
        self.folder.clicked.connect(self.folder_asked)
        self.state = QLabel()
        self.state.setObjectName("muted")
        self.state.setWordWrap(True)
        self.content = QWidget()
        inside = QWidget()
        self.column = QVBoxLayout(inside)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(10)
        area = QScrollArea()
        area.picture_whole = False  # type: ignore[attr-defined]  # fields to sign are no picture
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setAccessibleName("Contents of the participant summary, comment, signing, export")
        area.setWidget(inside)
        for widget in (inside, area.viewport()):  # the panel shows through
            widget.setAutoFillBackground(False)
        self.body.addWidget(area)
        self.column.addWidget(self.content)
        self.column.addWidget(self._signing())
        self.column.addLayout(flow(self.export, self.html, self.batch, self.folder))
        self.column.addWidget(self.state)
        self.column.addStretch(1)
        self.area, self._inside = area, inside
        self.listen(session.review_changed, self._comment_changed)
        self.refresh()

    def _signing(self) -> QWidget:
        """Comment, name, the confirmation that signing needs, and the button."""
        self.comment = QPlainTextEdit()
        self.comment.setPlaceholderText("Comment for page 1; no names of participants")
        self.comment.setAccessibleName("Reader's comment")
        self.comment.setTabChangesFocus(True)
        self.comment.setFixedHeight(4 * self.fontMetrics().height() + 10)
        self.comment.textChanged.connect(self._commented)
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("Name or initials (optional)")
        self.reader.setAccessibleName("Reader's name or initials")
        self.reader.setMaxLength(LONGEST_NAME)
        self.confirmed = QCheckBox("I looked at the quality page and confirm its verdict")
        self.confirmed.toggled.connect(self._ready)
        self.sign = QPushButton("Sign…")
        self.sign.setToolTip(
            "Closes this version: it is never changed again, a later one supersedes it and both "
            "stay"
        )
        self.sign.clicked.connect(self.sign_asked)
        self.why_not = QLabel()  # why it cannot be signed now, always in sight
        self.why_not.setObjectName("muted")
        self.why_not.setWordWrap(True)
        self.signed = QPushButton("Export signed version…")
        self.signed.setToolTip("Save the last signed version as it was closed, as PDF or HTML")
        self.signed.clicked.connect(self.signed_asked)
        self.signed.hide()
        self.versions = QLabel()
        self.versions.setObjectName("muted")
        self.versions.setWordWrap(True)
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.comment)
        row = QHBoxLayout()
        row.addWidget(self.reader, 1)
        row.addWidget(self.sign)
        column.addWidget(self.confirmed)
        column.addLayout(row)
        column.addWidget(self.why_not)
        column.addWidget(self.versions)
        column.addWidget(self.signed, 0, Qt.AlignmentFlag.AlignLeft)
        return box

    def note(self) -> ReaderNote:
        """What the reader wrote; not signed."""
        return ReaderNote(
            comment=self.comment.toPlainText().strip(),
            reader=self.reader.text().strip(),
            quality_confirmed=self.confirmed.isChecked(),
        )

    def show_versions(self, words: str) -> None:
        """Which versions of this case are signed."""
        self.versions.setText(words)
        for widget in (self.versions, self.signed):
            widget.setVisible(bool(words))

    def _commented(self) -> None:
        text = self.comment.toPlainText()
        self.session.change("Comment of the report", "review", merge="comment", comment=text)

    def _comment_changed(self) -> None:
        text = self.session.state.review.comment
        if text != self.comment.toPlainText():
            self.comment.setPlainText(text)

    def _ready(self) -> None:
        opened = self.session.case
        overruled = opened is not None and overrides_quality(opened.case)
        why = "" if self.confirmed.isChecked() else _CONFIRM_FIRST
        if opened is None:
            why = "There is nothing to sign: no case is open."
        elif overruled:
            why = "Cannot be signed: the quality verdict was overruled in research mode."
        elif opened.stale:
            why = "Cannot be signed: the results are stale. Analyse the scan again."
        self.sign.setEnabled(not why)
        self.why_not.setText(why)
        self.why_not.setVisible(bool(why))
        self.sign.setAccessibleDescription(why)

    def refresh(self) -> None:
        """List the contents for the case that is open."""
        opened = self.session.case
        fresh = QWidget()
        column = QVBoxLayout(fresh)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        if opened is None:
            column.addWidget(QLabel(self.empty_reason()))
        else:
            person = opened.case.participant
            head = QLabel(wording.join((person.label, person.session, opened.case.case_id[:8])))
            head.setFont(font(self.font(), scale=1.3, bold=True))
            column.addWidget(head)
            column.addLayout(self._contents(opened))
        self.column.replaceWidget(self.content, fresh)
        self.content.deleteLater()
        self.content = fresh
        overruled = opened is not None and overrides_quality(opened.case)
        self.confirmed.setChecked(False)  # each case is confirmed by itself
        self._comment_changed()
        self._ready()
        for button in (self.export, self.html):
            button.setEnabled(opened is not None and not overruled and not opened.stale)
        self.folder.setEnabled(opened is not None)
        if opened is None:
            self.state.setText("")
        elif overruled:
            self.state.setText(
                "No participant summary: the quality verdict of this case was overruled in "
                "research mode. Its tables and images are in the case folder."
            )
        elif opened.summary_pdf.is_file():
            self.state.setText(
                "The PDF lies in the case folder. It holds the pseudonym only: no name, no date of "
                "birth, no path. " + wording.PSEUDONYM_NOTE
            )
        else:
            self.state.setText(
                "The case folder has no PDF yet; exporting writes one. It holds the pseudonym only."
            )

        self.column.activate()
        bar = self.area.verticalScrollBar().sizeHint().width()
        self.area.setMinimumWidth(self._inside.minimumSizeHint().width() + bar)  # nothing is cut

    def _contents(self, opened: OpenCase) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(7)
        grid.setColumnStretch(2, 1)
        for row, (there, name, words) in enumerate(contents(opened)):
            grid.addWidget(
                StateSign("done" if there else "idle", 16), row, 0, Qt.AlignmentFlag.AlignTop
            )
            grid.addWidget(QLabel(name), row, 1, Qt.AlignmentFlag.AlignTop)
            label = QLabel(words)
            label.setObjectName("muted")
            label.setWordWrap(True)
            grid.addWidget(label, row, 2)
        return grid


def contents(opened: OpenCase) -> tuple[tuple[bool, str, str], ...]:
    """(whether it is in, section, what it says) in the order of the pages."""
    case = opened.case
    outcome = wording.outcome_word(case.prediction.outcome) if case.prediction else "not computed"
    explained = opened.attribution is not None
    left_out = "left out: nothing was computed" if not opened.withheld else "left out: withheld"
    return (
        (True, "Scan and participant", "pseudonym, visit, covariates, scan facts"),
        (case.prediction is not None, "Prediction", f"outcome: {outcome}, with its context"),
        (case.quality is not None, "Quality", "FD, DVARS, carpet, each gate with its limit"),
        (case.connectome is not None, "Connectivity", "matrix in network order"),
        (
            explained,
            "Explanation",
            "slices and surface with letters, bar, threshold and hidden count; always the "
            f"answer's own map ({ANSWER_BASELINE})"
            if explained
            else left_out,
        ),
        (case.provenance is not None, "Method and provenance", "versions, hashes, seeds, device"),
        (True, "Limitations", wording.RUO_LINE),
        (True, "Attached", "the same content as JSON, for machines"),
    )
