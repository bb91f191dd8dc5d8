"""`train`: make the demonstration model from prepared participants, with all its figures."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, Window, counting_number
from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.wording import SIMULATED_STAMP


def add_arguments(parser: ArgumentParser) -> None:
    """Who trains, and where the model goes."""
    parser.add_argument("--cohort", type=Path, default=Path("cohort"), metavar="DIR",
                        help="prepared participants (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--training-count", type=counting_number, metavar="N",
                        help="how many train; the others judge (default: two thirds)")  # fmt: skip
    parser.add_argument("--work", type=Path, default=Path("cohort/training"), metavar="DIR",
                        help="checkpoint and feature cache (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="bundle folder (default: model_weights/simulated-demo)")  # fmt: skip

    parser.add_argument("--golden", type=Path, metavar="DIR",
                        help="copy the participants of the card's golden scores")  # fmt: skip
    parser.add_argument("--null-cohort", type=Path, metavar="DIR",
                        help="participants of `prepare-cohort --null --seed 12`, judged by the "
                             "same protocol")  # fmt: skip
    parser.add_argument("--explained", type=counting_number, default=8, metavar="N",
                        help="held-out people whose attribution is judged (default 8)")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Train, judge, write, and print held-out figures."""
    from app.cohort.demo_bundle import judge_attribution, make_demo_bundle
    from app.cohort.demo_settings import MODEL_ID
    from app.cohort.judge_bundle import judge_bundle
    from app.cohort.prepared import copy_small, read_folder
    from app.core.resources import model_weights_path

    people = read_folder(arguments.cohort)
    null_people = read_folder(arguments.null_cohort) if arguments.null_cohort else ()
    count = arguments.training_count or len(people) * 2 // 3
    out = arguments.out or model_weights_path() / MODEL_ID
    weights = {
        "pretrain": 300.0, "features": 100.0, "fit": 60.0, "judge": 60.0,
        "explain": 20.0 * arguments.explained,
    }  # fmt: skip
    with StageLines() as lines:
        progress = Progress(lines.show, weights=weights)
        made = make_demo_bundle(people, count, arguments.work, out, progress)
        with progress.stage("explain"):
            judged = judge_attribution(made, out, arguments.explained, progress)
        judged |= judge_bundle(people, null_people, out, arguments.work, progress).tables
    if arguments.golden:
        for person in made.golden:
            copy_small(arguments.cohort / f"{person.identifier}.npz", arguments.golden)
    print(SIMULATED_STAMP)
    for name, result in made.results.items():
        low, high = result.figures["auroc_interval"]  # type: ignore[misc]
        print(f"{name}: held-out AUROC {result.figures['auroc']:.3f} ({low:.3f} to {high:.3f})")
    for view, figures in judged.items():
        print(view, figures)
    print(out)
    return DONE


COMMAND = Command(
    "train", "make the demonstration model from prepared participants", add_arguments, run
)
