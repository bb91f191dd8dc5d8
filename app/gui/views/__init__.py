"""All views and where they stand, in the order in which the steps use them.

A view is one file in this folder and one line in `VIEWS`; the areas of each page are drawn in
`main_window/layouts.py`. A view that wants something of the window has its signal connected in
`main_window/wires.py`.
"""

from __future__ import annotations

from app.gui.views.card import CardView
from app.gui.views.clusters import ClustersView
from app.gui.views.connections import ConnectionsView
from app.gui.views.coverage import CoverageView
from app.gui.views.gates import GatesView
from app.gui.views.header import HeaderView
from app.gui.views.health import HealthView
from app.gui.views.intake import IntakeView
from app.gui.views.matrix import MatrixView
from app.gui.views.motion import MotionView
from app.gui.views.networks import NetworksView
from app.gui.views.preview import PreviewView
from app.gui.views.record import RecordView
from app.gui.views.regions import RegionsView
from app.gui.views.registration import RegistrationView
from app.gui.views.ring import RingView
from app.gui.views.sensitivity import SensitivityView
from app.gui.views.slices import SlicesView
from app.gui.views.summary import SummaryView
from app.gui.views.surface import SurfaceView
from app.gui.views.time_series import TimeSeriesView
from app.gui.widgets.place import Place

VIEWS = (
    Place("load", "side", HeaderView),
    Place("load", "side", IntakeView),
    Place("load", "picture", SlicesView, {"source": "native"}),
    Place("load", "signals", TimeSeriesView, {"native": True}),
    Place("check", "motion", MotionView),
    Place("check", "told", GatesView),
    Place("check", "told", CoverageView),
    Place("check", "told", RecordView),
    Place("check", "registration", RegistrationView),
    Place("check", "registration", SlicesView, {"source": "native"}),
    Place("check", "registration", MatrixView, {"compact": True}),
    Place("predict", "card", CardView),
    Place("predict", "connections", MatrixView, {"compact": True}),
    Place("predict", "tables", RegionsView),
    Place("explain", "slices", SlicesView),
    Place("explain", "space", SurfaceView),
    Place("explain", "connections", MatrixView),
    Place("explain", "connections", RingView),
    Place("explain", "signals", TimeSeriesView),
    Place("explain", "tables", RegionsView),
    Place("explain", "tables", ClustersView),
    Place("explain", "tables", ConnectionsView),
    Place("explain", "tables", NetworksView),
    Place("explain", "tables", HealthView),
    Place("explain", "tables", SensitivityView),
    Place("report", "contents", SummaryView),
    Place("report", "card", PreviewView),
    Place("report", "card", CardView),
)

__all__ = [
    "VIEWS",
    "CardView",
    "ClustersView",
    "ConnectionsView",
    "CoverageView",
    "GatesView",
    "HeaderView",
    "HealthView",
    "IntakeView",
    "MatrixView",
    "MotionView",
    "NetworksView",
    "PreviewView",
    "RecordView",
    "RegionsView",
    "RegistrationView",
    "RingView",
    "SensitivityView",
    "SlicesView",
    "SummaryView",
    "SurfaceView",
    "TimeSeriesView",
]
