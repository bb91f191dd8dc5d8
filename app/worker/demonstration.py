"""The demonstration participant, made at the user's wish: simulated from head to scanner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.folders import data_folder
from app.core.progress import Progress
from app.worker.protocol import Job
from app.worker.requests import new_job_id

DEMONSTRATION_SEED = 1  # as of the command `demo`, so that both use the same files
DEMONSTRATE_LIMIT_S = 1800.0


def demonstrate_job() -> Job:
    """Simulate the demonstration participant; answers ``demonstration``, the scan's path."""
    out = data_folder() / "demonstration" / f"seed-{DEMONSTRATION_SEED}"
    arguments = {"out": str(out.absolute()), "seed": DEMONSTRATION_SEED}
    return Job("demonstrate", arguments, new_job_id(), time_limit_s=DEMONSTRATE_LIMIT_S)


def demonstrate(arguments: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """In the child: make the participant, or find it made already."""
    from app.simulation.cohort import CohortSettings
    from app.simulation.participant import simulate_participant
    from app.simulation.scanner import ParticipantSettings

    progress.set_weights({"head": 4.0, "frames": 5.0, "write": 4.0})
    settings = ParticipantSettings(CohortSettings(seed=int(arguments["seed"])))
    person = simulate_participant(settings, Path(arguments["out"]), progress)
    return {"demonstration": str(person.paths.bold)}
