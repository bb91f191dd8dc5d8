"""What every command is made of, and what it may ask of the window."""

from __future__ import annotations

import shlex
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.core.errors import AppError

DONE = 0
FAILED = 1
USAGE = 2
CANCELLED = 130  # as a shell counts Ctrl-C


class UsageError(AppError):
    """The command line asks for something that does not exist or cannot be."""


class Window(Protocol):
    """The window, as `main.py` hands it in; the command line does not import it."""

    def obstacle(self) -> str:
        """Why no window can open here; empty where one can."""

    def open(self, paths: list[str]) -> int:
        """Open it on a scan or case folder, or on nothing; returns the exit code."""


@dataclass(frozen=True, slots=True)
class Command:
    """One word after ``main.py``."""

    name: str
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Window | None], int]


def command_line(words: Sequence[str]) -> str:
    """The exact words that were typed, so that they can be typed again."""
    return shlex.join(["python3", "main.py", *words])


def existing_file(path: Path) -> Path:
    """The absolute path of a file that is there.

    Raises
    ------
    UsageError
        There is no such file.
    """
    if not path.exists():
        raise UsageError(f"There is no file {path}.", "Check the spelling.", code="cli.no_file")
    return path.absolute()


def positive_number(text: str) -> float:
    """Type of an option that must be above 0 and finite."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def natural_number(text: str) -> int:
    """Type of an option that must be a whole number, 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return int(text)


def counting_number(text: str) -> int:
    """Type of an option that must be a whole number, 1 or more."""
    if natural_number(text) == 0:
        raise ArgumentTypeError("0 is too few")
    return int(text)
