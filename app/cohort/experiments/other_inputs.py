"""Contenders whose input is not among the prepared arrays: FreeSurfer volumes, raw series.

Both are looked up by row, so they take part in the same folds as everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.cohort.learn.contender import AnyModel, Contender, Inputs
from app.cohort.learn.contenders import Workshop
from app.core.arrays import Floats, Ints
from app.core.errors import AppError
from app.core.progress import Progress
from app.core.provenance import array_sha256
from app.scans.aseg import read_aseg_table
from app.study.case_store import CASE_FILE, read_case


@dataclass(frozen=True, slots=True)
class Volumes:
    """45 volumes a person, mm³."""

    by_person: dict[str, Floats]

    @classmethod
    def read(cls, path: Path) -> Volumes:
        """A table of FreeSurfer's ``asegstats2table``, one line a person."""
        return cls(
            {_subject(one.identifier): np.asarray(one.volumes_mm3) for one in read_aseg_table(path)}
        )


@dataclass(frozen=True, slots=True)
class RawSeries:
    """Parcel means in scanner units before cleaning, from the case folders of a run."""

    by_person: dict[str, Floats]

    @classmethod
    def read(cls, folder: Path, progress: Progress) -> RawSeries:
        """Every case below a folder.

        Raises
        ------
        AppError
            ``experiment.input`` when one person has two cases.
        """
        cases = sorted(path.parent for path in folder.glob(f"**/{CASE_FILE}"))
        found: dict[str, Floats] = {}
        for number, place in enumerate(cases):
            case = read_case(place)
            if case.signals is None:
                continue
            label = case.participant.label
            if label in found:
                raise _refused(f"{label} has two cases", "Name the folder of one visit.")
            found[label] = np.asarray(case.signals.raw, np.float32)
            progress.step((number + 1) / len(cases), f"raw series {number + 1} of {len(cases)}")
        return cls(found)


def _subject(name: str) -> str:
    return name if name.startswith("sub-") else f"sub-{name}"


def _rows(by_person: dict[str, Floats], people: Sequence[str], what: str) -> list[Floats]:
    """In the cohort's order; a person without them is refused."""
    lost = [name for name in people if name not in by_person]
    if lost:
        raise _refused(
            f"{len(lost)} participants have no {what}, {lost[0]} first",
            "Add them, or leave this part out: every variant is judged on the same people.",
        )
    return [by_person[name] for name in people]


@dataclass(frozen=True, slots=True)
class WithVolumes(AnyModel):
    """Hands the model each person's volumes too."""

    volumes: Floats = field(default_factory=lambda: np.zeros((0, 45)), compare=False)

    def _asked(
        self, inputs: Inputs, inside: Ints, outside: Ints, seed: int, progress: Progress
    ) -> tuple[Floats, dict[str, float]]:
        people, asked = inputs.people.rows(inside), inputs.people.rows(outside)
        model = self.make().fit(
            people.series, people.connectivity, people.covariates, inputs.labels[inside],
            structural=self.volumes[inside], seed=seed, progress=progress,
        )  # fmt: skip
        found = model.predict_log_odds(
            asked.series, asked.connectivity, asked.covariates, structural=self.volumes[outside]
        )
        return np.asarray(found, float), {}


@dataclass(frozen=True, slots=True)
class WithRaw(AnyModel):
    """Hands the model raw series in place of cleaned ones; matrices are not used."""

    raw: tuple[Floats, ...] = field(default=(), compare=False)

    def _asked(
        self, inputs: Inputs, inside: Ints, outside: Ints, seed: int, progress: Progress
    ) -> tuple[Floats, dict[str, float]]:
        def of(rows: Ints) -> tuple[list[Floats], Floats, Floats]:
            people = inputs.people.rows(rows)
            return [self.raw[int(i)] for i in rows], people.connectivity, people.covariates

        model = self.make().fit(*of(inside), inputs.labels[inside], seed=seed, progress=progress)
        return np.asarray(model.predict_log_odds(*of(outside)), float), {}


def with_volumes(workshop: Workshop, volumes: Volumes, people: Sequence[str]) -> Contender:
    """The fused model with the structural branch.

    Raises
    ------
    AppError
        ``experiment.input``, ``cohort.model``.
    """
    rows = np.stack(_rows(volumes.by_person, people, "FreeSurfer volumes"))
    branches = ("series", "connectivity", "structural")
    plain = workshop.fmm_tc("fmm-tc-structural", {"branches": branches})
    return WithVolumes(
        plain.id, plain.label, "both and volumes", plain.make,
        [plain.identity, array_sha256(rows)], volumes=rows,
    )  # fmt: skip


def with_raw(workshop: Workshop, raw: RawSeries, people: Sequence[str]) -> Contender:
    """The method as released, under this program's protocol.

    Raises
    ------
    AppError
        ``experiment.input``, ``cohort.model``.
    """
    rows = tuple(_rows(raw.by_person, people, "raw series"))
    plain = workshop.as_released("fmm-tc-faithful")
    return WithRaw(
        plain.id, plain.label, "raw", plain.make, [plain.identity, array_sha256(*rows)], raw=rows
    )


def _refused(what: str, hint: str) -> AppError:
    return AppError(f"This part cannot be judged: {what}.", hint, code="experiment.input")
