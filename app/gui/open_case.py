"""What is open: a case with the arrays to draw, or a scan that was only looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from app.attribution.baselines import seen_from
from app.core.arrays import Bools, Floats, Ints
from app.core.colours import display_order
from app.core.explanation_health import BASELINES, ExplanationHealth, Sensitivity
from app.core.explanation_lists import hatched
from app.core.frames import not_cleaned_text
from app.core.parcel_places import parcel_places_mm
from app.core.results import (
    CENSORED,
    Attribution,
    Case,
    Finding,
    Outcome,
    Scan,
    Verdict,
    overrides_quality,
)
from app.core.sides import without_unknown_sides
from app.study.case_store import check_files, read_case
from app.study.case_view import TRANSFORM_ENDING, VIEW_FOLDER, CaseView, is_drawn, open_view
from app.study.session_file import answer_sha256

Point = tuple[float, float, float]
_INVERSE_MM, _INVERSE_STEPS = 0.01, 60  # fixed point of a displacement that folds nowhere
BRAIN_GREY = 20  # of 255 in the template's picture; darker is background


def voxel_of(affine: Floats, mm: Point) -> tuple[int, int, int]:
    """Index of the voxel that holds a world point; may lie outside the grid."""
    i, j, k = np.rint(np.linalg.solve(affine, np.append(mm, 1.0))[:3]).astype(int)
    return (int(i), int(j), int(k))


def grid_centre_mm(shape: tuple[int, ...], affine: Floats) -> Point:
    """World mm of the middle of a grid."""
    centre = (np.asarray(shape[:3]) - 1) / 2.0
    x, y, z = (float(value) for value in (affine @ np.append(centre, 1.0))[:3])
    return (x, y, z)


def _linear(field: Floats, affine: Floats, mm: Point | Floats) -> Floats:
    """(3,) a vector field (x, y, z, 3) at a world point, linear between voxels; 0 outside."""
    at = np.linalg.solve(affine, np.append(mm, 1.0))[:3]
    low = np.floor(at).astype(int)
    if (low < 0).any() or (low + 1 >= field.shape[:3]).any():
        return np.zeros(3)
    part = np.asarray(field[tuple(slice(i, i + 2) for i in low)], dtype=np.float64)
    for share in at - low:  # one axis after the other
        part = (1.0 - share) * part[0] + share * part[1]
    return part


@dataclass(frozen=True)
class OpenCase:
    """A case with its folder and the arrays to draw."""

    case: Case
    folder: Path
    view: CaseView
    stale: str = ""  # why its results may not be shown until the scan is analysed again
    original: OpenCase | None = None  # as it lies in the folder, where this one was edited since
    baseline: str = ""  # which one its map (b) was drawn from; "" = the answer's own map
    altered: tuple[str, ...] = ()  # drawn files that were changed or are missing: not drawn

    @classmethod
    def read(cls, folder: Path) -> OpenCase:
        """Open a case folder; a picture whose file was changed or is missing is left out.

        Raises
        ------
        StorageError
            When the folder is not a case or its numbers were changed.
        """
        case = without_unknown_sides(read_case(folder))
        whole, wrong = check_files(folder, is_drawn)
        opened = cls(case, folder, open_view(folder, whole), altered=wrong)
        # Derived here too, so that a thread that reads does it and not the first paint.
        _ = opened.order, opened.brain_box, opened._centres_mm, opened.answer_sha256
        return opened

    def as_stale(self, reason: str) -> OpenCase:
        """The case without its number and what was derived from it, which says why.

        Such a case is drawn like one that was withheld: nothing of the number is left in it.
        """
        case = self.case
        if case.prediction is not None:
            hidden = replace(
                case.prediction,
                outcome=Outcome.WITHHELD,
                reasons=(reason,),
                probability=None,
                interval=None,
                log_odds=None,
                log_odds_windows=None,
                covariate_probability=None,
                contributions=None,
                conformal=None,
                novelty=None,
            )
            case = replace(case, prediction=hidden, attribution=None, health=None, sensitivity=None)
        return self._with(case=case, stale=reason)

    def from_baseline(self, index: int) -> OpenCase:
        """The case with its map (b) as seen from another baseline; nothing else differs.

        Parameters
        ----------
        index
            0 the answer's own map, then the baselines of explanation health. Where the case does
            not keep that map, it is the case itself.
        """
        found, health = self.attribution, self.health
        if index <= 0 or found is None or health is None:
            return self
        if index not in self._seen:
            seen = seen_from(found, health, index - 1)
            if seen is None:
                return self
            case = replace(self.case, attribution=seen[0], health=seen[1])
            name = health.of_kind(BASELINES)[index - 1].name
            self._seen[index] = self._with(case=case, baseline=name)
        return self._seen[index]

    @cached_property
    def _seen(self) -> dict[int, OpenCase]:
        """What `from_baseline` made, so that who asks twice gets the same object."""
        return {}

    @property
    def is_edited(self) -> bool:
        """Whether this is not what lies in the folder: a new run is needed for a number."""
        return self.original is not None

    def edited(self, case: Case, reason: str) -> OpenCase:
        """This case with other results than those in its folder; no number of it stands any more.

        `case` brings what follows from the edit; prediction and explanation are left out of it.
        """
        return self._with(case=case, original=self.original or self).as_stale(reason)

    def _with(self, **changes: Any) -> OpenCase:
        made = replace(self, **changes)
        for name in (
            "order",
            "brain_box",
            "_centres_mm",
            "_to_scanner",
        ):  # they rest on atlas and grid alone
            if name in self.__dict__:
                made.__dict__[name] = self.__dict__[name]
        return made

    @cached_property
    def answer_sha256(self) -> str:
        """Of the case as it lies in its folder; what a saved session knows it again by."""
        return answer_sha256(self.case) if self.original is None else self.original.answer_sha256

    def lacks(self, *names: str) -> bool:
        """Whether one of these files of ``view/`` is not what was written: it is left out."""
        return any(f"{VIEW_FOLDER}/{name}" in self.altered for name in names)

    @cached_property
    def not_cleaned(self) -> str:
        """Why there are no clean series although frames were read; "" where there are some."""
        return "" if self.case.signals is None else not_cleaned_text(self.case.signals)

    @property
    def left_out(self) -> tuple[int, ...]:
        """Volumes of the file that were left out by hand when the case was made."""
        provenance = self.case.provenance
        told = provenance.parameters.get(CENSORED, ()) if provenance is not None else ()
        return tuple(int(frame) for frame in told) if isinstance(told, list | tuple) else ()

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
    def may_be_overruled(self) -> bool:
        """Whether its verdict withholds the number and was not overruled yet."""
        quality = self.case.quality
        withheld = quality is not None and quality.verdict is Verdict.WITHHELD
        return withheld and not overrides_quality(self.case)

    @property
    def attribution(self) -> Attribution | None:
        """The attribution, never for a withheld case: its sum would give the number away."""
        return None if self.withheld else self.case.attribution

    @property
    def health(self) -> ExplanationHealth | None:
        """What the attribution is worth, where it was computed; never for a withheld case."""
        return None if self.withheld else self.case.health

    @property
    def sensitivity(self) -> Sensitivity | None:
        """Marked variants of the number, never for a withheld case."""
        return None if self.withheld else self.case.sensitivity

    @property
    def networks(self) -> tuple[str, ...]:
        """The network of each parcel, in atlas order; empty before there are series."""
        return () if self.case.signals is None else self.case.signals.networks

    def goes_on_from(self, before: OpenCase | None) -> bool:
        """Whether both are one case, such as before and after a job that added to it."""
        return before is not None and before.case.case_id == self.case.case_id

    @property
    def first_parcel(self) -> int | None:
        """Where the selection begins: the strongest parcel of map (b), else the first."""
        if self.attribution is not None:
            return int(np.nanargmax(np.abs(self.attribution.scan.per_parcel)))
        return 0 if self.case.signals is not None else None

    @cached_property
    def hatched(self) -> Bools | None:
        """(parcel,) where both methods disagree or the value is unstable; None unexplained."""
        found = self.attribution
        return None if found is None else hatched(found, self.health)

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
        """(label + 1, 3) template mm of the voxel that stands for each parcel."""
        if self.view.labels is None or self.view.affine is None:
            return np.zeros((0, 3))
        return parcel_places_mm(self.view.labels, self.view.affine)

    def parcel_centre_mm(self, parcel: int) -> Point | None:
        """Template mm inside the 0-based parcel; None if the atlas grid does not hold it."""
        if parcel + 1 >= len(self._centres_mm) or np.isnan(self._centres_mm[parcel + 1, 0]):
            return None
        x, y, z = (float(value) for value in self._centres_mm[parcel + 1])
        return (x, y, z)

    def scanner_point(self, mm: Point) -> Point | None:
        """Scanner mm of a template point; None where the case has no transform."""
        found = self._to_scanner
        if found is None:
            return None
        affine, field, grid = found
        moved = np.asarray(mm) + (
            0.0 if field is None or grid is None else _linear(field, grid, mm)
        )
        x, y, z = (float(value) for value in (affine @ np.append(moved, 1.0))[:3])
        return (x, y, z)

    def template_point(self, mm: Point) -> Point | None:
        """Template mm of a scanner point; None without a transform, or where none leads there."""
        found = self._to_scanner
        if found is None:
            return None
        affine, field, grid = found
        before = np.linalg.solve(affine, np.append(mm, 1.0))[:3]  # p + displacement(p)
        at = before
        for _ in range(_INVERSE_STEPS):
            moved = 0.0 if field is None or grid is None else _linear(field, grid, at)
            step = before - moved - at
            at = at + step
            if float(np.linalg.norm(step)) < _INVERSE_MM:
                return (float(at[0]), float(at[1]), float(at[2]))
        return None

    @cached_property
    def _to_scanner(self) -> tuple[Floats, Floats | None, Floats | None] | None:
        """Affine, displacement in mm and its grid, as `core.images.SpatialMap` explains them."""
        paths = sorted(self.folder.glob(f"*_to-boldref{TRANSFORM_ENDING}"))
        if not paths or paths[0].name in self.altered:
            return None
        with np.load(paths[0], allow_pickle=False) as stored:
            field, grid = stored.get("displacement_mm"), stored.get("displacement_affine")
            return stored["affine"], field, grid

    def parcels_of(self, network: str) -> tuple[int, ...]:
        """0-based parcels of a network, in atlas order."""
        return tuple(parcel for parcel, name in enumerate(self.networks) if name == network)

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
