"""`train COHORT`: a model of response from a labelled cohort; `train` alone: the demonstration."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, UsageError, Window, command_line, counting_number
from app.cli.console import StageLines
from app.cli.learn_arguments import add_arguments as add_learn_arguments
from app.cli.learn_arguments import learn_request, summary_lines
from app.core.progress import Progress
from app.core.wording import SIMULATED_STAMP
from app.models.card_text import model_id_problem


def add_arguments(parser: ArgumentParser) -> None:
    """Who trains, and where the model goes."""
    add_learn_arguments(parser)
    parser.add_argument("--id", metavar="ID", dest="model_id",
                        help="id of the new model: a-z, 0-9 and '-'")  # fmt: skip
    demo = parser.add_argument_group("without COHORT: the demonstration model is made again")
    demo.add_argument("--cohort", type=Path, default=Path("cohort"), metavar="DIR",
                      dest="prepared",
                      help="its participants (default: ./%(default)s)")  # fmt: skip
    demo.add_argument("--training-count", type=counting_number, metavar="N",
                      help="how many train; the others judge (default: two thirds)")  # fmt: skip
    demo.add_argument("--work", type=Path, default=Path("cohort/training"), metavar="DIR",
                      help="checkpoint and feature cache (default: ./%(default)s)")  # fmt: skip
    demo.add_argument("--golden", type=Path, metavar="DIR",
                      help="copy the participants of the card's golden scores")  # fmt: skip
    demo.add_argument("--null-cohort", type=Path, metavar="DIR",
                      help="participants of `prepare-cohort --null --seed 12`, judged by the "
                           "same protocol")  # fmt: skip
    demo.add_argument("--explained", type=counting_number, default=8, metavar="N",
                      help="held-out people whose attribution is judged (default 8)")  # fmt: skip


def run(arguments: Namespace, window: Window | None) -> int:
    """A model from a labelled cohort; or the demonstration model."""
    if arguments.cohort is None:
        return make_demonstration(arguments, window)
    return train_cohort(arguments)


def train_cohort(arguments: Namespace) -> int:
    """Evaluate under the locked plan, fit on everybody, write the bundle, print the figures."""
    from app.cohort.experiments.running import Run, report_of
    from app.cohort.learn.run import learn
    from app.cohort.learn.train import refuse_bundle, train_bundle
    from app.models.archive import SUFFIX, pack_folder

    if not arguments.model_id or model_id_problem(arguments.model_id):
        raise UsageError(
            "The new model needs an id of a-z, 0-9 and '-'.", "Give it one: --id my-model.",
            code="cli.missing",
        )  # fmt: skip
    out = arguments.out or Path("trained") / arguments.model_id
    request = learn_request(arguments, out / "evaluation")
    refuse_bundle(request.plan, request.plan.models.headline, arguments.model_id)
    with StageLines() as lines:
        progress = Progress(lines.show)
        found = learn(request, progress, {"fit": 5.0, "refits": 20.0, "novelty": 5.0, "write": 2.0})
        done = train_bundle(
            found.evaluation, found.contenders[0], found.workshop, found.atlas, out,
            arguments.model_id, progress,
        )  # fmt: skip
        packed = pack_folder(
            done.folder, arguments.model_id, out / f"{arguments.model_id}{SUFFIX}", Progress()
        )
        made = Run(request.out, command_line(sys.argv[1:]))
        written = report_of(found.evaluation, made, "evaluation", progress)
    for line in summary_lines(found.evaluation.figures):
        print(line)
    if not done.shows_numbers:
        print("This model has not earned an individual number: its answers are withheld.")
    print(f"A person's 95 % interval: {done.interval}.")
    print(next(path for path in written if path.name == "report.pdf"))
    print(done.folder)
    print(f"To use it: python3 main.py models import {packed}")
    return DONE


def make_demonstration(arguments: Namespace, _window: Window | None) -> int:
    """Train, judge, write, and print held-out figures."""
    from app.cohort.demo_bundle import judge_attribution, make_demo_bundle
    from app.cohort.demo_settings import MODEL_ID
    from app.cohort.judge_bundle import judge_bundle
    from app.cohort.prepared import copy_small, read_folder
    from app.core.resources import model_weights_path

    people = read_folder(arguments.prepared)
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
            copy_small(arguments.prepared / f"{person.identifier}.npz", arguments.golden)
    print(SIMULATED_STAMP)
    for name, result in made.results.items():
        low, high = result.figures["auroc_interval"]  # type: ignore[misc]
        print(f"{name}: held-out AUROC {result.figures['auroc']:.3f} ({low:.3f} to {high:.3f})")
    for view, figures in judged.items():
        print(view, figures)
    print(out)
    return DONE


COMMAND = Command(
    "train", "a model of response from a labelled cohort; without one, the demonstration model",
    add_arguments, run,
)  # fmt: skip
