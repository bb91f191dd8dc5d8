"""What stands in the window before anything is open."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from app.core import wording
from app.gui.main_window.recent_names import recent_names
from app.gui.widgets.flow_layout import flow
from app.gui.widgets.icons import renderer
from app.gui.widgets.theme import font, scaled, tokens

_SHOWN_RECENT = 5


class _Sign(QWidget):
    """The large icon of the drop field."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(scaled(56), scaled(56))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        colour = tokens(self.palette()).accent
        renderer("load", colour).render(painter, QRectF(self.rect()))
        painter.end()


class StartPanel(QWidget):
    """A drop field, two buttons, and what was opened last."""

    scan_asked = Signal()
    case_asked = Signal()
    path_chosen = Signal(object)  # Path
    tour_asked = Signal()
    convention_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Start")
        outer = QVBoxLayout(self)
        outer.addStretch(1)
        self._sign, self._title = _Sign(), QLabel("Drop a scan or a folder here")
        self._title.setFont(font(self.font(), scale=1.7, bold=True))
        for part in (self._sign, self._title):
            outer.addWidget(part, 0, Qt.AlignmentFlag.AlignHCenter)
        words = QLabel(
            "NIfTI, a DICOM folder, a BIDS dataset, fMRIPrep derivatives, parcel series, or a case."
        )
        outer.addWidget(_wrapped(words))
        outer.addSpacing(14)
        scan = QPushButton("Open scan…")
        scan.setObjectName("primary")
        scan.clicked.connect(self.scan_asked)
        case = QPushButton("Open folder…")
        case.clicked.connect(self.case_asked)
        tour = QPushButton("Guided tour")
        tour.setToolTip("From a scan to its summary, also with a simulated participant")
        tour.clicked.connect(lambda _checked=False: self.tour_asked.emit())
        outer.addLayout(flow(scan, case, tour, centred=True))
        outer.addSpacing(20)
        self.convention = self._convention_question()
        outer.addWidget(self.convention)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        outer.addLayout(self._recent)
        outer.addStretch(1)
        note = QLabel("Everything is computed on this machine; nothing leaves it.")
        outer.addWidget(_wrapped(note))

    def ask_convention(self, asked: bool) -> None:
        """Show the question how slices are laid, or hide it once it was answered."""
        self.convention.setVisible(asked)

    def _convention_question(self) -> QWidget:
        """Asked once: which side of a slice is the participant's left."""
        around = QWidget()
        around.setAccessibleName("Left and right in slices")
        column = QVBoxLayout(around)
        words = QLabel("Asked until it is answered: how are slices laid for you?")
        words.setObjectName("title")
        words.setWordWrap(True)
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addWidget(words)
        row = flow(centred=True)
        for key, word in (
            ("radiological", wording.RADIOLOGICAL),
            ("neurological", wording.NEUROLOGICAL),
        ):
            button = QPushButton(f"{word}: {wording.CONVENTION_MEANING[word]}")
            button.clicked.connect(partial(self._convention_chosen, key))
            row.addWidget(button)
        column.addLayout(row)
        return around

    def _convention_chosen(self, key: str, _checked: bool = False) -> None:
        self.convention.hide()
        self.convention_chosen.emit(key)

    def show_recent(self, paths: Sequence[Path]) -> None:
        """List what was opened last; what is missing is greyed."""
        while (item := self._recent.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        if not paths:
            return
        title = QLabel("Recent")
        title.setObjectName("muted")
        self._recent.addWidget(title, 0, Qt.AlignmentFlag.AlignHCenter)
        for path, name in recent_names(paths)[:_SHOWN_RECENT]:
            there = path.exists()
            button = QPushButton(name if there else f"{name} (missing)")
            button.setFlat(True)
            button.setEnabled(there)
            button.setToolTip(str(path))
            button.setMinimumWidth(scaled(340))
            button.clicked.connect(partial(self._chosen, path))
            self._recent.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the size of the text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange and hasattr(self, "_title"):
            QTimer.singleShot(0, self, self._grow)  # while fonts are handed on, a new one is lost
        self.update()

    def _grow(self) -> None:
        self._title.setFont(font(self.font(), scale=1.7, bold=True))
        self._sign.setFixedSize(scaled(56), scaled(56))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """A dashed frame around the drop field."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours = tokens(self.palette())
        painter.setBrush(QColor(colours.surface))
        painter.setPen(QPen(QColor(colours.border), 1.5, Qt.PenStyle.DashLine))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), 10, 10)
        painter.end()

    def _chosen(self, path: Path, _checked: bool = False) -> None:
        self.path_chosen.emit(path)


def _wrapped(label: QLabel) -> QLabel:
    """Muted words in the middle, in as many lines as they need."""
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label
