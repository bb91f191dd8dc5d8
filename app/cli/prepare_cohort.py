"""`prepare-cohort`: simulated participants through the whole recipe, for training."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, Window, counting_number, natural_number
from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.wording import SIMULATED_STAMP, counted


def add_arguments(parser: ArgumentParser) -> None:
    """Who, how many, and where to."""
    parser.add_argument("--out", type=Path, default=Path("cohort"), metavar="DIR",
                        help="one small file a participant (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=11, metavar="N")
    parser.add_argument("--first", type=natural_number, default=0, metavar="I",
                        help="index of the first participant (default: 0)")  # fmt: skip
    parser.add_argument("--count", type=counting_number, default=160, metavar="N")
    parser.add_argument("--null", action="store_true", help="nothing distinguishes responders")
    parser.add_argument("--processes", type=counting_number, default=2, metavar="N",
                        help="side by side; never changes the content")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Prepare the participants that are not there yet."""
    from app.cohort.run import prepare_participants
    from app.simulation.cohort import CohortSettings

    cohort = CohortSettings(
        count=arguments.first + arguments.count, seed=arguments.seed, null=arguments.null
    )
    with StageLines() as lines:
        paths = prepare_participants(
            cohort,
            range(arguments.first, arguments.first + arguments.count),
            arguments.out,
            Progress(lines.show, weights={"participants": 1.0}),
            processes=arguments.processes,
        )
    print(SIMULATED_STAMP)
    print(f"{counted(len(paths), 'participant')} in {arguments.out}")
    return DONE


COMMAND = Command(
    "prepare-cohort",
    "take simulated participants through the whole recipe, for training",
    add_arguments,
    run,
)
