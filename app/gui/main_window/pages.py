"""Which views each step shows and how they lie; pages are built when first opened."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QTabWidget, QVBoxLayout, QWidget

from app.gui.session import Session
from app.gui.views import (
    CardView,
    CoverageView,
    GatesView,
    HeaderView,
    IntakeView,
    MatrixView,
    MotionView,
    RecordView,
    RegionsView,
    RegistrationView,
    SlicesView,
    SummaryView,
    SurfaceView,
    TimeSeriesView,
)
from app.gui.widgets.explanation_caption import ExplanationCaption
from app.gui.widgets.view import View


class Page(QWidget):
    """One step's arrangement of views."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(0, 0, 0, 0)

    def views(self) -> list[View]:
        """The views of this page in reading order."""
        return self.findChildren(View)


def _split(orientation: Qt.Orientation, *parts: tuple[QWidget, int]) -> QSplitter:
    """Parts side by side or stacked, with their shares of the room."""
    splitter = QSplitter(orientation)
    splitter.setHandleWidth(8)
    splitter.setChildrenCollapsible(False)
    for index, (widget, share) in enumerate(parts):
        splitter.addWidget(widget)
        splitter.setStretchFactor(index, share)
    splitter.setSizes([share * 100 for _, share in parts])
    return splitter


def _tabs(*views: View) -> QTabWidget:
    """Views behind each other; the tab carries the title."""
    tabs = QTabWidget()
    tabs.setDocumentMode(True)
    for view in views:
        tabs.addTab(view, view.title)
        view.title_label.hide()
    tabs.setAccessibleName(", ".join(view.title for view in views))
    return tabs


_ACROSS, _DOWN = Qt.Orientation.Horizontal, Qt.Orientation.Vertical


def load_page(session: Session, run: Callable[[dict[str, object]], None]) -> Page:
    """Header, participant, the scan as it lies in the scanner."""
    page = Page("Load")
    intake = IntakeView(session)
    intake.run_asked.connect(run)
    left = QWidget()
    column = QVBoxLayout(left)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    column.addWidget(HeaderView(session), 1)
    column.addWidget(intake)
    left.setMinimumWidth(320)
    page.row.addWidget(_split(_ACROSS, (left, 4), (SlicesView(session, source="native"), 8)))

    def follow() -> None:
        intake.setVisible(session.preview is not None)

    session.case_changed.connect(follow)
    follow()
    return page


def check_page(session: Session, overrule: Callable[[], None]) -> Page:
    """Motion and carpet; gates, coverage and record; the participant in the template."""
    page = Page("Check")
    gates = GatesView(session)
    gates.override_asked.connect(overrule)
    told = _tabs(gates, CoverageView(session), RecordView(session))
    right = _split(_DOWN, (told, 5), (RegistrationView(session), 4))
    page.row.addWidget(_split(_ACROSS, (MotionView(session), 6), (right, 5)))
    return page


def predict_page(session: Session, show_model: Callable[[str], None]) -> Page:
    """The card beside the connectivity that went into it."""
    page = Page("Predict")
    card = CardView(session)
    card.model_asked.connect(show_model)
    right = _split(_DOWN, (MatrixView(session, compact=True), 6), (RegionsView(session), 5))
    page.row.addWidget(_split(_ACROSS, (card, 7), (right, 4)))
    return page


def explain_page(session: Session) -> Page:
    """All views of the explanation, brushed together."""
    page = Page("Explain")
    top = _split(_ACROSS, (SlicesView(session), 7), (SurfaceView(session), 5))
    bottom = _split(
        _ACROSS, (MatrixView(session), 4), (TimeSeriesView(session), 4), (RegionsView(session), 4)
    )
    column = QVBoxLayout()
    column.setSpacing(6)
    column.addWidget(ExplanationCaption(session))
    column.addWidget(_split(_DOWN, (top, 6), (bottom, 5)), 1)
    page.row.addLayout(column)
    return page


def report_page(
    session: Session,
    export: Callable[[], None],
    open_folder: Callable[[], None],
    show_model: Callable[[str], None],
) -> Page:
    """What the PDF holds, with its first page's card beside."""
    page = Page("Report")
    summary = SummaryView(session)
    summary.export_asked.connect(export)
    summary.folder_asked.connect(open_folder)
    card = CardView(session)
    card.model_asked.connect(show_model)
    page.row.addWidget(_split(_ACROSS, (summary, 4), (card, 8)))
    return page
