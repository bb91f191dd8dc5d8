"""One default participant and its case, made once for the whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.analysis import analyse
from app.analysis.measure import Measured, Measurement, measure
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.core.results import Case
from app.simulation.cohort import CohortSettings
from app.simulation.participant import SimulatedParticipant, simulate_participant
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings

DEFAULT_SEED = 1
SMALL_SEED, SMALL_FRAMES, SMALL_DISCARDED = 1, 200, 6


@pytest.fixture(scope="session")
def participant(tmp_path_factory: pytest.TempPathFactory) -> SimulatedParticipant:
    """The default participant of the demonstration: full grid, default noise and motion."""
    settings = ParticipantSettings(CohortSettings(count=1, seed=DEFAULT_SEED), 0)
    return simulate_participant(settings, tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="session")
def measured(
    participant: SimulatedParticipant, tmp_path_factory: pytest.TempPathFactory
) -> Measured:
    """That participant after the recipe, short of a model."""
    request = AnalysisRequest(participant.paths.bold, tmp_path_factory.mktemp("unused"), threads=2)
    return measure(request, Measurement(), Progress())


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
