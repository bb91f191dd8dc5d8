"""What a file or folder holds that could be opened: a table to choose from, and its problems."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.core.results import Finding


class SourceKind(StrEnum):
    """The doors of this program."""

    NIFTI = "nifti"
    DICOM = "dicom"
    BIDS = "bids"
    DERIVATIVES = "derivatives"
    PARCELS = "parcels"
    CASE = "case"


@dataclass(frozen=True, slots=True)
class Choice:
    """One series or run; what a table row shows and what a request needs to name it.

    `title` and `date` may hold what identifies a person: they are shown on this machine's
    screen and written nowhere.
    """

    key: str  # stable name of the row inside its folder; holds no identifier
    path: Path  # what a request opens
    source: SourceKind
    title: str
    kind: str  # "rest", "bold", "T1w", "localiser", "fieldmap", ...
    reason: str  # why it was taken for that kind
    number: int = 0
    volumes: int = 0
    repetition_time_s: float | None = None
    matrix: tuple[int, int, int] = (0, 0, 0)  # columns, rows, slices
    date: str = ""
    modality: str = ""
    participant: str = ""
    session: str = ""
    run: str = ""
    obstacle: str = ""  # why it cannot be analysed; "" when it can
    question: str = ""  # what the user has to choose first; "" when nothing
    confounds: tuple[Path, ...] = ()  # candidates where the confound table is not certain

    @property
    def openable(self) -> bool:
        """Whether it can be analysed, perhaps after a question."""
        return not self.obstacle


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything found in one place, problems included."""

    kind: SourceKind
    path: Path
    choices: tuple[Choice, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def candidates(self) -> tuple[Choice, ...]:
        """Rows that a resting-state analysis could be made of."""
        return tuple(
            c for c in self.choices if c.openable and c.kind in ("rest", "bold", "parcels")
        )

    def find(self, wanted: str) -> Choice | None:
        """The row of a key, or of a series number that only one row has."""
        exact = [choice for choice in self.choices if choice.key == wanted]
        if not exact and wanted.isdigit():
            exact = [choice for choice in self.choices if choice.number == int(wanted)]
        return exact[0] if len(exact) == 1 else None
