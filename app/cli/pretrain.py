"""`pretrain`: masked-reconstruction pre-training of the demonstration encoder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, Window, counting_number
from app.cli.console import StageLines
from app.core.progress import Progress


def add_arguments(parser: ArgumentParser) -> None:
    """Where the checkpoint lies and how far to go now."""
    parser.add_argument("--work", type=Path, default=Path("cohort/training"), metavar="DIR",
                        help="checkpoint folder (default: ./%(default)s)")  # fmt: skip
    parser.add_argument("--steps", type=counting_number, metavar="N",
                        help="stop after N steps; the next start goes on")  # fmt: skip


def run(arguments: Namespace, _window: Window | None) -> int:
    """Train, or go on training, and print the validation loss."""
    from app.cohort.demo_bundle import pretrained_encoder

    with StageLines() as lines:
        progress = Progress(lines.show, weights={"pretrain": 1.0})
        with progress.stage("pretrain"):
            _, history = pretrained_encoder(arguments.work, progress, max_steps_now=arguments.steps)
    for step, loss in history:
        print(f"step {step}: validation loss {loss:.4f}")
    return DONE


COMMAND = Command(
    "pretrain", "pre-train the demonstration encoder on simulated people", add_arguments, run
)
