"""Takes over files of a published model that somebody carried in: copied once, then checked.

Nothing is decided by what a file claims to be: its copy must pass the same checks as a download.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.connectome import a424
from app.core.errors import AppError, ModelError
from app.core.progress import Progress
from app.core.published import Published, PublishedFile
from app.models.catalogue import (
    CONFIG_LIMIT_BYTES,
    CONFIG_NAME,
    ENCODERS,
    MAX_CHECKPOINT_BYTES,
    SOURCE_NAME,
    WEIGHTS_NAME,
)
from app.study.files import storage_errors
from app.worker.installing import (
    Arrived,
    arriving,
    check_hash,
    check_recognised,
    forget,
    require_acceptance,
    settle,
)
from app.worker.published import CATALOGUE, IMPORT_MARK, state_of

MAX_FILES = 200
# Pickles that lie beside published weights; never opened, whatever they are called.
NEVER_OPENED = (
    "training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scaler.pt",
    "rng_state.pth",
)  # fmt: skip
_WEIGHTS_SUFFIXES = (".bin", ".safetensors")
_PIECE_BYTES = 1 << 20


def import_files(
    paths: Sequence[Path], progress: Progress, *, accepted: bool, entry: Published | None = None
) -> dict[str, Any]:
    """Take over files, or the files of one folder; returns the record.

    Parameters
    ----------
    paths
        One folder, or the files of one model or atlas.
    entry
        Which one it is; None = recognise it.

    Raises
    ------
    AppError
        ``models.import``, ``models.installed`` (something else is installed under this id),
        ``models.other``, ``models.hash``, or whatever a check ends with;
        nothing is installed then, and the given files are as they were.
    """
    files = listed(paths)
    entry = entry or recognise(files)
    require_acceptance(entry, accepted)
    chosen = choose(entry, files)
    progress.set_weights({"Copy": 1.0, "Check": 2.0})
    with arriving(entry) as incoming:
        try:
            with storage_errors():
                (incoming / IMPORT_MARK).touch()
            with progress.stage("Copy"):
                arrived = [
                    Arrived(
                        file,
                        *copy_ordinary(path, incoming / file.name, file.largest_bytes, progress),
                    )
                    for file, path in chosen
                ]
            with progress.stage("Check"):
                there = state_of(entry)
                if there.installed:
                    return _same_as_installed(entry, arrived, there.record)
                return settle(entry, arrived, progress, how="import")
        finally:  # the user has the originals: no copy is kept, whatever happened
            forget([*(incoming / file.name for file, _ in chosen), incoming / IMPORT_MARK])


def _same_as_installed(
    entry: Published, arrived: Sequence[Arrived], record: dict[str, Any]
) -> dict[str, Any]:
    """The record of what is installed, if the files are those; others never replace it."""
    for item in arrived:
        check_hash(item)
        known = {
            record[table].get(item.file.name, {}).get("sha256") for table in ("source", "files")
        }
        if item.sha256 not in known:
            raise ModelError(
                f"{entry.id} is installed already, from another {item.file.name} (its SHA-256 "
                "differs).",
                f"Nothing was changed. To replace it, remove it first: main.py models remove "
                f"{entry.id}.",
                code="models.installed",
            )
    return record


def listed(paths: Sequence[Path]) -> list[Path]:
    """The files that were given, or those of the one folder (not of folders in it).

    Raises
    ------
    ModelError
        ``models.import``: nothing there, too many, or no ordinary file.
    """
    files: list[Path] = []
    for path in paths:
        try:
            if path.is_dir():
                files += sorted(p for p in path.iterdir() if not p.is_dir())
            else:
                files.append(path)
        except (OSError, ValueError) as error:
            raise _unreadable() from error
        if len(files) > MAX_FILES:
            raise _fault(f"There are more than {MAX_FILES} files.", "Give one model at a time.")
    if not files:
        raise _fault("There are no files to take over.", "Give the files or the folder of a model.")
    names = [path.name for path in files]
    if len(set(names)) != len(names):
        raise _fault("Two of the files have the same name.", "Give one model at a time.")
    for path in files:
        if path.name in NEVER_OPENED and len(files) == 1:
            raise _fault(
                f"The file {path.name} is never opened: it can run code and holds no weights.",
                f"The weights are in {SOURCE_NAME} or {WEIGHTS_NAME}.",
            )
    return files


def recognise(files: Sequence[Path]) -> Published:
    """Which entry of the catalogue the files belong to.

    Raises
    ------
    ModelError
        ``models.import`` when it cannot be told.
    """
    names = {path.name for path in files}
    if names & {name for file in a424.PUBLISHED.files for name in (file.name, *file.also_named)}:
        return next(entry for entry in CATALOGUE if entry.id == a424.NAME)
    config = next((path for path in files if path.name == CONFIG_NAME), None)
    if config is None:
        raise _fault(
            "It cannot be told which model these files belong to.",
            f"Give {CONFIG_NAME} and the weights together, or the folder that holds both.",
        )
    from app.models.checkpoint_shapes import family_of, parse_config

    content = _read_small(config)
    fields = parse_config(content)
    known = {**fields, "family": family_of(fields)}
    for entry in CATALOGUE:
        if entry.kind == "encoder" and _fits(entry, known):
            return entry
    raise _fault(
        "The configuration is none of the published models' that can be installed.",
        f"Known: {', '.join(entry.id for entry in ENCODERS)}. Other checkpoints are used from "
        "their own folder (main.py encode --encoder DIR), a .bin after main.py models convert DIR "
        "--out NEWDIR.",
    )


def choose(entry: Published, files: Sequence[Path]) -> list[tuple[PublishedFile, Path]]:
    """Each needed file and where it lies.

    Raises
    ------
    ModelError
        ``models.import`` naming what is missing.
    """
    chosen, missing = [], []
    for file in entry.files:
        if file.name == SOURCE_NAME:
            chosen.append(weights_among(file, files))
            continue
        wanted = (file.name, *file.also_named)
        path = next((path for path in files if path.name in wanted), None)
        if path is None:
            missing.append(file.name)
        else:
            chosen.append((file, path))
    if missing:
        raise _fault(
            f"For {entry.id} the file {missing[0]} is missing.",
            f"Needed: {', '.join(file.name for file in entry.files)}.",
        )
    return chosen


def weights_among(file: PublishedFile, files: Sequence[Path]) -> tuple[PublishedFile, Path]:
    """The one weights file; a safetensors one has no published hash."""
    candidates = [
        path
        for path in files
        if path.suffix.lower() in _WEIGHTS_SUFFIXES and path.name not in NEVER_OPENED
    ]
    for name in (SOURCE_NAME, WEIGHTS_NAME):
        named = [path for path in candidates if path.name == name]
        if named:
            candidates = named
            break
    if len(candidates) != 1:
        raise _fault(
            "There is no weights file." if not candidates else "There are several weights files.",
            f"Give {SOURCE_NAME} or {WEIGHTS_NAME} together with {CONFIG_NAME}.",
        )
    path = candidates[0]
    if path.suffix.lower() == ".safetensors":
        return replace(
            file,
            name=WEIGHTS_NAME,
            size_bytes=None,
            sha256="",
            sha256_origin="unknown",
            largest_bytes=MAX_CHECKPOINT_BYTES,
        ), path
    return file, path


def _fits(entry: Published, config: dict[str, Any]) -> bool:
    try:
        check_recognised(entry, config)
    except ModelError:
        return False
    return True


def copy_ordinary(
    source: Path, target: Path, largest_bytes: int, progress: Progress
) -> tuple[Path, str]:
    """Copy an ordinary file of bounded size and return the copy with its SHA-256."""
    digest, count = hashlib.sha256(), 0
    with storage_errors():
        target.unlink(missing_ok=True)
    with _ordinary(source) as handle, storage_errors(), target.open("xb") as copy:
        size = max(os.fstat(handle.fileno()).st_size, 1)
        while piece := _read(handle):
            count += len(piece)
            if count > largest_bytes:
                raise ModelError(
                    f"The file {target.name} is larger than the published one "
                    f"({largest_bytes} bytes at most).",
                    "Check that this is the right file.",
                    code="models.too_large",
                )
            digest.update(piece)
            copy.write(piece)
            progress.step(min(count / size, 1.0), target.name)
    return target, digest.hexdigest()


def _read(handle: Any) -> bytes:
    try:
        piece: bytes = handle.read(_PIECE_BYTES)
    except OSError as error:  # the source's fault; what is written has faults of its own
        raise _unreadable() from error
    return piece


def _read_small(path: Path) -> bytes:
    with _ordinary(path) as handle:
        content: bytes = handle.read(CONFIG_LIMIT_BYTES + 1)
    if len(content) > CONFIG_LIMIT_BYTES:
        raise _fault(f"The file {CONFIG_NAME} is too large.", "Check that it is the right file.")
    return content


def _ordinary(path: Path) -> Any:
    """Open a file for reading, but no pipe, device or folder."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable() from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _fault("A file that was given is no ordinary file.", "Give the files themselves.")
    return os.fdopen(descriptor, "rb")


def _unreadable() -> AppError:
    return _fault("A file that was given cannot be read.", "Check its name and permissions.")


def _fault(message: str, hint: str) -> AppError:
    return ModelError(message, hint, code="models.import")
