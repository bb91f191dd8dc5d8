"""Encoders by the SHA-256 of their weights: what a model that names one, and holds none, needs.

Installed encoders are looked through by the hash that their installation recorded, then opened
as strictly as ever, which compares the file with it. The last one stays open.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from app.core.arrays import Ints
from app.core.errors import ModelError
from app.core.folders import encoders_folder
from app.core.provenance import file_sha256
from app.models.brainlm import BrainLM
from app.models.card import read_card
from app.models.catalogue import CONFIG_NAME, ENCODERS, WEIGHTS_NAME
from app.models.checkpoint_record import RECORD_NAME, recorded_sha256
from app.models.encoders import DEMONSTRATION, LoadedEncoder, open_encoder
from app.models.installed import WEIGHTS_FILE, bundle_folder
from app.models.series_encoder import EncoderSource


def installed_encoder(sha256: str, name: str = "") -> LoadedEncoder:
    """The installed encoder whose weights have this hash.

    Parameters
    ----------
    sha256
        Of its ``model.safetensors``; or of the demonstration model's weights file.
    name
        What the model's card calls it, for the message.

    Raises
    ------
    ModelError
        ``model.encoder_missing``, naming what to install; or as `open_encoder`.
    """
    if sha256 == _demonstration_sha256():
        return open_encoder(DEMONSTRATION)
    place = encoders_folder()
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        weights = folder / WEIGHTS_NAME
        if folder.name.startswith(".") or not weights.is_file():
            continue
        known = recorded_sha256(folder, WEIGHTS_NAME) or _hash(weights, _stamp(weights))
        if known != sha256:
            continue
        stamps = tuple(_stamp(folder / one) for one in (CONFIG_NAME, WEIGHTS_NAME, RECORD_NAME))
        found = _opened(folder.name, place, stamps)
        if found.sha256[WEIGHTS_NAME] == sha256:
            return found
    called = f"'{name[:60]}' " if name else ""
    raise ModelError(
        f"The model needs the encoder {called}with SHA-256 {sha256[:12]}\N{HORIZONTAL ELLIPSIS}, "
        "which is not installed here.",
        f"{_how_to_install(name)}; its weights are never part of a model.",
        code="model.encoder_missing",
    )


def weights_sha256_of(loaded: LoadedEncoder) -> str:
    """Hash of the weights file, by which models name the encoder."""
    return loaded.sha256[WEIGHTS_FILE if loaded.name == DEMONSTRATION else WEIGHTS_NAME]


def _demonstration_sha256() -> str:
    return read_card(bundle_folder(DEMONSTRATION)).fields.weights.sha256


def source_of(loaded: LoadedEncoder, network_of_parcel: Ints | None = None) -> EncoderSource:
    """A published encoder as FMM_TC takes it: named by hash, its weights never written.

    `network_of_parcel` (parcel,) pools patch tokens of the 13M family instead of reading CLS.
    """
    sha256, module = weights_sha256_of(loaded), loaded.module
    if isinstance(module, BrainLM):
        return EncoderSource.of_brainlm(
            module, file_sha256=sha256, network_of_parcel=network_of_parcel
        )
    if network_of_parcel is not None:
        raise ModelError(
            "Tokens of a ViT-MAE cover bands of parcels and cannot be pooled over networks.",
            "Use its CLS token.",
            code="model.encoder",
        )
    return EncoderSource.of_vit(module, file_sha256=sha256)


def _how_to_install(name: str) -> str:
    known = next((entry.id for entry in ENCODERS if entry.id == name), "")
    if known:
        return f"Install it: `main.py models install {known}`"
    return (
        "Install it: `main.py models list` shows what there is, `main.py models import` takes files"
    )


def _stamp(path: Path) -> tuple[int, int]:
    if not path.is_file():
        return 0, 0
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _hash(path: Path, _stamp: tuple[int, int]) -> str:
    return file_sha256(path)


@lru_cache(maxsize=1)  # a large one fills gigabytes
def _opened(name: str, _place: Path, _stamps: tuple[tuple[int, int], ...]) -> LoadedEncoder:
    return open_encoder(name)
