"""The two simulated people that many tests share; `tests/conftest.py` makes each once in a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.simulation.cohort import CohortSettings
from app.simulation.participant import SimulatedParticipant, simulate_participant
from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings

SEED = 1
SMALL_FRAMES, SMALL_DISCARDED = 200, 6  # one window of the model is left


def simulate_default(place: Path) -> SimulatedParticipant:
    """The participant of the demonstration: full grid, default noise and motion."""
    return simulate_participant(ParticipantSettings(CohortSettings(count=1, seed=SEED), 0), place)


def simulate_small(place: Path, motion: float = 1.0) -> SimulatedParticipant:
    """A person on a coarse grid, exactly one window of the model long: quick to analyse."""
    scanner = replace(SMALL_SCANNER, discarded_frames=SMALL_DISCARDED, motion=motion)
    cohort = CohortSettings(count=1, seed=SEED, frames=SMALL_FRAMES)
    return simulate_participant(ParticipantSettings(cohort, 0, scanner), place)
