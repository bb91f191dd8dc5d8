"""What the scan's header says: size, voxels, TR, codes, storage order; can be copied."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton, QWidget

from app.core import wording
from app.core.coordinates import as_stored
from app.core.results import Finding, Participant, Scan
from app.core.sides import UNKNOWN_SENTENCE
from app.gui.session import Session
from app.gui.widgets.facts import FactsArea
from app.gui.widgets.tables import Table
from app.gui.widgets.view import View


class HeaderView(View):
    """Facts of the open scan and everything that was noticed about it."""

    name = "header"
    title = "Scan header"
    takes_turns = True

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        copy = QPushButton("Copy")
        copy.setToolTip("Copy the header as text")
        copy.clicked.connect(self._copy)
        self.tools.addWidget(copy)
        self.area = FactsArea()
        self.area.setAccessibleName("Facts of the scan header, and what was noticed")
        self.body.addWidget(self.area, 1)
        self.refresh()

    def rows(self) -> list[tuple[str, str]]:
        """(name, value) of each fact that is known."""
        opened, preview = self.session.case, self.session.preview
        if opened is not None:
            return [*participant_rows(opened.case.participant), *scan_rows(opened.case.scan)]
        return scan_rows(preview.scan) if preview is not None else []

    def findings(self) -> tuple[Finding, ...]:
        """What was noticed."""
        if self.session.case is not None:
            return self.session.case.case.findings
        return self.session.preview.findings if self.session.preview is not None else ()

    def as_table(self) -> Table | None:
        """The facts."""
        rows = self.rows()
        return Table(("Fact", "Value"), rows) if rows else None

    def refresh(self) -> None:
        """Write the facts of the open scan."""
        self.area.show_facts(self.rows(), self.findings())

    def _copy(self) -> None:
        lines = [f"{name}\t{value}" for name, value in self.rows()]
        QGuiApplication.clipboard().setText("\n".join(lines))


def participant_rows(person: Participant) -> list[tuple[str, str]]:
    """Pseudonym and covariates."""
    known = (
        f"{person.age_years:g} years" if person.age_years is not None else "",
        person.sex or "",
        f"pain {person.baseline_pain:g} of 10" if person.baseline_pain is not None else "",
        person.site or "",
    )
    return [
        ("Participant", wording.join((person.label, person.session))),
        ("Covariates", wording.join(known) or "none given"),
    ]


def scan_rows(scan: Scan) -> list[tuple[str, str]]:
    """The header's facts in reading order."""
    frames = scan.shape[3]
    if not scan.is_image:
        return _series_rows(scan)
    minutes, seconds = divmod(round(frames * scan.repetition_time_s), 60)
    x, y, z = as_stored(scan.shape[:3], scan.storage_orientation)
    sizes = as_stored(scan.voxel_size_mm, scan.storage_orientation)
    voxel = " × ".join(f"{size:.2f}" for size in sizes)
    rows = [
        ("Size", f"{x} × {y} × {z} voxels, {frames} volumes"),
        ("Voxel", f"{voxel} mm"),
        (
            "Repetition time",
            f"{scan.repetition_time_s:g} s (from the {scan.repetition_time_source})",
        ),
        ("Duration", f"{minutes} min {seconds} s"),
        ("Space", scan.space),
        ("Storage order", scan.storage_orientation if scan.orientation_known else "unknown"),
        ("sform / qform code", f"{scan.sform_code} / {scan.qform_code}"),
        *([] if scan.orientation_known else [("Left and right", UNKNOWN_SENTENCE)]),
        ("Stored as", scan.stored_dtype),
        ("Task", scan.task or "not stated"),
    ]
    field = f"{scan.field_strength_t:g} T" if scan.field_strength_t is not None else ""
    if scan.scanner or field:
        rows.append(("Scanner", wording.join((scan.scanner, field))))
    if scan.slice_times_s:
        rows.append(("Slice times", f"given for {len(scan.slice_times_s)} slices"))
    rows.append(("SHA-256", f"{scan.sha256[:16]}…"))
    return rows


def _series_rows(scan: Scan) -> list[tuple[str, str]]:
    """Parcel series have no grid."""
    minutes, seconds = divmod(round(scan.shape[3] * scan.repetition_time_s), 60)
    return [
        ("Content", f"parcel series: {scan.shape[0]} parcels, {scan.shape[3]} frames; no image"),
        (
            "Repetition time",
            f"{scan.repetition_time_s:g} s (from the {scan.repetition_time_source})",
        ),
        ("Duration", f"{minutes} min {seconds} s"),
        ("Task", scan.task or "not stated"),
        ("SHA-256", f"{scan.sha256[:16]}…"),
    ]
