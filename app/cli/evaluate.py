"""`evaluate`: judge models of response on a labelled cohort; no model is delivered."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import DONE, Command, UsageError, Window, command_line
from app.cli.console import StageLines
from app.cli.learn_arguments import add_arguments as add_learn_arguments
from app.cli.learn_arguments import learn_request, summary_lines
from app.core.progress import Progress

DEFAULT_OUT = Path("evaluation")


def add_arguments(parser: ArgumentParser) -> None:
    """Whose scans, which plan, where to."""
    add_learn_arguments(parser)


def run(arguments: Namespace, _window: Window | None) -> int:
    """Evaluate, write tables and report, print the figures."""
    from app.cohort.experiments.running import Run, report_of
    from app.cohort.learn.run import learn

    if arguments.cohort is None:
        raise UsageError("Name the folder of the cohort.", "evaluate COHORT …", code="cli.missing")
    request = learn_request(arguments, arguments.out or DEFAULT_OUT)
    with StageLines() as lines:
        progress = Progress(lines.show)
        found = learn(request, progress)
        made = Run(request.out, command_line(sys.argv[1:]))
        written = report_of(found.evaluation, made, "evaluation", progress)
    for line in summary_lines(found.evaluation.figures):
        print(line)
    print(request.out / "evaluation.json")
    print(next(path for path in written if path.name == "report.pdf"))
    return DONE


COMMAND = Command(
    "evaluate", "judge models of response on a labelled cohort under a locked plan",
    add_arguments, run,
)  # fmt: skip
