"""What every section of the report may see, prepared once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.core import wording
from app.core.arrays import Bools
from app.core.colours import SignedScale, signed_scale
from app.core.explanation_lists import hatched
from app.core.provenance import record_sha256
from app.core.results import Case
from app.core.sides import ORIENTATION_UNKNOWN, UNKNOWN_MEANING, without_unknown_sides
from app.core.signing import UNSIGNED, ReaderNote
from app.reporting.files import ViewFiles, read_view
from app.reporting.privacy import reportable
from app.reporting.record import record_bytes, report_record

TIME_KEYS = ("finished_utc", "created_utc", "time_utc", "utc")


@dataclass(frozen=True, slots=True)
class ReportContext:
    """A case that may be printed, its pictures' data, and the facts of every page."""

    case: Case  # without anything that a withheld outcome hides
    view: ViewFiles
    convention: str  # wording.RADIOLOGICAL, wording.NEUROLOGICAL or sides.ORIENTATION_UNKNOWN
    computed_utc: str  # when the numbers were finished, as the case says; "" when not known
    printed_utc: str  # when the report was written, if told; no clock is read
    record: dict[str, Any]  # the attached JSON
    record_sha256: str
    report_id: str
    note: ReaderNote = UNSIGNED  # comment and signature

    @property
    def shows_number(self) -> bool:
        """Whether this report has a probability in it."""
        return wording.shows_number(self.case.prediction)

    @property
    def convention_meaning(self) -> str:
        """Which side of a picture is the participant's left."""
        return wording.CONVENTION_MEANING.get(self.convention, UNKNOWN_MEANING)

    @property
    def stamps(self) -> tuple[str, ...]:
        """What stands on every page above everything else."""
        return wording.case_stamps(self.case)

    @property
    def parcel_scale(self) -> SignedScale:
        """The one colour scale of slices, surface and their bar."""
        attribution = self.case.attribution
        if attribution is None:
            raise ValueError("a case without attribution has no attribution scale")
        return signed_scale(attribution.scan.per_parcel)

    @property
    def hatched(self) -> Bools:
        """(parcel,) what every picture hatches; only for a case with attribution."""
        assert self.case.attribution is not None
        return hatched(self.case.attribution, self.case.health)


def make_context(
    case: Case,
    case_folder: Path,
    *,
    convention: str,
    printed_utc: str,
    note: ReaderNote = UNSIGNED,
) -> ReportContext:
    """Strip what may not be printed, read the pictures' data, make the attached record."""
    import hashlib

    safe = without_unknown_sides(reportable(case))
    if not safe.scan.orientation_known:
        convention = ORIENTATION_UNKNOWN  # no picture of it has a left
    record = report_record(safe, convention=convention, note=note)
    digest = hashlib.sha256(record_bytes(record)).hexdigest()
    return ReportContext(
        safe,
        read_view(case_folder),
        convention,
        _time_of(safe),
        printed_utc,
        record,
        digest,
        record_sha256([safe.case_id, digest])[:12],
        note,
    )


def _time_of(case: Case) -> str:
    """When the numbers were finished, as provenance says; never the clock of this machine."""
    parameters = case.provenance.parameters if case.provenance else {}
    for key in TIME_KEYS:
        value = parameters.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def minutes(frames: int, repetition_time_s: float) -> float:
    """Scan time of a number of frames, in minutes."""
    return float(np.round(frames * repetition_time_s / 60.0, 1))
