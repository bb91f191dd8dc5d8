"""`judge`: figures of a finished model that need no training of it, put into its card."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, Window, natural_number
from app.cli.console import StageLines
from app.core.progress import Progress
from app.core.wording import SIMULATED_STAMP


def add_arguments(parser: ArgumentParser) -> None:
    """Whose people, and which null cohort."""
    parser.add_argument("--cohort", type=Path, default=Path("cohort"), metavar="DIR",
                        help="the model's participants (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--null-cohort", type=Path, metavar="DIR",
                        help="participants of `prepare-cohort --null --seed 12`")  # fmt: skip
    parser.add_argument("--work", type=Path, default=Path("cohort/training"), metavar="DIR",
                        help="cache of features and paths (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR",
                        help="bundle folder (default: model_weights/simulated-demo)")  # fmt: skip
    parser.add_argument("--walked", type=natural_number, default=0, metavar="N",
                        help="held-out people whose integrated gradients are compared too, a "
                             "quarter of an hour each without a graphics card")  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cpu")
    parser.add_argument("--features", type=Path, metavar="DIR",
                        help="keep both cohorts' features as small files here")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Judge, put the figures into the card, and print them."""
    from app.cohort.demo_settings import MODEL_ID
    from app.cohort.judge_bundle import judge_bundle
    from app.cohort.prepared import read_folder
    from app.core.resources import model_weights_path

    out = arguments.out or model_weights_path() / MODEL_ID
    weights = {"features": 200.0, "judge": 30.0, "walk": 900.0 * arguments.walked}
    with StageLines() as lines:
        judged = judge_bundle(
            read_folder(arguments.cohort),
            read_folder(arguments.null_cohort) if arguments.null_cohort else (),
            out,
            arguments.work,
            Progress(lines.show, weights=weights),
            walked=arguments.walked,
            device=arguments.device,
        )
    if arguments.features:
        arguments.features.mkdir(parents=True, exist_ok=True)
        judged.cohort.save(arguments.features / "features.npz")
        if judged.null_cohort is not None:
            judged.null_cohort.save(arguments.features / "null_features.npz")
    print(SIMULATED_STAMP)
    for name, values in judged.tables.items():
        print(name, values)
    print(out / "card.toml")
    return DONE


COMMAND = Command(
    "judge", "add a finished model's null cohort and permuted labels to its card",
    add_arguments, run,
)  # fmt: skip
