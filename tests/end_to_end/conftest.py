"""Cases made once for the whole run; `tests/conftest.py` has the participants."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.analysis import analyse
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.simulation.participant import SimulatedParticipant
from tests.made_once import made_once


@pytest.fixture(scope="session")
def case_folder(
    participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Path]:
    """The whole job on the default participant: the case and its folder."""
    return _analysed(participant, 2, tmp_path_factory, "cases")


@pytest.fixture(scope="session")
def small_case(
    small_participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Path]:
    """The whole job on the small participant."""
    return _analysed(small_participant, 1, tmp_path_factory, "small-cases")


def _analysed(
    person: SimulatedParticipant, threads: int, factory: pytest.TempPathFactory, name: str
) -> tuple[Case, Path]:
    def analysed(out: Path) -> Case:
        return analyse(AnalysisRequest(person.paths.bold, out, threads=threads), Progress())

    case, out = made_once(factory, name, analysed)
    return case, out / case.case_id
