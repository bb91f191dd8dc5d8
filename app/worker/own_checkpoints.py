"""Turns a folder of one's own that holds a `.bin` checkpoint into one that `--encoder` opens.

The checks are those of an installation; only the hash is nobody's to compare with, because what
a person trained was never published. Nothing goes into the program's data folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.core.errors import ModelError
from app.core.progress import Progress
from app.core.published import PublishedFile
from app.models.catalogue import (
    CONFIG_LIMIT_BYTES,
    CONFIG_NAME,
    MAX_CHECKPOINT_BYTES,
    SOURCE_NAME,
    WEIGHTS_NAME,
)
from app.study.files import publish, recover, storage_errors, temporary_sibling
from app.worker.carried_in import copy_ordinary, listed, weights_among


def convert_folder(source: Path, target: Path, progress: Progress) -> dict[str, Any]:
    """Write the folder `target` with `config.json` and `model.safetensors` from `source`.

    Parameters
    ----------
    source
        Folder with `config.json` and one `.bin` of torch; it is left as it is.
    target
        Must not be there yet; appears whole or not at all.

    Raises
    ------
    AppError
        ``models.convert``, ``models.import``, `StorageError`, or whatever a check of
        `convert_checkpoint` or `open_checkpoint` ends with.
    """
    from app.models.checkpoints import open_checkpoint
    from app.models.conversion import convert_checkpoint

    _check_places(source, target)
    files = listed([source])
    config = next((path for path in files if path.name == CONFIG_NAME), None)
    if config is None:
        raise _fault(
            "The folder holds no config.json, so nothing says what the weights are.",
            "Put the checkpoint's own config.json beside the weights.",
        )
    asked = PublishedFile(SOURCE_NAME, "", MAX_CHECKPOINT_BYTES)
    _file, weights = weights_among(asked, files)
    progress.set_weights({"Copy": 1.0, "Check": 4.0})
    with storage_errors():
        recover(target.parent)
    with storage_errors(), temporary_sibling(target) as private:
        private.chmod(0o700)  # nothing may change between check and use
        made = private / "made"
        made.mkdir()
        with progress.stage("Copy"):
            copy_ordinary(config, made / CONFIG_NAME, CONFIG_LIMIT_BYTES, progress)
            copied, _sha256 = copy_ordinary(
                weights, private / SOURCE_NAME, MAX_CHECKPOINT_BYTES, progress
            )
        with progress.stage("Check"):
            converted = convert_checkpoint(copied, made, progress)
            open_checkpoint(made, progress=progress)
        if target.exists() or not publish(made, target):
            raise _there_already(target)
    return {
        "family": converted.family,
        "sha256": converted.sha256,
        "source_sha256": converted.source_sha256,
        "source_name": weights.name,
    }


def _check_places(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise _fault(
            "What is to be converted is no folder.",
            f"Give the folder that holds {CONFIG_NAME} and the weights.",
        )
    if (source / WEIGHTS_NAME).is_file():
        raise _fault(
            f"The folder holds {WEIGHTS_NAME}: there is nothing to convert.",
            "Use it as it is: main.py encode --encoder DIR.",
        )
    if target.exists() or target.is_symlink():
        raise _there_already(target)
    if not target.parent.is_dir():
        raise _fault("The new folder's own folder is not there.", "Make it, or change --out.")


def _there_already(target: Path) -> ModelError:
    return _fault(f"{target.name[:80]} is there already.", "Give a new name with --out.")


def _fault(message: str, hint: str) -> ModelError:
    return ModelError(message, hint, code="models.convert")
