"""The command line with one worker for many commands, so that each need not start its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.cli import work
from app.cli.main import main
from app.worker.process import Worker


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    error: str


class _Borrowed:
    """A worker that its borrower cannot close."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def __enter__(self) -> Worker:
        return self._worker

    def __exit__(self, *_exception: object) -> None:
        return None


class CommandLine:
    """Runs commands as `main.py` does; the real child does the work.

    `private` is where the child keeps its private files; it is empty between commands.
    """

    def __init__(self, worker: Worker, private: Path, home: Path) -> None:
        self.worker = worker
        self.private = private
        self.home = home

    def run(self, capsys: pytest.CaptureFixture[str], *words: str | Path) -> Said:
        """One command: its exit code, standard output and standard error."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(work, "Worker", lambda **_limits: _Borrowed(self.worker))
            capsys.readouterr()
            code = main([str(word) for word in words])
        told = capsys.readouterr()
        return Said(code, told.out, told.err)


@contextmanager
def command_line(place: Path) -> Iterator[CommandLine]:
    """A command line whose child has its own home and private folder below `place`."""
    private, home = place / "private", place / "home"
    private.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(private))
        patch.setenv("NEURORESPONDER_HOME", str(home))
        patch.setattr(tempfile, "tempdir", None)
        with Worker() as worker:
            yield CommandLine(worker, private, home)
    tempfile.tempdir = None  # found anew from the environment that is back


def leftovers(*places: Path) -> list[str]:
    """Files and folders below `places`, but for whole case folders and what is in them."""
    return [
        str(entry.relative_to(place))
        for place in places
        for entry in (sorted(place.rglob("*")) if place.exists() else [])
        if not any(_is_case(folder) for folder in (entry, *entry.parents))
    ]


def _is_case(folder: Path) -> bool:
    return (folder / "manifest.json").is_file() and not folder.name.startswith(".")
