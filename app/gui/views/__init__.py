"""All views, in the order in which the steps use them."""

from __future__ import annotations

from app.gui.views.card import CardView
from app.gui.views.coverage import CoverageView
from app.gui.views.gates import GatesView
from app.gui.views.header import HeaderView
from app.gui.views.intake import IntakeView
from app.gui.views.matrix import MatrixView
from app.gui.views.motion import MotionView
from app.gui.views.record import RecordView
from app.gui.views.regions import RegionsView
from app.gui.views.registration import RegistrationView
from app.gui.views.slices import SlicesView
from app.gui.views.summary import SummaryView
from app.gui.views.surface import SurfaceView
from app.gui.views.time_series import TimeSeriesView

VIEWS = (
    HeaderView,
    IntakeView,
    SlicesView,
    MotionView,
    GatesView,
    CoverageView,
    RecordView,
    RegistrationView,
    CardView,
    MatrixView,
    SurfaceView,
    TimeSeriesView,
    RegionsView,
    SummaryView,
)

__all__ = [
    "VIEWS",
    "CardView",
    "CoverageView",
    "GatesView",
    "HeaderView",
    "IntakeView",
    "MatrixView",
    "MotionView",
    "RecordView",
    "RegionsView",
    "RegistrationView",
    "SlicesView",
    "SummaryView",
    "SurfaceView",
    "TimeSeriesView",
]
