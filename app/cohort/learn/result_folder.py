"""A result folder: what is private (one row a person) apart from what may be shown.

``private/`` holds out-of-fold scores, for the group's own disk alone, and every finished fold, so
that an interrupted evaluation goes on where it stopped. Everything is written beside its place
and renamed: what is there is whole.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.cohort.learn.contender import FoldAnswer
from app.cohort.learn.continuous import ContinuousAnswer
from app.core.errors import StorageError
from app.core.provenance import record_sha256
from app.study.files import NOTHING_CHANGED, storage_errors

PRIVATE = "private"
RECORD = "evaluation.json"
FITS = ".fits"  # of a fold that is being made, beside its place
OUT_OF_FOLD = "out_of_fold.npz"


@contextlib.contextmanager
def work_kept(folder: Path) -> Iterator[None]:
    """A fault of writing says that what is done is kept, where, and how to go on.

    Raises
    ------
    StorageError
        The same fault, of a full disk and the like, with those words.
    """
    try:
        yield
    except StorageError as fault:
        if not fault.code.startswith(("study.", "reporting.")):
            raise
        figures = "the figures (evaluation.json, tables) and " if (folder / RECORD).exists() else ""
        raise StorageError(
            fault.message,
            f"{fault.hint.removesuffix(NOTHING_CHANGED)} Kept in the result folder "
            f"'{folder.name}': {figures}every finished fold. Start the same again: it goes on "
            "there.".strip(),
            code=fault.code,
        ) from fault


class ResultFolder:
    """Reads and writes one evaluation.

    Parameters
    ----------
    folder
        Made if absent; ``private`` in it can be entered by its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with storage_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self.private.mkdir(mode=0o700, exist_ok=True)

    @property
    def private(self) -> Path:
        """Folder of what belongs to single people."""
        return self.folder / PRIVATE

    def fold_path(self, key: Any, model: str, fold: str) -> Path:
        """Where a fold's answer lies; `key` is everything that it depends on."""
        return self.private / "folds" / f"{model}-{record_sha256(key)[:16]}" / f"{fold}.npz"

    def read_fold(self, path: Path) -> FoldAnswer | None:
        """A finished fold; None where there is none, or it is damaged and must be made again."""
        arrays = self.read_arrays(path)
        try:
            if arrays is None:
                return None
            continuous = None
            if "predicted" in arrays:
                continuous = ContinuousAnswer(arrays["predicted"], arrays["target"])
            told = json.loads(str(arrays["told"]))
            return FoldAnswer(arrays["test"], arrays["inner"], continuous, told)
        except (ValueError, KeyError):
            return None

    def write_fold(self, path: Path, answer: FoldAnswer) -> None:
        """Keep one fold.

        Raises
        ------
        StorageError
            No space and the like; folds that are there stay.
        """
        arrays: dict[str, Any] = {
            "test": answer.test,
            "inner": answer.inner,
            "told": json.dumps(answer.told, sort_keys=True),
        }
        if answer.continuous is not None:
            arrays |= {"predicted": answer.continuous.predicted, "target": answer.continuous.target}
        self.write_arrays(path, arrays)

    def fits_of(self, path: Path) -> FoldFits:
        """Finished fits of the fold at `path`, until the fold is whole."""
        return FoldFits(self, path.with_suffix(FITS))

    def write_arrays(self, path: Path, arrays: Mapping[str, Any]) -> None:
        """One ``.npz``, whole or not at all."""
        with storage_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            try:
                with partial.open("wb") as handle:
                    np.savez(handle, **arrays)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def read_arrays(self, path: Path) -> dict[str, Any] | None:
        """What `write_arrays` kept; None where there is nothing, or it is damaged."""
        if not path.is_file():
            return None
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def write_text(self, name: str, text: str) -> Path:
        """One text file of what may be shown."""
        path = self.folder / name
        with storage_errors():
            partial = path.with_name(f".{path.name}.partial")
            try:
                partial.write_text(text, encoding="utf-8", newline="\n")
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        return path

    def write_json(self, name: str, record: Mapping[str, Any]) -> Path:
        """One JSON file in a stable order of keys."""
        return self.write_text(name, json.dumps(record, indent=2, sort_keys=True) + "\n")


class FoldFits:
    """`KeptFits` of one outer fold, one file a fit."""

    def __init__(self, result: ResultFolder, folder: Path) -> None:
        self.result = result
        self.folder = folder

    def read(self, name: str, asked: int) -> FoldAnswer | None:
        """A finished fit that was asked for so many rows; None: not there, or damaged."""
        known = self.result.read_fold(self.folder / f"{name}.npz")
        return known if known is not None and len(known.test) == asked else None

    def write(self, name: str, answer: FoldAnswer) -> None:
        """Keep one."""
        self.result.write_fold(self.folder / f"{name}.npz", answer)

    def clear(self) -> None:
        """The fold is kept whole: its fits are not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)
