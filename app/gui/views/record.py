"""How the scan was preprocessed: route, steps, fallbacks, findings, an overruled verdict."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QWidget

from app.core import wording
from app.core.results import PREPROCESSING, Case
from app.gui.session import Session
from app.gui.widgets.facts import FactsArea
from app.gui.widgets.tables import Table
from app.gui.widgets.view import View

ROUTES = {"direct": "EPI to template", "t1": "through the T1 image"}


class RecordView(View):
    """What a methods section would say of this scan, and everything that was noticed."""

    name = "record"
    title = "Route and findings"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.copy = QPushButton("Copy")
        self.copy.setToolTip("Copy the record as text")
        self.copy.setAccessibleName("Copy the record as text")
        self.copy.clicked.connect(self._copy)
        self.tools.addWidget(self.copy)
        self.area = FactsArea()
        self.area.setAccessibleName("Record of preprocessing")
        self.body.addWidget(self.area, 1)
        self.refresh()

    def rows(self) -> list[tuple[str, str]]:
        """(name, what is known) in the order of the steps."""
        opened = self.session.case
        if opened is None:
            return [("Record", self.empty_reason())]
        return record_rows(opened.case)

    def as_table(self) -> Table | None:
        """The record."""
        return Table(("Step", "What is known"), self.rows()) if self.session.case else None

    def refresh(self) -> None:
        """Write the record of the case that is open."""
        opened = self.session.case
        self.copy.setEnabled(opened is not None)
        self.area.show_facts(self.rows(), opened.case.findings if opened is not None else ())

    def restyle(self) -> None:
        """Signs take the theme's colours."""
        self.refresh()

    def _copy(self) -> None:
        lines = [f"{name}\t{value}" for name, value in self.rows()]
        QGuiApplication.clipboard().setText("\n".join(lines))


def record_rows(case: Case) -> list[tuple[str, str]]:
    """How a case was preprocessed; what was not recorded is left out, never guessed."""
    told = steps_of(case)
    signals, quality, motion = case.signals, case.quality, case.motion
    rows = [
        ("Route", route_text(case)),
        ("Placement", _text(told, "registration")),
        ("", " ".join(_texts(told, "registration_notes"))),
        ("Brain mask", _text(told, "mask_method")),
        ("Slice timing", _slice_timing(told)),
        ("Interpolation", _text(told, "interpolation")),
    ]
    if signals is not None:
        first = signals.first_frame
        rows.append(
            ("Steady state", f"first {first} volumes left out" if first else "from volume 0")
        )
        rows.append(("Cleaning", _cleaning(told, signals.preset)))
    if motion is not None:
        rows.append(
            (
                "Motion",
                f"{len(motion.retried_frames)} volumes aligned again through smoothing, "
                f"{len(motion.fallback_frames)} by the fallback, "
                f"{len(motion.uncertain_frames)} uncertain; on {motion.device}",
            )
        )
    seconds, source = case.scan.repetition_time_s, case.scan.repetition_time_source
    rows.append(("Repetition time", f"{seconds:g} s, from the {source}"))
    if quality is not None:
        rows.append(("Table of limits", f"version {quality.table_version}"))
    reason = _text(told, "override_reason")
    if reason:
        rows.append(("Verdict overruled", f"in research mode: {reason}"))
    return [(name, text) for name, text in rows if text]


def steps_of(case: Case) -> dict[str, object]:
    """Parameters of the run together with the record of its preprocessing."""
    if case.provenance is None:
        return {}
    steps = case.provenance.parameters.get(PREPROCESSING)
    return {**case.provenance.parameters, **(steps if isinstance(steps, Mapping) else {})}


def route_text(case: Case) -> str:
    """Which way the scan came into the template; with both scores where two were tried."""
    told = steps_of(case)
    if not case.scan.is_image:
        return "parcel series: no image was opened"
    if case.scan.space != "scanner":
        return f"derivatives: the run already lies in {case.scan.space}"
    route = _text(told, "registration_route")
    if not route:
        return "not recorded"
    words = ROUTES.get(route, route)
    scores = told.get("registration_route_scores")
    if not isinstance(scores, Mapping) or len(scores) < 2:
        return words
    each = ", ".join(
        f"{ROUTES.get(name, name)} {wording.number(float(score))}" for name, score in scores.items()
    )
    return f"{words}; kept as the better of both by an independent score ({each})"


def _slice_timing(told: Mapping[str, object]) -> str:
    if "slice_timing_reference_s" not in told:
        return ""
    at = told["slice_timing_reference_s"]
    return f"corrected to {at:.3f} s" if isinstance(at, int | float) else "not corrected"


def _cleaning(told: Mapping[str, object], preset: str) -> str:
    parts = [f"preset {preset}"]
    for name, words in (("high_pass_hz", "high-pass"), ("low_pass_hz", "low-pass")):
        value = told.get(name)
        if isinstance(value, int | float):
            parts.append(f"{words} {value:g} Hz")
    return wording.join(tuple(parts))


def _text(told: Mapping[str, object], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _texts(told: Mapping[str, object], name: str) -> list[str]:
    value = told.get(name)
    return [str(item) for item in value] if isinstance(value, list | tuple) else []
