"""Costly things that the processes of one test run share: whoever needs one first makes it."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from filelock import FileLock

Made = TypeVar("Made")


def made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Made]
) -> tuple[Made, Path]:
    """What `make` gives for an empty folder, and the folder; made once in a run.

    Under pytest-xdist the other processes wait for it, then read it back. What lies in the folder
    is everybody's: tests read it, or write beside it under names of their own.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = factory.mktemp(name)
        return make(folder), folder
    place = factory.getbasetemp().parent / "made-once" / name  # the parent is the whole run's
    place.mkdir(parents=True, exist_ok=True)
    kept, folder = place / "made.pickle", place / "files"
    with FileLock(place / "lock"):
        if not kept.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a make that failed
            folder.mkdir()
            partial = kept.with_suffix(".partial")
            partial.write_bytes(pickle.dumps((make(folder), folder)))
            partial.replace(kept)
        made: tuple[Made, Path] = pickle.loads(kept.read_bytes())  # noqa: S301 - our own, of now
    return made
