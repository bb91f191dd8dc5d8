"""A bundle as one file, `.nrmodel`: written, and read back from strangers without trusting a byte.

The file is a zip of stored (never compressed) members, fixed in name and order: ``manifest.json``
with the size and SHA-256 of each other member, ``card.toml``, ``weights.safetensors`` and, where
the architecture has one, ``statistics.safetensors``. Before anything is written the list of
members must be exactly that; every other zip is refused. Members are then copied into a private
folder beside the installed models, hashed on the way, loaded as any bundle is, and moved into
place with one rename.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.core.errors import ModelError, StorageError
from app.core.progress import Progress
from app.core.provenance import file_sha256
from app.models.bundle import Bundle, load_bundle
from app.models.card import read_card
from app.models.card_text import model_id_problem
from app.models.fmm_tc import ENCODER
from app.models.installed import (
    CARD_FILE,
    MODELS,
    STATISTICS_FILE,
    WEIGHTS_FILE,
    bundle_folder,
    installed_models,
    user_models_path,
)
from app.models.limits import MAX_CARD_BYTES, MAX_FILE_BYTES
from app.models.safetensors_header import read_header
from app.models.seal import write_seal

SUFFIX = ".nrmodel"
MANIFEST_FILE = "manifest.json"
FORMAT = "nrmodel 1"
MAX_BYTES = {
    MANIFEST_FILE: 64 << 10,
    CARD_FILE: MAX_CARD_BYTES,
    WEIGHTS_FILE: MAX_FILE_BYTES,
    STATISTICS_FILE: MAX_FILE_BYTES,
}
ORDERS = (
    (MANIFEST_FILE, CARD_FILE, WEIGHTS_FILE),
    (MANIFEST_FILE, CARD_FILE, WEIGHTS_FILE, STATISTICS_FILE),
)
_END_BYTES = 22  # end record of a zip without a comment
_END = struct.Struct("<4s4H2LH")
_PIECE = 1 << 20
_PART = ".importing-"
_STALE_S = 3600.0


def export_bundle(model_id: str, target: Path, progress: Progress | None = None) -> Path:
    """Write an installed model as one file; the old file stays whole until the new one is.

    Raises
    ------
    ModelError
        Not installed, does not load, or holds weights that may not be passed on.
    StorageError
        The file cannot be written.
    """
    return _pack(model_id, model_id, target, progress or Progress())


def pack_folder(folder: Path, model_id: str, target: Path, progress: Progress) -> Path:
    """Write a bundle that lies anywhere as one file, from which `import_bundle` installs it.

    Raises
    ------
    ModelError, StorageError
        As `export_bundle`.
    """
    return _pack(folder, model_id, target, progress)


def _pack(whence: str | Path, model_id: str, target: Path, progress: Progress) -> Path:
    if target.suffix != SUFFIX:
        raise ModelError(
            f"The file's name must end in {SUFFIX}.", "Choose another name.", code="model.export"
        )
    bundle = load_bundle(whence)
    refuse_third_party(bundle)
    names = [name for name in ORDERS[1][1:] if (bundle.folder / name).is_file()]
    members = {name: _described(bundle.folder / name) for name in names}
    manifest = json.dumps({"format": FORMAT, "id": model_id, "members": members}, indent=1)
    part = target.with_name(f".{target.name}-{uuid.uuid4().hex[:12]}.part")
    with _storage("The model could not be written there."):
        try:
            with zipfile.ZipFile(part, "x", zipfile.ZIP_STORED, allowZip64=False) as archive:
                archive.writestr(_entry(MANIFEST_FILE), manifest)
                for number, name in enumerate(names, start=1):
                    path = bundle.folder / name
                    with path.open("rb") as source, archive.open(_entry(name), "w") as place:
                        shutil.copyfileobj(source, place, _PIECE)
                    progress.step(number / len(names), name)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
    return target


def import_bundle(source: Path, progress: Progress | None = None) -> str:
    """Install a model from a file that anybody may have written; returns its id.

    Raises
    ------
    ModelError
        What is wrong with the file, in one sentence; nothing was installed.
    StorageError
        The models' folder cannot be written.
    """
    progress = progress or Progress()
    place = user_models_path()
    with _storage("The model could not be installed."):
        place.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(place)
    private: Path | None = None
    try:
        with _open(source) as archive:
            names = _members(archive)
            manifest = _manifest(archive)
            model_id = str(manifest["id"])
            if model_id in installed_models() or (place / model_id).exists():
                raise ModelError(
                    f"A model named '{model_id}' is installed already.",
                    "It is part of the program."
                    if model_id in MODELS
                    else "Remove it first; a model is never replaced silently.",
                    code="model.exists",
                )
            with _storage("The model could not be installed."):
                private = Path(tempfile.mkdtemp(prefix=_PART, dir=place))
            for number, name in enumerate(names[1:], start=1):
                _copy(archive, name, private / name, manifest["members"][name])
                progress.step(0.7 * number / len(names), name)
        _check_loads(private, model_id)
        progress.step(0.95, "installing")
        with _storage("The model could not be installed."):
            write_seal(private)
            private.chmod(0o755)
            os.rename(private, place / model_id)
    finally:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)
    return model_id


def remove_bundle(model_id: str) -> None:
    """Remove a model that the user installed; those delivered with the program stay.

    Raises
    ------
    ModelError
        Not installed, or delivered with the program.
    """
    folder = bundle_folder(model_id)
    if model_id in MODELS:
        raise ModelError(
            f"'{model_id}' is part of the program and cannot be removed.", code="model.delivered"
        )
    with _storage("The model could not be removed."):
        gone = folder.with_name(f"{_PART}{uuid.uuid4().hex[:12]}")
        os.rename(folder, gone)
        shutil.rmtree(gone)


def refuse_third_party(bundle: Bundle) -> None:
    """Weights that others published under their own terms are never passed on in a bundle.

    Raises
    ------
    ModelError
        ``model.third_party``.
    """
    encoder = bundle.card.fields.encoder
    if encoder is None:
        return
    names = [entry.name for entry in read_header(bundle.folder / WEIGHTS_FILE)]
    carried = any(name.startswith(ENCODER) for name in names)
    restricted = re.search(r"\b(NC|ND)\b|non-?commercial|unclear", encoder.licence, re.IGNORECASE)
    if carried and (encoder.source == "installed" or restricted):
        raise ModelError(
            f"The bundle holds an encoder's weights that may not be passed on ({encoder.licence}).",
            "A bundle names such an encoder by its hash; each user installs it from its source.",
            code="model.third_party",
        )


# --- reading ----------------------------------------------------------------------------------


@contextmanager
def _open(source: Path) -> Iterator[zipfile.ZipFile]:
    if not source.is_file():
        raise ModelError("There is no such file.", "Choose another one.", code="model.missing")
    try:
        size = source.stat().st_size
        if size > sum(MAX_BYTES.values()) + (64 << 10):
            raise _refused(f"it has {size} bytes, more than any model")
        with source.open("rb") as handle:
            count = _check_end(handle, size)
            handle.seek(0)
            with zipfile.ZipFile(handle) as archive:
                if len(archive.infolist()) != count:
                    raise _refused("its list of members is damaged")
                yield archive
    except (zipfile.BadZipFile, EOFError, struct.error) as error:
        raise _refused("it is not a whole zip archive") from error
    except (NotImplementedError, RuntimeError) as error:
        raise _refused("it uses a way of packing that is not read") from error
    except ValueError as error:
        raise _refused("its list of members is damaged") from error
    except OSError as error:
        raise StorageError(
            "The file cannot be read.", "Check the disk and its permissions.", code="model.unread"
        ) from error


def _check_end(handle: Any, size: int) -> int:
    """The end record stands at the very end and counts three or four members: nothing hides."""
    if size < _END_BYTES:
        raise _refused("it is too short")
    handle.seek(size - _END_BYTES)
    found = _END.unpack(handle.read(_END_BYTES))
    signature, disk, start_disk, here, total, length, offset, comment = found
    if signature != b"PK\x05\x06" or comment:
        raise _refused("it is not a plain zip archive")
    if disk or start_disk or here != total or total not in {len(order) for order in ORDERS}:
        raise _refused(f"it lists {total} members instead of 3 or 4")
    if offset + length + _END_BYTES != size:
        raise _refused("it holds bytes that belong to no member")
    return int(total)


def _members(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Names in order, after every member was found to be what it must be."""
    entries = archive.infolist()
    names = tuple(entry.orig_filename for entry in entries)
    if names not in ORDERS:
        strange = [name for name in names if name not in ORDERS[1]]
        named = repr(strange[0][:40]) if strange else "members in another order or twice"
        raise _refused(f"it does not hold exactly a model's files (found {named})")
    expected = 0
    for entry in entries:
        name = entry.orig_filename
        if entry.flag_bits & ~0x800:
            raise _refused(f"{name} is encrypted or written as a stream")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise _refused(f"{name} is compressed")
        if entry.file_size > MAX_BYTES[name]:
            raise _refused(f"{name} claims {entry.file_size} bytes")
        if (entry.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            raise _refused(f"{name} is a link or a special file")
        if entry.extra or entry.comment:
            raise _refused(f"{name} carries extra fields")
        if entry.header_offset != expected:
            raise _refused("its members overlap or hide bytes between them")
        expected += 30 + len(name.encode()) + entry.file_size
    if expected != archive.start_dir:
        raise _refused("its members overlap or hide bytes between them")
    return names


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    try:
        manifest = json.loads(archive.read(MANIFEST_FILE).decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _refused("its manifest is not JSON") from error
    if not isinstance(manifest, dict) or set(manifest) != {"format", "id", "members"}:
        raise _refused("its manifest does not hold format, id and members")
    if manifest["format"] != FORMAT:
        raise _refused(f"its format is {str(manifest['format'])[:40]!r}, not '{FORMAT}'")
    model_id = manifest["id"]
    if not isinstance(model_id, str) or model_id_problem(model_id):
        raise _refused(f"its id {str(model_id)[:40]!r} cannot be a model's name")
    members, present = manifest["members"], set(archive.namelist()) - {MANIFEST_FILE}
    if not isinstance(members, dict) or set(members) != present:
        raise _refused("its manifest names other members than it holds")
    for name, facts in members.items():
        if not isinstance(facts, dict) or set(facts) != {"size", "sha256"}:
            raise _refused(f"its manifest does not give size and sha256 of {name}")
    return manifest


def _copy(archive: zipfile.ZipFile, name: str, target: Path, facts: dict[str, Any]) -> None:
    """Copy one member, never more than its manifest says, and compare its hash."""
    digest, count = hashlib.sha256(), 0
    with archive.open(name) as source, _storage("The model could not be installed."):
        with target.open("xb") as place:
            while piece := source.read(_PIECE):
                count += len(piece)
                if count > MAX_BYTES[name]:
                    raise _refused(f"{name} is larger than it says")
                digest.update(piece)
                place.write(piece)
            place.flush()
            os.fsync(place.fileno())
        target.chmod(0o644)
    if count != facts["size"] or digest.hexdigest() != facts["sha256"]:
        raise _refused(f"{name} is not the one that the manifest names (size or SHA-256 differs)")


def _check_loads(folder: Path, model_id: str) -> None:
    card = read_card(folder)
    if card.fields.model.id != model_id:
        raise _refused("its card names another model than its manifest")
    needs_statistics = card.fields.weights.statistics_sha256 is not None
    if needs_statistics != (folder / STATISTICS_FILE).is_file():
        raise _refused("its statistics file is missing, or the card names none")
    refuse_third_party(load_bundle(folder))


def _refused(what: str) -> ModelError:
    return ModelError(
        f"The file cannot be installed as a model: {what}.",
        "Get the file again from where it was made; nothing was installed.",
        code="model.archive",
    )


# --- writing ----------------------------------------------------------------------------------


def _entry(name: str) -> zipfile.ZipInfo:
    """The same bundle gives the same bytes: no clock, no owner."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


def _described(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": file_sha256(path)}


def _remove_leftovers(place: Path) -> None:
    """What an import that was killed left behind; one that runs now is younger than an hour."""
    for folder in place.glob(f"{_PART}*"):
        if time.time() - folder.stat().st_mtime > _STALE_S:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _storage(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            what, "Check that the place can be written and has space.", code="model.storage"
        ) from error
