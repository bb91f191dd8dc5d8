"""Entry of the command line: reads the words, runs the command, turns faults into messages.

Exit codes: 0 done (a withheld or inconclusive answer is an answer), 1 the work failed, 2 the
command line was wrong, 130 cancelled.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from app import __version__
from app.cli.command import CANCELLED, DONE, FAILED, USAGE, UsageError, Window
from app.cli.commands import COMMANDS
from app.cli.console import print_error
from app.core.errors import AppError, CancelledError
from app.core.logs import log_fault, log_file
from app.core.wording import RUO_LINE

EPILOG = f"Without a command the window opens. {RUO_LINE}."


def main(argv: Sequence[str], window: Window | None = None) -> int:
    """Run one command and return the exit code.

    Parameters
    ----------
    argv
        Words after the program's name.
    window
        How to open the window; None where there is none.
    """
    try:
        arguments = build_parser().parse_args(list(argv) or ["open"])
    except SystemExit as end:  # argparse has printed its message or the help
        return int(end.code or 0) if isinstance(end.code, int | None) else USAGE
    command = next(c for c in COMMANDS if c.name == arguments.command)
    try:
        return command.run(arguments, window)
    except UsageError as error:
        print_error(error)
        return USAGE
    except (CancelledError, KeyboardInterrupt):
        print("\nCancelled. Nothing half-written remains.", file=sys.stderr)
        return CANCELLED
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
        return DONE
    except AppError as error:
        print_error(error)
        return FAILED
    except Exception as fault:  # noqa: BLE001 - the net of the command line
        log_fault("cli.unexpected", fault)
        print_error(
            AppError(
                f"Something failed unexpectedly ({type(fault).__name__}).",
                f"Where it happened stands in {log_file()}.",
            )
        )
        return FAILED


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="NeuroResponder: from a resting-state fMRI scan to an explained prediction.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"NeuroResponder {__version__}")
    words = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        text = command.summary
        one = words.add_parser(
            command.name, help=text, description=text[0].upper() + text[1:] + ".", epilog=RUO_LINE
        )
        command.add_arguments(one)
    return parser
