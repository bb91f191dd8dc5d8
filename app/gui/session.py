"""What is open and what is selected: the one state that all views share.

Views read it and change it only through `select_…` and `set_display`; each change is told once
by a signal. Nothing here draws, computes on voxels, or knows any widget.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from app.core import wording
from app.core.arrays import Floats, Ints
from app.core.colours import TOP_SHARE, display_order
from app.core.explanation_wording import DEFAULT_METHOD
from app.core.results import (
    Attribution,
    Case,
    Finding,
    Outcome,
    Scan,
    Verdict,
    overrides_quality,
)
from app.core.sides import ORIENTATION_UNKNOWN, without_unknown_sides
from app.study.case_store import read_case
from app.study.case_view import CaseView, open_view

Point = tuple[float, float, float]
BRAIN_GREY = 20  # of 255 in the template's picture; darker is background

OVERLAYS = {
    "scan": "(b) whole scan",
    "branches": "(a) each branch",
    "series": "(a) time series part",
    "connectivity": "(a) connectivity part",
    "seed": "Correlation with the selected parcel",
    "none": "No overlay",
}


def voxel_of(affine: Floats, mm: Point) -> tuple[int, int, int]:
    """Index of the voxel that holds a world point; may lie outside the grid."""
    i, j, k = np.rint(np.linalg.solve(affine, np.append(mm, 1.0))[:3]).astype(int)
    return (int(i), int(j), int(k))


def grid_centre_mm(shape: tuple[int, ...], affine: Floats) -> Point:
    """World mm of the middle of a grid."""
    centre = (np.asarray(shape[:3]) - 1) / 2.0
    x, y, z = (float(value) for value in (affine @ np.append(centre, 1.0))[:3])
    return (x, y, z)


@dataclass(frozen=True, slots=True)
class Display:
    """How things are drawn; nothing in here changes a number."""

    theme: str = "system"  # "system", "dark", "light"
    convention: str = "radiological"  # or "neurological"
    nose: str = "left"  # sagittal: where the nose points
    underlay: str = "template"  # or "boldref"
    overlay: str = DEFAULT_METHOD  # a key of OVERLAYS
    hidden_share: float = 1.0 - TOP_SHARE  # share of parcels below the threshold, 0..1
    opacity: float = 0.85  # of the overlay, 0..1
    secondary_letters: bool = True  # A, P, S, I; L and R always stay
    surface: str = "pial"  # or "inflated"
    carpet: str = "after"  # or "before"
    matrix: str = "correlation"  # or an attribution: "scan", "branches"

    @property
    def convention_word(self) -> str:
        """The chosen convention in a word."""
        if self.convention == "radiological":
            return wording.RADIOLOGICAL
        return wording.NEUROLOGICAL


@dataclass(frozen=True)
class OpenCase:
    """A case with its folder and the arrays to draw."""

    case: Case
    folder: Path
    view: CaseView

    @classmethod
    def read(cls, folder: Path) -> OpenCase:
        """Open a case folder.

        Raises
        ------
        StorageError
            When the folder is not a case or a file in it was changed.
        """
        opened = cls(without_unknown_sides(read_case(folder)), folder, open_view(folder))
        # Derived here too, so that a thread that reads does it and not the first paint.
        _ = opened.order, opened.brain_box, opened._centres_mm
        return opened

    @property
    def summary_pdf(self) -> Path:
        """Where the case folder keeps its participant summary; it may not be there."""
        return self.folder / f"{self.case.stem()}_desc-summary.pdf"

    @property
    def withheld(self) -> bool:
        """Whether no number may be shown anywhere."""
        prediction = self.case.prediction
        return prediction is None or prediction.outcome is Outcome.WITHHELD

    @property
    def attribution(self) -> Attribution | None:
        """The attribution, never for a withheld case: its sum would give the number away."""
        return None if self.withheld else self.case.attribution

    @cached_property
    def order(self) -> Ints:
        """(parcel,) parcels in network order, for drawing only."""
        signals = self.case.signals
        if signals is None:
            return np.zeros(0, dtype=np.int64)
        return display_order(signals.networks, signals.hemispheres)

    @cached_property
    def brain_box(self) -> tuple[Point, Point] | None:
        """First and last voxel of the template grid that holds brain; None without a template."""
        if self.view.template is None:
            return None
        inside = np.asarray(self.view.template) > BRAIN_GREY
        ends = []
        for axis in range(3):
            other = tuple(a for a in range(3) if a != axis)
            found = np.flatnonzero(inside.any(axis=other))
            ends.append((found[0], found[-1]) if found.size else (0, inside.shape[axis] - 1))
        (x0, x1), (y0, y1), (z0, z1) = ((float(a), float(b)) for a, b in ends)
        return (x0, y0, z0), (x1, y1, z1)

    @cached_property
    def _centres_mm(self) -> Floats:
        """(label + 1, 3) template mm of each parcel's own voxel nearest to its mean."""
        if self.view.labels is None or self.view.affine is None:
            return np.zeros((0, 3))
        labels = np.asarray(self.view.labels)
        inside = np.argwhere(labels > 0)
        of_voxel = labels[labels > 0].astype(int)
        size = np.maximum(np.bincount(of_voxel), 1)
        mean = np.stack([np.bincount(of_voxel, inside[:, axis]) / size for axis in range(3)], 1)
        # A curved parcel's mean may lie outside it, so one of its own voxels stands for it.
        distance = np.square(inside - mean[of_voxel]).sum(axis=1)
        order = np.lexsort((distance, of_voxel))
        found, first = np.unique(of_voxel[order], return_index=True)
        centres = np.full((len(size), 3), np.nan)
        affine = self.view.affine
        centres[found] = inside[order][first] @ affine[:3, :3].T + affine[:3, 3]
        return centres

    def parcel_centre_mm(self, parcel: int) -> Point | None:
        """Template mm inside the 0-based parcel; None if the atlas grid does not hold it."""
        if parcel + 1 >= len(self._centres_mm) or np.isnan(self._centres_mm[parcel + 1, 0]):
            return None
        x, y, z = (float(value) for value in self._centres_mm[parcel + 1])
        return (x, y, z)

    def parcel_at(self, mm: Point) -> int | None:
        """0-based parcel under a template point, None outside the atlas."""
        if self.view.labels is None or self.view.affine is None:
            return None
        voxel = voxel_of(self.view.affine, mm)
        if any(not 0 <= i < n for i, n in zip(voxel, self.view.labels.shape, strict=True)):
            return None
        label = int(self.view.labels[voxel])
        return label - 1 if label > 0 else None


@dataclass(frozen=True, slots=True)
class ScanPreview:
    """A scan that was looked at but not yet analysed."""

    path: Path
    scan: Scan
    findings: tuple[Finding, ...]
    volume: Floats | Ints | None = None  # (x, y, z), RAS+ native grid; None while it decodes
    participant: dict[str, object] = field(default_factory=dict)  # what the file names told
    selection: dict[str, Any] = field(default_factory=dict)  # series, table or atlas chosen


class Turns(QObject):
    """Does long drawing in short parts, so that the event loop turns between them.

    Off until the application switches it on: then what follows from a change does not stand at
    once but a few turns of the loop later.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.on = False
        self._waiting: dict[int, Iterator[None]] = {}  # by identity of who draws
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._turn)

    def add(self, who: QObject, parts: Iterator[None], *, first: bool) -> None:
        """Queue the parts of `who`; parts that it still waits for are dropped."""
        self._waiting.pop(id(who), None)
        rest = self._waiting
        self._waiting = {id(who): parts, **rest} if first else {**rest, id(who): parts}
        self._timer.start()

    def _turn(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        key, parts = next(iter(self._waiting.items()))
        if next(parts, self) is self:
            self._waiting.pop(key, None)


class Session(QObject):
    """The open case, the selection and the display settings, with one signal for each."""

    case_changed = Signal()  # another case, another scan, or none
    parcel_changed = Signal()
    edge_changed = Signal()
    frame_changed = Signal()
    crosshair_changed = Signal()
    display_changed = Signal()
    research_wanted_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.case: OpenCase | None = None
        self.preview: ScanPreview | None = None
        self.parcel: int | None = None  # 0-based, atlas order
        self.edge: tuple[int, int] | None = None
        self.frame = 0  # index into the case's frames, first = 0
        self.crosshair_mm: Point = (0.0, 0.0, 0.0)
        self.native_mm: Point = (0.0, 0.0, 0.0)
        self.display = Display()
        self.research_wanted = False
        self.turns = Turns(self)

    # what is open -----------------------------------------------------------

    @property
    def orientation_known(self) -> bool:
        """Whether left and right of what is open are known; also in the template's space."""
        if self.preview is not None:
            return self.preview.scan.orientation_known
        return self.case is None or self.case.case.scan.orientation_known

    @property
    def convention_word(self) -> str:
        """The word in the corner of every slice: the convention, where there is a left."""
        return self.display.convention_word if self.orientation_known else ORIENTATION_UNKNOWN

    def show_case(self, opened: OpenCase | None) -> None:
        """Make a case the open one; the selection starts at its strongest parcel."""
        self.case = opened
        self.preview = None
        self.parcel = None
        self.edge = None
        self.frame = 0
        self.crosshair_mm = (0.0, -20.0, 10.0)
        if opened is not None:
            view = opened.view
            if view.native_boldref is not None and view.native_affine is not None:
                self.native_mm = grid_centre_mm(view.native_boldref.shape, view.native_affine)
        self.case_changed.emit()
        if opened is not None and opened.attribution is not None:
            strength = np.abs(opened.attribution.scan.per_parcel)
            self.select_parcel(int(np.nanargmax(strength)))
        elif opened is not None and opened.case.signals is not None:
            self.select_parcel(0)

    def show_preview(self, preview: ScanPreview | None) -> None:
        """Make a scan that has not been analysed the open thing."""
        self.case = None
        self.preview = preview
        self.parcel = self.edge = None
        if preview is not None:
            self.native_mm = grid_centre_mm(preview.scan.shape, preview.scan.affine)
        self.case_changed.emit()

    def stamps(self) -> tuple[str, ...]:
        """Words that every view and every picture of it must carry."""
        if self.case is not None:
            return wording.case_stamps(self.case.case)
        if self.preview is not None:
            return wording.stamps(simulated=self.preview.scan.simulated, research_only=False)
        return ()

    @property
    def scan_sha256(self) -> str:
        """Hash of the scan that is open or was analysed; "" where nothing is open."""
        if self.case is not None:
            return self.case.case.scan.sha256
        return self.preview.scan.sha256 if self.preview is not None else ""

    @property
    def no_image(self) -> bool:
        """Whether only parcel series are open: there is no picture to wait for."""
        if self.preview is not None:
            return not self.preview.scan.is_image
        return self.case is not None and not self.case.case.scan.is_image

    # the selection ----------------------------------------------------------

    def select_parcel(self, parcel: int | None, *, move_crosshair: bool = True) -> None:
        """Select one parcel everywhere; the crosshair goes to its centre."""
        if parcel == self.parcel:
            return
        self.parcel = parcel
        self.parcel_changed.emit()
        if parcel is not None and move_crosshair and self.case is not None:
            self._set_crosshair(self.case.parcel_centre_mm(parcel) or self.crosshair_mm)

    def select_edge(self, first: int, second: int) -> None:
        """Select one connection; its first end becomes the selected parcel."""
        if self.edge != (first, second):
            self.edge = (first, second)
            self.edge_changed.emit()
        self.select_parcel(first)

    def select_frame(self, frame: int) -> None:
        """Move the frame cursor; frames count from 0."""
        signals = self.case.case.signals if self.case is not None else None
        if signals is not None:
            frame = min(max(frame, 0), len(signals.good_frames) - 1)
        if frame != self.frame:
            self.frame = frame
            self.frame_changed.emit()

    def select_point(self, mm: Point) -> None:
        """Move the crosshair in template space; the parcel under it becomes selected."""
        self._set_crosshair(mm)
        if self.case is not None:
            parcel = self.case.parcel_at(mm)
            if parcel is not None:
                self.select_parcel(parcel, move_crosshair=False)

    def select_native_point(self, mm: Point) -> None:
        """Move the crosshair of the scan in scanner space."""
        if mm != self.native_mm:
            self.native_mm = mm
            self.crosshair_changed.emit()

    def _set_crosshair(self, mm: Point) -> None:
        if mm != self.crosshair_mm:
            self.crosshair_mm = mm
            self.crosshair_changed.emit()

    # how it is drawn ----------------------------------------------------------

    def set_research_wanted(self, wanted: bool) -> None:
        """Whether new runs start in research mode; each run can still say otherwise."""
        if wanted != self.research_wanted:
            self.research_wanted = wanted
            self.research_wanted_changed.emit()

    def set_display(self, **changes: object) -> None:
        """Change display settings by name and tell once."""
        display = replace(self.display, **changes)  # type: ignore[arg-type]
        if display != self.display:
            self.display = display
            self.display_changed.emit()


def may_overrule(session: Session) -> bool:
    """Whether overruling is offered: research mode, a verdict that withholds, not overruled yet."""
    case = session.case.case if session.case is not None else None
    return (
        session.research_wanted
        and case is not None
        and case.quality is not None
        and case.quality.verdict is Verdict.WITHHELD
        and not overrides_quality(case)
    )
