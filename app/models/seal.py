"""The seal of an installed model: the hash of its card, written when it was installed.

The card pins the hashes of the files beside it, and nothing in it pins the card. So whoever
edits a calibration, a scale or a cut-off there would change numbers in silence; the canary does
not see them. The seal is written by the import, after the whole bundle was checked. It shows an
edit; it is no signature, and does not show who made the model.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from app.core.errors import ModelError
from app.core.provenance import file_sha256
from app.models.installed import CARD_FILE

SEAL_FILE = "installed.toml"
MAX_SEAL_BYTES = 4096


def write_seal(folder: Path) -> None:
    """Seal a checked bundle; `OSError` when the folder cannot be written."""
    with (folder / SEAL_FILE).open("x", encoding="utf-8") as handle:
        handle.write(f'card_sha256 = "{file_sha256(folder / CARD_FILE)}"\n')
        handle.flush()
        os.fsync(handle.fileno())


def check_seal(folder: Path, card_sha256: str) -> None:
    """Refuse a card that is not the one that was installed; nothing where there is no seal.

    Raises
    ------
    ModelError
        ``model.hash``.
    """
    path = folder / SEAL_FILE
    if not path.is_file():
        return
    try:
        with path.open("rb") as handle:
            found = tomllib.loads(handle.read(MAX_SEAL_BYTES).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise _broken("its seal cannot be read") from error
    if found.get("card_sha256") != card_sha256:
        raise _broken("its card.toml has changed since")


def _broken(what: str) -> ModelError:
    return ModelError(
        f"The model is not as it was installed: {what}.",
        "Remove it and import it again (`main.py models remove`, `main.py models import`); a "
        "changed card is never used.",
        code="model.hash",
    )
