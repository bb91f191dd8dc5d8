"""Overruling a quality verdict: research mode only, with a reason that is recorded."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QLineEdit, QWidget

from app.core import wording
from app.core.request import LONGEST_REASON
from app.core.results import QualityMetric
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import scaled

SHORTEST_REASON = 10  # characters that are not spaces


class OverrideDialog(FramedDialog):
    """Says what withholds the number and what overruling means, and asks why."""

    confirmed = Signal(str)  # the reason, in one line

    def __init__(self, failed: Sequence[QualityMetric], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Overrule the quality verdict")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(scaled(480))
        column = self.inside
        stamp = QLabel(wording.RESEARCH_STAMP)
        stamp.setObjectName("stamp")
        stamp.setWordWrap(True)
        column.addWidget(stamp)
        lines = [
            f"{metric.label}: {wording.metric_value(metric)} ({wording.limit_text(metric)})"
            for metric in failed
        ]
        self.failed = _words("Quality withholds the number:\n" + "\n".join(lines))
        column.addWidget(self.failed)
        column.addWidget(
            _words(
                "The verdict stays Withheld. A number is computed beside it for research, every "
                "view and export is stamped, and there is no participant summary. The reason "
                "is kept in the case and its hash in the audit log; write no name."
            )
        )
        label = QLabel("&Reason")
        self.reason = QLineEdit()
        self.reason.setMaxLength(LONGEST_REASON)
        self.reason.setPlaceholderText("why this scan is used although it fails")
        self.reason.setAccessibleName("Reason for overruling the quality verdict")
        label.setBuddy(self.reason)
        column.addWidget(label)
        column.addWidget(self.reason)
        buttons = QDialogButtonBox()
        self.compute = buttons.addButton("Compute", QDialogButtonBox.ButtonRole.AcceptRole)
        self.cancel = buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.cancel.setDefault(True)
        buttons.accepted.connect(self._confirm)
        buttons.rejected.connect(self.reject)
        column.addWidget(buttons)
        self.reason.textChanged.connect(self._follow)
        self._follow()
        self.reason.setFocus()

    def _follow(self) -> None:
        long_enough = len("".join(self.reason.text().split())) >= SHORTEST_REASON
        self.compute.setEnabled(long_enough)
        self.compute.setToolTip("" if long_enough else "State the reason first, in a few words")

    def _confirm(self) -> None:
        self.confirmed.emit(" ".join(self.reason.text().split()))
        self.accept()


def _words(text: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label
