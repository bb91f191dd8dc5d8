"""Who was scanned and how to run: pseudonym, covariates, research mode, the Run button."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from app.core import wording
from app.core.errors import AppError
from app.core.pseudonym import participant_label, session_label
from app.core.request import LONGEST_REASON
from app.gui.session import ScanPreview, Session
from app.gui.widgets.fields import mark, typed_number
from app.gui.widgets.view import View

AGE_YEARS = ("Age", 0.0, 120.0)  # as in participants.tsv
PAIN = ("Pain", 0.0, 10.0)


class IntakeView(View):
    """Asks for what the file does not say; emptied for each scan, never keeps a name."""

    name = "intake"
    title = "Participant"

    run_asked = Signal(dict)  # covariates by name of `AnalysisRequest`

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self._path: Path | None = None
        session.research_wanted_changed.connect(self._follow_research)
        self.label = QLineEdit()
        self.visit = QLineEdit()
        self.age = QLineEdit()
        self.sex = QComboBox()
        for text, key in (("not given", ""), ("female", "F"), ("male", "M"), ("other", "O")):
            self.sex.addItem(text, key)
        self.pain = QLineEdit()
        self.site = QLineEdit()
        self.research = QCheckBox("Research mode: compute against the gates")
        self.research.setToolTip(
            "Computes a number even where a gate withholds it. Every view and export is stamped: "
            + wording.RESEARCH_STAMP
        )
        self.reason = QLineEdit()
        self.reason.setPlaceholderText("reason for overruling the quality verdict, if it withholds")
        self.reason.setAccessibleName("Reason for overruling the quality verdict")
        self.reason.setToolTip(
            "Without a reason a quality verdict that withholds stands, also in research mode. The "
            "reason is recorded; such a case gets no participant summary. Write no name."
        )
        self.reason.setMaxLength(LONGEST_REASON)
        self.reason.setVisible(False)
        self.research.toggled.connect(self.reason.setVisible)
        form = QFormLayout()
        form.setHorizontalSpacing(12)
        form.setVerticalSpacing(5)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for words, field, hint in (
            ("Pseudonym", self.label, "such as sub-01; no name"),
            ("Visit", self.visit, "such as ses-1"),
            ("Age, years", self.age, "optional"),
            ("Sex", self.sex, ""),
            ("Pain before, 0 to 10", self.pain, "optional"),
            ("Site", self.site, "optional"),
        ):
            field.setAccessibleName(words)
            if isinstance(field, QLineEdit):
                field.setPlaceholderText(hint)
            name = QLabel(words)
            name.setObjectName("muted")
            name.setBuddy(field)
            form.addRow(name, field)
        self.body.addLayout(form)
        self.body.addWidget(self.research)
        self.body.addWidget(self.reason)
        self.note = QLabel()
        self.note.setObjectName("muted")
        self.note.setWordWrap(True)
        # Two lines always: what follows does not jump while one is typed.
        self.note.setMinimumHeight(2 * self.note.fontMetrics().lineSpacing())
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.note)
        self.run = QPushButton("Run analysis")
        self.run.setObjectName("primary")
        self.run.setToolTip("Preprocess, check, predict and explain (Ctrl+R)")
        self.run.clicked.connect(self._run)
        self.body.addWidget(self.run)
        self.body.addStretch(1)
        for field in (self.label, self.visit, self.age, self.pain):
            field.textChanged.connect(self._judge)
        self.refresh()

    def refresh(self) -> None:
        """Fill in what the scan's file names told."""
        preview = self.session.preview
        if preview is not None and preview.path == self._path:
            return  # the same scan, now decoded: keep what was typed
        self._path = preview.path if preview is not None else None
        known = _known(preview)
        self.label.setText(str(known.get("participant_label") or ""))
        self.visit.setText(str(known.get("session") or ""))
        self.age.setText(_plain(known.get("age_years")))
        self.sex.setCurrentIndex(max(self.sex.findData(known.get("sex") or ""), 0))
        self.pain.setText(_plain(known.get("baseline_pain")))
        self.site.setText(str(known.get("site") or ""))
        self._follow_research()
        self.setEnabled(preview is not None)
        self._judge()

    def problem(self) -> str:
        """One sentence about the first entry that cannot be used; "" when all can."""
        return next((words for words in self._problems().values() if words), "")

    def values(self) -> dict[str, object]:
        """The covariates as `AnalysisRequest` names them; what was emptied stands in "cleared".

        Raises
        ------
        AppError
            An entry cannot be used; see `problem`.
        """
        stated: dict[str, object] = {
            "participant_label": participant_label(self.label.text()),
            "session": session_label(self.visit.text()),
            "age_years": typed_number(self.age.text(), *AGE_YEARS),
            "sex": str(self.sex.currentData()) or None,
            "baseline_pain": typed_number(self.pain.text(), *PAIN),
            "site": self.site.text().strip() or None,
        }
        known = _known(self.session.preview)
        told = {name for name, value in known.items() if value not in (None, "")}
        return {
            **stated,
            "cleared": tuple(sorted(name for name in told if stated[name] in (None, ""))),
            "research": self.research.isChecked(),
            "override_reason": self.reason.text().strip() if self.research.isChecked() else "",
        }

    def _follow_research(self) -> None:
        self.research.setChecked(self.session.research_wanted)

    def _problems(self) -> dict[QLineEdit, str]:
        """Each field that is checked, with what is wrong with its entry."""
        return {
            self.label: _refusal(lambda: participant_label(self.label.text())),
            self.visit: _refusal(lambda: session_label(self.visit.text())),
            self.age: _refusal(lambda: typed_number(self.age.text(), *AGE_YEARS)),
            self.pain: _refusal(lambda: typed_number(self.pain.text(), *PAIN)),
        }

    def _judge(self) -> None:
        """Mark what cannot be used, say why below, and let only a sound form run."""
        for field, words in self._problems().items():
            mark(field, words)
        preview, problem = self.session.preview, self.problem()
        self.run.setEnabled(preview is not None and not problem)
        if preview is None:
            words = "Open a scan to run an analysis."
        elif problem:
            words = problem
        elif preview.scan.simulated:
            words = "A simulated scan: the demonstration model gives a number."
        else:
            words = f"{wording.NO_MODEL_REASON} Outcome: Withheld, with all checks."
        self.note.setText(words)
        mark(self.note, problem if preview is not None else "")

    def _run(self) -> None:
        if not self.problem():
            self.run_asked.emit(self.values())


def _known(preview: ScanPreview | None) -> dict[str, object]:
    """What lies beside the scan about the person, under the names of `AnalysisRequest`."""
    told = preview.participant if preview is not None else {}
    names = ("session", "age_years", "sex", "baseline_pain", "site")
    label = told.get("label") or told.get("participant_label")
    return {"participant_label": label, **{name: told.get(name) for name in names}}


def _refusal(check: Callable[[], object]) -> str:
    """The sentence with which a check refuses, "" when it does not."""
    try:
        check()
    except AppError as refusal:
        return str(refusal)
    return ""


def _plain(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, int | float) else ""
