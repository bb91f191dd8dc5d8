"""`demo`: a simulated participant through the whole job, then the window on the result."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.command import DONE, Command, Window, natural_number
from app.cli.console import StageLines, case_lines
from app.cli.work import run_analysis
from app.core.folders import data_folder
from app.core.progress import Progress
from app.core.request import AnalysisRequest
from app.study.case_store import read_case

if TYPE_CHECKING:
    from app.simulation.participant import SimulatedParticipant

DEMONSTRATION_SEED = 1


def add_arguments(parser: ArgumentParser) -> None:
    """Which person and where to."""
    parser.add_argument("--seed", type=natural_number, default=DEMONSTRATION_SEED, metavar="N",
                        help="another number makes another person")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="where scan and case go (default: the data folder)")  # fmt: skip
    parser.add_argument("--headless", action="store_true", help="open no window")
    parser.add_argument("--in-process", action="store_true",
                        help="no worker process (for debugging)")  # fmt: skip


def run(arguments: Namespace, window: Window | None) -> int:
    """Simulate, analyse, then show the result or say where it lies."""
    out = (arguments.out or data_folder() / "demonstration").absolute()
    person = simulated_person(arguments.seed, out)
    request = AnalysisRequest(scan_path=person.paths.bold, out_dir=out / "cases")
    folder = run_analysis(request, in_process=arguments.in_process)
    print("\n".join(case_lines(read_case(folder), folder)))
    if arguments.headless or window is None:
        return DONE
    if obstacle := window.obstacle():
        print(f"No window: {obstacle}", file=sys.stderr)
        return DONE
    return window.open([str(folder)])


def simulated_person(seed: int, out: Path) -> SimulatedParticipant:
    """The demonstration participant of a seed, made below `out` or read back from there."""
    from app.simulation.cohort import CohortSettings
    from app.simulation.participant import simulate_participant
    from app.simulation.scanner import ParticipantSettings

    with StageLines() as lines:
        return simulate_participant(
            ParticipantSettings(CohortSettings(seed=seed)),
            out / f"seed-{seed}",
            Progress(lines.show, weights={"head": 4.0, "frames": 5.0, "write": 4.0}),
        )


COMMAND = Command(
    "demo", "make a simulated participant, analyse it and show the result", add_arguments, run
)
