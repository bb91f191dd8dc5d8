"""Small cases and faulty disks for the tests of this room."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.arrays import frozen
from app.core.results import Case, CleanSignals, Outcome, Participant, Prediction, Scan
from tests.sample_case import sample_case

FRAMES, PARCELS = 7, 5


@pytest.fixture(scope="session")
def full_case() -> Case:
    """A complete case with 426 parcels and attributions."""
    return sample_case(Outcome.RESULT)


@pytest.fixture
def small_case() -> Case:
    """A case with 5 parcels and 7 frames, without a prediction."""
    rng = np.random.default_rng(3)
    names = tuple(f"P{i}" for i in range(PARCELS))
    return Case(
        case_id="00c0ffee00c0ffee",
        participant=Participant("a6f3", "sub-7"),
        scan=Scan(
            "12" * 32, (3, 4, 5, FRAMES), (1.0, 2.0, 3.0), frozen(np.eye(4)), 2.0, "header",
            "RAS", 1, 0, "int16", "scanner", "rest", True, "", None,
        ),
        signals=CleanSignals(
            "Tiny", "none", names, ("N",) * PARCELS, ("L",) * PARCELS,
            frozen(rng.normal(size=(PARCELS, 3))),
            frozen(rng.normal(size=(FRAMES, PARCELS))),
            frozen(rng.normal(size=(FRAMES, PARCELS)).astype(np.float32)),
            frozen(np.ones(FRAMES, dtype=bool)), frozen(np.ones(PARCELS)), 2.0, 0, "none", 3.0,
            {"std_dvars": frozen(np.array([np.nan, 1, 2, 3, 4, 5, 6])),
             "rot_z": frozen(np.arange(7) / 3)},
        ),
    )  # fmt: skip


@pytest.fixture
def withheld() -> Callable[[Case], Case]:
    """Adds a withheld prediction without any number to a case."""

    def add(case: Case) -> Case:
        nothing = Prediction(Outcome.WITHHELD, ("No model.",), None, *(None,) * 6, novelty=None)
        return replace(case, prediction=nothing)

    return add


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Reads a folder: relative name -> bytes (folders -> b"")."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
            for path in sorted(folder.rglob("*"))
        }

    return read


class FaultyDisk:
    """Lets the n-th call of one function of `os` fail (and, if persistent, all later ones)."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.calls = 0

    def fail(self, name: str, number: int, fault: int, *, persistent: bool) -> None:
        """Arm the fault; `number` counts from 0, -1 only counts calls."""
        real = getattr(os, name)
        self.calls = 0

        def call(*arguments: Any, **named: Any) -> object:
            if name == "open" and not arguments[1] & os.O_CREAT:
                return real(*arguments, **named)
            index, self.calls = self.calls, self.calls + 1
            if index == number or (persistent and 0 <= number < index):
                raise OSError(fault, os.strerror(fault))
            return real(*arguments, **named)

        self._patch.setattr(os, name, call)

    def heal(self) -> None:
        """Let everything work again."""
        self._patch.undo()


@pytest.fixture
def faulty_disk() -> Iterator[FaultyDisk]:
    """A disk whose calls fail on request."""
    with pytest.MonkeyPatch.context() as patch:
        yield FaultyDisk(patch)
