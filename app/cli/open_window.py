"""`open`: the window, on a scan, on a case folder, or on nothing."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from app.cli.command import Command, UsageError, Window, existing_file


def add_arguments(parser: ArgumentParser) -> None:
    """One optional path."""
    parser.add_argument("path", nargs="?", type=Path, help="scan (.nii, .nii.gz) or case folder")


def run(arguments: Namespace, window: Window | None) -> int:
    """Open the window and wait until it is closed."""
    paths = [str(existing_file(arguments.path))] if arguments.path else []
    obstacle = "This installation has no window." if window is None else window.obstacle()
    if window is None or obstacle:
        raise UsageError(
            obstacle,
            "Without a window: `main.py predict SCAN --out DIR`, or `main.py --help`.",
            code="cli.no_window",
        )
    return window.open(paths)


COMMAND = Command("open", "open the window, on a scan or case folder if one is named",
                  add_arguments, run)  # fmt: skip
