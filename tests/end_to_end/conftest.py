"""Cases made once for the whole run; `tests/conftest.py` has the default participant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.analysis import analyse
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.simulation.cohort import CohortSettings
from app.simulation.participant import SimulatedParticipant, simulate_participant
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings

SMALL_SEED, SMALL_FRAMES, SMALL_DISCARDED = 1, 200, 6


@pytest.fixture(scope="session")
def case_folder(
    participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Path]:
    """The whole job on that participant: the case and its folder."""
    out = tmp_path_factory.mktemp("cases")
    case = analyse(AnalysisRequest(participant.paths.bold, out, threads=2), Progress())
    return case, out / case.case_id


@pytest.fixture(scope="session")
def small_participant(tmp_path_factory: pytest.TempPathFactory) -> SimulatedParticipant:
    """A person on a coarse grid, exactly one window of the model long: quick to analyse."""
    scanner = replace(SMALL_SCANNER, discarded_frames=SMALL_DISCARDED)
    cohort = CohortSettings(count=1, seed=SMALL_SEED, frames=SMALL_FRAMES)
    settings = ParticipantSettings(cohort, 0, scanner)
    return simulate_participant(settings, tmp_path_factory.mktemp("small-dataset"))


@pytest.fixture(scope="session")
def small_case(
    small_participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Case, Path]:
    """The whole job on that participant, in this process."""
    out = tmp_path_factory.mktemp("small-cases")
    case = analyse(AnalysisRequest(small_participant.paths.bold, out, threads=1), Progress())
    return case, out / case.case_id
