"""`evaluate`: judge models of response on a labelled cohort; no model is delivered."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, UsageError, Window
from app.cli.console import StageLines
from app.cli.learn_arguments import add_arguments as add_learn_arguments
from app.cli.learn_arguments import learn_request, summary_lines
from app.core.progress import Progress

DEFAULT_OUT = Path("evaluation")


def add_arguments(parser: ArgumentParser) -> None:
    """Whose scans, which plan, where to."""
    add_learn_arguments(parser)


def run(arguments: Namespace, _window: Window | None) -> int:
    """Evaluate, write tables, print the figures."""
    from app.cohort.learn.run import learn

    if arguments.cohort is None:
        raise UsageError("Name the folder of the cohort.", "evaluate COHORT …", code="cli.missing")
    request = learn_request(arguments, arguments.out or DEFAULT_OUT)
    with StageLines() as lines:
        found = learn(request, Progress(lines.show))
    for line in summary_lines(found.evaluation.figures):
        print(line)
    print(request.out / "evaluation.json")
    return DONE


COMMAND = Command(
    "evaluate", "judge models of response on a labelled cohort under a locked plan",
    add_arguments, run,
)  # fmt: skip
