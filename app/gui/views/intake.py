"""Who was scanned and how to run: pseudonym, covariates, research mode, the Run button."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDoubleValidator
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
from app.gui.session import Session
from app.gui.widgets.view import View


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
        self.age = _number_field(0.0, 120.0)
        self.sex = QComboBox()
        for text, key in (("not given", ""), ("female", "F"), ("male", "M"), ("other", "O")):
            self.sex.addItem(text, key)
        self.pain = _number_field(0.0, 10.0)
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
        self.reason.setMaxLength(400)
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
        self.body.addWidget(self.note)
        self.run = QPushButton("Run analysis")
        self.run.setObjectName("primary")
        self.run.setToolTip("Preprocess, check, predict and explain (Ctrl+R)")
        self.run.clicked.connect(self._run)
        self.body.addWidget(self.run)
        self.body.addStretch(1)
        self.refresh()

    def refresh(self) -> None:
        """Fill in what the scan's file names told."""
        preview = self.session.preview
        if preview is not None and preview.path == self._path:
            return  # the same scan, now decoded: keep what was typed
        self._path = preview.path if preview is not None else None
        known = preview.participant if preview is not None else {}
        self.label.setText(str(known.get("label") or known.get("participant_label") or ""))
        self.visit.setText(str(known.get("session") or ""))
        self.age.setText(_plain(known.get("age_years")))
        self.sex.setCurrentIndex(max(self.sex.findData(known.get("sex") or ""), 0))
        self.pain.setText(_plain(known.get("baseline_pain")))
        self.site.setText(str(known.get("site") or ""))
        self._follow_research()
        self.run.setEnabled(preview is not None)
        self.setEnabled(preview is not None)
        if preview is None:
            self.note.setText("Open a scan to run an analysis.")
        elif preview.scan.simulated:
            self.note.setText("A simulated scan: the demonstration model gives a number.")
        else:
            self.note.setText(f"{wording.NO_MODEL_REASON} Outcome: Withheld, with all checks.")

    def values(self) -> dict[str, object]:
        """The covariates as `AnalysisRequest` names them."""
        return {
            "participant_label": self.label.text().strip(),
            "session": self.visit.text().strip(),
            "age_years": _value(self.age),
            "sex": str(self.sex.currentData()) or None,
            "baseline_pain": _value(self.pain),
            "site": self.site.text().strip() or None,
            "research": self.research.isChecked(),
            "override_reason": self.reason.text().strip() if self.research.isChecked() else "",
        }

    def _follow_research(self) -> None:
        self.research.setChecked(self.session.research_wanted)

    def _run(self) -> None:
        self.run_asked.emit(self.values())


def _number_field(low: float, high: float) -> QLineEdit:
    field = QLineEdit()
    field.setValidator(QDoubleValidator(low, high, 1, field))
    return field


def _value(field: QLineEdit) -> float | None:
    if not field.text().strip() or not field.hasAcceptableInput():
        return None
    return float(field.text().replace(",", "."))


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else ""
