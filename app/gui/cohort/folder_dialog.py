"""Asks for a BIDS folder, where the results go, and the model whose contract decides."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from app.gui.widgets.file_dialogs import ask_folder
from app.gui.widgets.framed_dialog import FramedDialog
from app.gui.widgets.theme import scaled


def proposed_results(bids_dir: Path) -> Path:
    """Below ``derivatives/`` of raw data; beside a folder that is itself derivatives."""
    raw = (bids_dir / "participants.tsv").is_file() and bids_dir.parent.name != "derivatives"
    if bids_dir.name and not raw:  # the root of a drive has no name and nothing beside it
        return bids_dir.with_name(f"{bids_dir.name}-neuroresponder")
    return bids_dir / "derivatives" / "neuroresponder"


class FolderDialog(FramedDialog):
    """Two folders; the second is proposed once the first is chosen."""

    chosen = Signal(object, object)  # BIDS folder, results folder

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Open a cohort")
        self.setMinimumWidth(scaled(620))
        self.bids, self.out = QLineEdit(), QLineEdit()
        self.bids.setAccessibleName("BIDS folder")
        self.out.setAccessibleName("Results folder")
        self.bids.textChanged.connect(self._propose)
        form = QFormLayout()
        form.addRow("BIDS folder", self._with_button(self.bids, "Choose the BIDS folder"))
        form.addRow("Results", self._with_button(self.out, "Choose the folder for results"))
        words = QLabel(
            "Raw scans or fMRIPrep derivatives, one folder sub-\N{HORIZONTAL ELLIPSIS} for each "
            "participant; participants.tsv gives age, sex, baseline pain and site. A results "
            "folder of before is taken up again: what is done is kept."
        )
        words.setWordWrap(True)
        words.setObjectName("muted")
        self.said = QLabel()
        self.said.setObjectName("stamp")
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self._accept)
        self.buttons.rejected.connect(self.reject)
        column = self.inside
        column.addWidget(words)
        column.addLayout(form)
        column.addWidget(self.said)
        column.addWidget(self.buttons)
        self._propose("")

    def _with_button(self, line: QLineEdit, title: str) -> QWidget:
        button = QPushButton("Browse\N{HORIZONTAL ELLIPSIS}")
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: self._browse(line, title))
        whole = QWidget()
        row = QHBoxLayout(whole)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(line, 1)
        row.addWidget(button)
        return whole

    def _browse(self, line: QLineEdit, title: str) -> None:
        name = ask_folder(self, title, line.text())
        if name:
            line.setText(name)

    def _propose(self, text: str) -> None:
        there = bool(text) and Path(text).is_dir()
        if there:
            self.out.setText(str(proposed_results(Path(text).absolute())))
        self.buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(there)

    def _accept(self) -> None:
        bids, out = Path(self.bids.text()).absolute(), self.out.text().strip()
        if not out:
            self.said.setText("Name a folder for the results.")
            return
        self.chosen.emit(bids, Path(out).absolute())
        self.accept()
