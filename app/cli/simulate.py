"""`simulate`: raw scans of simulated people, with the truth beside them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path

from app.cli.command import DONE, Command, Window, counting_number, natural_number
from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.wording import SIMULATED_STAMP


def add_arguments(parser: ArgumentParser) -> None:
    """Who, in which scanner, and where to."""
    parser.add_argument("--out", type=Path, default=Path("simulated"), metavar="DIR",
                        help="BIDS folder (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=natural_number, default=1, metavar="N",
                        help="decides who is simulated; the same seed gives the same bytes "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--cohort", type=counting_number, metavar="N",
                        help="N participants instead of one")  # fmt: skip
    parser.add_argument("--index", type=natural_number, default=0, metavar="I",
                        help="which participant of the seed's cohort (default: 0)")  # fmt: skip
    parser.add_argument("--frames", type=counting_number, default=240, metavar="N",
                        help="volumes of each run (default: %(default)s)")  # fmt: skip
    parser.add_argument("--small", action="store_true", help="a coarse grid, for quick trials")
    parser.add_argument("--fault", default="none", metavar="NAME",
                        help="a fault of the scan: none, strong_motion, truncated_view, "
                        "signal_loss, flipped, low_tsnr or wrong_repetition_time")  # fmt: skip
    parser.add_argument("--null", action="store_true", help="nothing distinguishes responders")
    parser.add_argument("--connectivity", type=float, default=1.0, metavar="X",
                        help="strength of the planted connectivity, 0 = off")  # fmt: skip
    parser.add_argument("--dynamics", type=float, default=1.0, metavar="X",
                        help="strength of the planted dynamics, 0 = off")  # fmt: skip
    parser.add_argument("--suppressors", type=float, default=1.0, metavar="X",
                        help="strength of shared noise without a label")  # fmt: skip
    parser.add_argument("--confound", default="none", metavar="NAME",
                        help="age, sex, baseline_pain, motion or site differs")  # fmt: skip
    parser.add_argument("--threads", type=counting_number, default=2, metavar="N",
                        help="never changes the bytes")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Make the participants and print where they lie."""
    from app.simulation.cohort import CohortSettings
    from app.simulation.participant import simulate_cohort, simulate_participant
    from app.simulation.scanner import SMALL_SCANNER, ParticipantSettings, ScannerSettings

    cohort = CohortSettings(
        count=arguments.cohort or max(arguments.index + 1, 1),
        seed=arguments.seed,
        connectivity_strength=arguments.connectivity,
        dynamics_strength=arguments.dynamics,
        suppressor_strength=arguments.suppressors,
        null=arguments.null,
        confound=arguments.confound,
        frames=arguments.frames,
    )
    grid = SMALL_SCANNER if arguments.small else ScannerSettings()
    scanner = replace(grid, fault=arguments.fault)
    with StageLines() as lines:
        if arguments.cohort:
            progress = Progress(lines.show, weights={"cohort": 1.0})
            people = simulate_cohort(
                cohort, arguments.out, progress, scanner=scanner, threads=arguments.threads
            )
        else:
            progress = Progress(lines.show, weights={"head": 4.0, "frames": 5.0, "write": 4.0})
            settings = ParticipantSettings(cohort, arguments.index, scanner)
            people = (
                simulate_participant(settings, arguments.out, progress, threads=arguments.threads),
            )
    print(SIMULATED_STAMP)
    for person in people:
        print(person.paths.bold)
    if arguments.cohort:
        _tell_plan(arguments.out)
    return DONE


def _tell_plan(dataset: Path) -> None:
    """The plan beside the scans, and what to do with both."""
    from app.cohort.learn.simulated import write_study_plan

    plan = dataset / "plan.toml"
    if not write_study_plan(plan):
        print(f"{plan} is there already and was left as it is.")
    results = dataset / "derivatives" / "neuroresponder"
    print(f"{dataset / 'participants.tsv'} holds pain before and after; {plan} is ready. Then:")
    print(f"  python3 main.py bids {dataset} {results} participant --no-attribution")
    print(f"  python3 main.py evaluate {results} --plan {plan} --out RESULT")


COMMAND = Command(
    "simulate", "make raw scans of simulated people with known truth", add_arguments, run
)
