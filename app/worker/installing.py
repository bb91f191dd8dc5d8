"""Installs, takes over, verifies and removes published models and atlases.

Files arrive in ``.incoming-<id>`` (mode 0700) beside their place, are checked there, and one
rename makes the whole folder visible: whoever looks sees all of it or nothing. The licence must
have been accepted by a person before anything is fetched or copied.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from app import __version__
from app.connectome import a424
from app.core.download import download
from app.core.errors import AppError, CancelledError, ModelError, StorageError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.core.published import Published, PublishedFile
from app.models.catalogue import CONFIG_NAME, WEIGHTS_NAME
from app.study.engine import hold_lock
from app.study.files import (
    publish,
    storage_errors,
    swap,
    sync_folder,
    temporary_sibling,
    write_file,
)
from app.worker.published import (
    IMPORT_MARK,
    RECORD_NAME,
    folder_of,
    free_bytes,
    incoming_folder,
    read_record,
    record_trouble,
    state_of,
)

_SMALL_BYTES = 1 << 20  # a complete file of at most this size is fetched again
CHECK_SECONDS_PER_GB = 30.0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A source file that lies in the incoming folder."""

    file: PublishedFile
    path: Path
    sha256: str

    @property
    def check(self) -> str:
        """How far its hash can be trusted."""
        return self.file.sha256_origin if self.file.sha256 else "unknown"


def install(
    entry: Published,
    progress: Progress,
    *,
    accepted: bool,
    fetch: Callable[[PublishedFile, Path, Progress], Any] = download,
) -> dict[str, Any]:
    """Fetch an entry's files, check and install them; returns the record.

    What is installed whole already is left as it is.

    Raises
    ------
    AppError
        ``models.licence`` without acceptance; ``models.busy``; whatever download, check or disk
        end with. What has come of a download is kept for the next try.
    """
    require_acceptance(entry, accepted)
    if (there := state_of(entry)).installed:
        return there.record
    progress.set_weights(
        {
            **{f"Download {file.name}": file.largest_bytes / 1e7 for file in entry.files},
            "Check": 0.5 + CHECK_SECONDS_PER_GB * entry.download_bytes / 1e9,
        }
    )
    with arriving(entry) as incoming:
        if (incoming / IMPORT_MARK).exists():  # copies of a killed import are no download
            forget([*(incoming / file.name for file in entry.files), incoming / IMPORT_MARK])
        _check_space(entry, incoming)
        arrived = []
        for file in entry.files:
            with progress.stage(f"Download {file.name}"):
                path = incoming / file.name
                sha256 = _sha256_if_whole(file, path)
                if not sha256:
                    fetch(file, incoming, progress)
                    sha256 = file_sha256(path)
                arrived.append(Arrived(file, path, sha256))
        with progress.stage("Check"):
            return settle(entry, arrived, progress, how="download")


def settle(
    entry: Published, arrived: list[Arrived], progress: Progress, *, how: str
) -> dict[str, Any]:
    """Check what has arrived and make it visible; a failed check deletes it."""
    try:
        for item in arrived:
            check_hash(item)
        target = folder_of(entry)
        with storage_errors(), temporary_sibling(target) as folder:
            facts = _fill(entry, arrived, folder, progress)
            record = _record(entry, arrived, folder, facts, how)
            write_file(folder / RECORD_NAME, tomli_w.dumps(record).encode())
            if target.exists() or not publish(folder, target):
                swap(folder, target)
    except (CancelledError, StorageError):
        raise  # nothing is wrong with the files
    except AppError:
        forget(item.path for item in arrived)
        raise
    shutil.rmtree(incoming_folder(entry), ignore_errors=True)
    return record


def check_hash(item: Arrived) -> None:
    """Refuse a file whose SHA-256 is known and differs, be it pinned or only reported.

    Raises
    ------
    ModelError
        ``models.hash``.
    """
    if not item.file.sha256 or item.sha256 == item.file.sha256:
        return
    reported = item.file.sha256_origin == "reported"
    raise ModelError(
        f"The file {item.file.name} is not the published one (its SHA-256 differs"
        + (" from the one that was reported)." if reported else ")."),
        "It was not taken over. Get it again from its source; a checkpoint of your own is "
        "converted with main.py models convert DIR --out NEWDIR.",
        code="models.hash",
    )


def verify(entry: Published, progress: Progress) -> str:
    """Read every installed file again; returns "" or one sentence about what is wrong."""
    folder = folder_of(entry)
    record = read_record(folder)
    if trouble := record_trouble(entry, folder, record):
        return trouble
    known = {file.name: file for file in entry.files if file.sha256}
    names = list(record["files"])
    for number, name in enumerate(names):
        progress.step(number / len(names), name)
        if file_sha256(folder / name) != record["files"][name].get("sha256"):
            return f"Its file {name} was changed after it was installed (SHA-256 differs)."
    for name, item in record["source"].items():
        if name in known and item.get("sha256") != known[name].sha256:
            return f"It was made from another {name} than the published one (SHA-256 differs)."
    extra = {path.name for path in folder.iterdir()} - {*names, RECORD_NAME}
    if extra:
        return f"Its folder holds a file that was not installed: {sorted(extra)[0][:60]!a}."
    return ""


def remove(entry: Published) -> bool:
    """Delete an entry and what is left of its downloads; False when there was nothing.

    Raises
    ------
    StorageError
        It cannot be deleted; then it is either still there whole or gone from its place.
    """
    folder, incoming = folder_of(entry), incoming_folder(entry)
    there = folder.exists() or incoming.exists()
    with storage_errors():
        if folder.exists():
            with temporary_sibling(folder) as away:
                folder.rename(away / "old")
                sync_folder(folder.parent)
        if incoming.exists():
            shutil.rmtree(incoming)
    return there


def require_acceptance(entry: Published, accepted: bool) -> None:
    """Raise ``models.licence`` unless a person accepted the terms."""
    if not accepted:
        raise AppError(
            f"The licence of {entry.id} ({entry.licence.name}) was not accepted.",
            "Read it (main.py models show " + entry.id + ") and accept it to go on.",
            code="models.licence",
        )


@contextlib.contextmanager
def arriving(entry: Published) -> Iterator[Path]:
    """The incoming folder, for one process at a time.

    Raises
    ------
    AppError
        ``models.busy`` while another process uses it; `StorageError` when it cannot be made.
    """
    incoming = incoming_folder(entry)
    with storage_errors():
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        if incoming.is_symlink():
            raise NotADirectoryError(20, "a link")
    try:
        with hold_lock(incoming.with_name(f"{incoming.name}.lock"), wait_s=0.0):
            for stale in incoming.parent.glob(f".tmp-{incoming.name.removeprefix('.incoming-')}-*"):
                shutil.rmtree(stale, ignore_errors=True)  # of a program that was killed
            yield incoming
    except StorageError as error:
        if error.code != "study.busy":
            raise
        raise AppError(
            f"{entry.id} is being installed by another window or command.",
            "Wait until it has ended.",
            code="models.busy",
        ) from error


def _fill(
    entry: Published, arrived: list[Arrived], folder: Path, progress: Progress
) -> dict[str, Any]:
    """Put the checked files into the folder; returns facts for the record."""
    if entry.kind == "atlas":
        for item in arrived:
            shutil.copyfile(item.path, folder / item.file.name)
        names = a424.read_names(folder / a424.NAMES)
        points = a424.read_coordinates(folder / a424.COORDINATES)
        a424.check_y_order(a424.stable_y_order(points))
        derived = a424.derive(folder / a424.VOLUME)
        a424.check_places(derived["centroids_mm"], points, a424.sides_of(names))
        return {"atlas": {"parcels": len(names), "template": "MNI152NLin6Asym"}}
    from app.models.checkpoint_shapes import family_of, read_config
    from app.models.checkpoints import open_checkpoint
    from app.models.conversion import convert_checkpoint

    by_name = {item.file.name: item for item in arrived}
    shutil.copyfile(by_name[CONFIG_NAME].path, folder / CONFIG_NAME)
    config = read_config(folder / CONFIG_NAME)
    check_recognised(entry, {**config, "family": family_of(config)})
    (weights,) = (item for name, item in by_name.items() if name != CONFIG_NAME)
    made = convert_checkpoint(weights.path, folder, progress)
    # The strict door that every use goes through, with its trial pass: what is installed opens.
    open_checkpoint(folder, progress=progress)
    return {
        "encoder": {
            "family": made.family,
            "tensors": made.tensor_count,
            "parameters": made.parameter_count,
            "made_with_torch": made.torch_version,
        }
    }


def check_recognised(entry: Published, config: Mapping[str, Any]) -> None:
    """Raise ``models.other`` unless the configuration is the one of this entry."""
    for field, wanted in entry.recognised_by:
        if config.get(field) != wanted:
            raise ModelError(
                f"These files are not {entry.id}: {field} is {str(config.get(field))[:40]!a} "
                f"instead of {wanted!r}.",
                "Check which model the files belong to.",
                code="models.other",
            )


def _record(
    entry: Published, arrived: list[Arrived], folder: Path, facts: dict[str, Any], how: str
) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    kept = [CONFIG_NAME, WEIGHTS_NAME] if entry.kind == "encoder" else [f.name for f in entry.files]
    return {
        "id": entry.id,
        "kind": entry.kind,
        "title": entry.title,
        "how": how,
        "installed_utc": now,
        "program": __version__,
        "licence": {
            "name": entry.licence.name,
            "address": entry.licence.address,
            "accepted_utc": now,
            "non_commercial": entry.licence.non_commercial,
            "may_be_passed_on": False,
        },
        "source": {
            item.file.name: {
                "sha256": item.sha256,
                "size_bytes": item.path.stat().st_size,
                "check": item.check,
                "address": item.file.url if how == "download" else "carried in by the user",
            }
            for item in arrived
        },
        "files": {
            name: {
                "sha256": file_sha256(folder / name),
                "size_bytes": (folder / name).stat().st_size,
            }
            for name in kept
        },
        **facts,
    }


def _sha256_if_whole(file: PublishedFile, path: Path) -> str:
    """Hash of the file that an earlier try has left; "" where it is not there or not whole."""
    if path.is_symlink() or not path.is_file():
        return ""
    if not file.sha256 and not _SMALL_BYTES < path.stat().st_size <= file.largest_bytes:
        return ""
    sha256 = file_sha256(path)
    return sha256 if sha256 == file.sha256 or not file.sha256 else ""


def _check_space(entry: Published, incoming: Path) -> None:
    """The weights lie there twice for a moment: as they came and as they are installed."""
    needed = (2 if entry.kind == "encoder" else 1) * entry.download_bytes
    free = free_bytes(incoming) + state_of(entry).partial_bytes
    if needed > free:
        raise StorageError(
            f"Installing {entry.id} needs up to {needed / 1e9:.2f} GB for a moment; "
            f"{free / 1e9:.2f} GB are free.",
            "Free some disk space, or set NEURORESPONDER_HOME to a folder on a larger disk.",
            code="models.no_space",
        )


def forget(paths: Iterable[Path]) -> None:
    """Delete files that have arrived and are not wanted for another try."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
