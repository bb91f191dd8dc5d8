"""A case as a folder: written whole or not at all, read back to the same bits.

``<out>/<case_id>/`` holds ``case.json`` (everything but arrays), ``arrays.npz`` (every array),
tables for outside tools, whatever the recipe hands in (images, transform, ``view/`` files,
PDF) and ``manifest.json`` with the SHA-256 of every one of them.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from app import __version__
from app.core.errors import StorageError
from app.core.provenance import file_sha256, record_sha256
from app.core.results import Case
from app.study import files as storage
from app.study.codec import Arrays, decode, encode
from app.study.summary import case_summary, leaked_numbers
from app.study.tables import case_tables

FORMAT = 1
CASE_FILE = "case.json"
ARRAYS_FILE = "arrays.npz"
MANIFEST_FILE = "manifest.json"
FileContent = Path | bytes | str | np.ndarray[Any, Any] | Mapping[str, Any]
Files = Mapping[str, FileContent]

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")
_WHOSE = re.compile(r"(?<![A-Za-z0-9])(?:sub|ses)-[A-Za-z0-9]+_")
_READ_BACK_HINT = "Run the analysis again; the folder was changed after it was written."


def case_id(
    *,
    scan_sha256: str,
    settings: Mapping[str, object],
    model_sha256: str,
    app_version: str = __version__,
) -> str:
    """Name of a case: 16 hex digits of the hash of everything that decides its answer.

    Parameters
    ----------
    scan_sha256, model_sha256
        Hashes of the scan's bytes and of the model's weights.
    settings
        JSON-able record of every parameter of the recipe.
    app_version
        Version of this program.
    """
    record = {
        "scan": scan_sha256,
        "settings": dict(settings),
        "model": model_sha256,
        "app": app_version,
    }
    return record_sha256(record)[:16]


def write_case(
    case: Case, out_dir: Path, *, files: Files | None = None, replace: bool = False
) -> Path:
    """Write ``<out_dir>/<case_id>/`` in one step and return it.

    Parameters
    ----------
    case
        What to write.
    out_dir
        Made if absent.
    files
        More files by relative name: a `Path` to copy, bytes, text, an array (``.npy``), or a
        mapping (of arrays to ``.npz``, of plain values to ``.json``).
    replace
        Exchange an existing folder. Otherwise an existing one that verifies is kept and returned
        (the same id means the same answer), and a damaged one is replaced.

    Raises
    ------
    StorageError
        No space, read-only, no permission, unusable names, or a number that was withheld.
        Nothing is left over and an existing folder is as it was.
    """
    target = _target(case, out_dir)
    with storage.storage_errors():
        out_dir.mkdir(parents=True, exist_ok=True)
        storage.recover(out_dir)
        if target.exists() and not replace and _is_intact(target):
            return target
        with storage.temporary_sibling(target) as folder:
            _fill(folder, case, files or {}, kept={})
            taken = target.exists()
            if taken or not (storage.publish(folder, target) or _is_intact(target)):
                storage.swap(folder, target)
    return target


def update_case(folder: Path, case: Case, files: Files | None = None) -> Path:
    """Let a case grow: a new folder with the old files and the new ones takes the old one's place.

    Files that do not change keep their bytes and are not read again. A reader sees the old
    folder or the new one, never a mixture; arrays that a window has mapped stay valid.

    Raises
    ------
    StorageError
        Also when `case` belongs to another scan or participant than the folder.
    """
    before = read_case(folder)
    if (before.case_id, before.scan.sha256, before.participant.uuid) != (
        case.case_id,
        case.scan.sha256,
        case.participant.uuid,
    ):
        raise StorageError(
            "This result belongs to another scan or participant than the folder.",
            "Nothing was changed. Please report this.",
            code="study.wrong_binding",
        )
    target = folder.parent / folder.name
    with storage.storage_errors(), storage.temporary_sibling(target) as temporary:
        _fill(temporary, case, files or {}, kept=_carry_over(folder, temporary, case, files or {}))
        storage.swap(temporary, target)
    return target


def read_case(folder: Path) -> Case:
    """Rebuild the `Case` from its folder, after checking the hashes of what is read.

    Raises
    ------
    StorageError
        The folder is no case, is damaged, or comes from a newer version.
    """
    manifest = _read_manifest(folder)
    try:
        text = (folder / CASE_FILE).read_bytes()
        packed = (folder / ARRAYS_FILE).read_bytes()
    except OSError as fault:
        raise _damaged("A file of the case is missing.") from fault
    for name, data in ((CASE_FILE, text), (ARRAYS_FILE, packed)):
        if hashlib.sha256(data).hexdigest() != manifest.get(name):
            raise _damaged(f"{name} does not match its recorded hash.")
    try:
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise StorageError(
                "This case was written by a newer version of the program.",
                "Update the program to open it.",
                code="study.newer_format",
            )
        with np.load(io.BytesIO(packed), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        case = decode(Case, document["record"], arrays)
    except (ValueError, TypeError, KeyError, RecursionError) as fault:
        raise _damaged("The case cannot be rebuilt from its files.") from fault
    if document.get("scan_sha256") != case.scan.sha256:
        raise _damaged("The case names two different scans.")
    return case


def verify_case(folder: Path, wanted: Callable[[str], bool] | None = None) -> None:
    """Check the hash of every file that the manifest lists, or of those that are wanted.

    Raises
    ------
    StorageError
        Naming the files that are missing or changed, without whose they are.
    """
    wrong = damaged_files(folder, wanted)
    if wrong:
        names = ", ".join(map(nameless, wrong))
        raise _damaged(f"Changed or missing: {names}.")


def damaged_files(folder: Path, wanted: Callable[[str], bool] | None = None) -> tuple[str, ...]:
    """Names of listed files whose bytes are not those that were written."""
    return check_files(folder, wanted)[1]


def check_files(
    folder: Path, wanted: Callable[[str], bool] | None = None
) -> tuple[frozenset[str], tuple[str, ...]]:
    """(listed files that are as they were written, those that are changed or missing).

    Parameters
    ----------
    wanted
        Which names are looked at; by itself all. A file that is not listed is in neither.
    """
    whole: list[str] = []
    wrong: list[str] = []
    for name, expected in sorted(_read_manifest(folder).items()):
        if wanted is not None and not wanted(name):
            continue
        path = folder / _checked_name(name)
        (whole if _has_hash(path, expected) else wrong).append(name)
    return frozenset(whole), tuple(wrong)


def nameless(name: str) -> str:
    """The name of a file of a case without the participant's and the visit's label."""
    return _WHOSE.sub("", name)


def _has_hash(path: Path, expected: str) -> bool:
    try:
        return path.is_file() and file_sha256(path) == expected
    except OSError:  # it cannot be read, so nothing says that it is what was written
        return False


def _fill(folder: Path, case: Case, files: Files, *, kept: Mapping[str, str]) -> None:
    arrays: Arrays = {}
    record = encode(case, arrays)
    if leaks := leaked_numbers(case):
        raise StorageError(
            f"A withheld case carries numbers: {', '.join(leaks)}.",
            "Nothing was written. Please report this.",
            code="study.withheld_number",
        )
    document = {"format": FORMAT, **case_summary(case), "record": record}
    contents: dict[str, FileContent] = {
        CASE_FILE: _json_bytes(document),
        ARRAYS_FILE: _npz_bytes(arrays),
        **case_tables(case),
        **files,
    }
    hashes = dict(kept)
    for name, content in contents.items():
        path = folder / _checked_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            storage.copy_file(content, path)
            hashes[name] = file_sha256(path)
        else:
            data = _content_bytes(name, content)
            storage.write_file(path, data)
            hashes[name] = hashlib.sha256(data).hexdigest()
    manifest = {"format": FORMAT, "case_id": case.case_id, "files": dict(sorted(hashes.items()))}
    storage.write_file(folder / MANIFEST_FILE, _json_bytes(manifest))


def _carry_over(folder: Path, temporary: Path, case: Case, files: Files) -> dict[str, str]:
    """Give every other file of the old folder a place in the new one; return listed hashes."""
    listed = _read_manifest(folder)
    rewritten = {CASE_FILE, ARRAYS_FILE, MANIFEST_FILE, *files, *case_tables(case)}
    kept: dict[str, str] = {}
    for source in sorted(folder.rglob("*")):
        name = source.relative_to(folder).as_posix()
        if name in rewritten or source.is_symlink() or not source.is_file():
            continue
        path = temporary / name
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.link_or_copy(source, path)
        if name in listed:
            kept[name] = listed[name]
    return kept


def _content_bytes(name: str, content: FileContent) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, np.ndarray):
        return _npy_bytes(content)
    if isinstance(content, Mapping):
        return _npz_bytes(content) if name.endswith(".npz") else _json_bytes(content)
    raise TypeError(f"{name}: cannot write a {type(content).__name__}")


def _npz_bytes(arrays: Mapping[str, Any]) -> bytes:
    """An ``.npz`` whose bytes depend on the arrays alone (`numpy.savez` reserves some names)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy_bytes(np.asarray(array)))
    return buffer.getvalue()


def _npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _json_bytes(document: Any) -> bytes:
    plain = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False, default=_plain)
    return (plain + "\n").encode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"not a plain value: {type(value).__name__}")


def _read_manifest(folder: Path) -> dict[str, str]:
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_bytes())
        listed = manifest["files"]
        if not isinstance(listed, dict):
            raise ValueError
        if manifest["case_id"] != folder.name:
            raise StorageError(
                f"This case folder has another name than its case, {manifest['case_id']}.",
                f"Rename the folder to {manifest['case_id']}.",
                code="study.renamed_case",
            )
        return {str(name): str(value) for name, value in listed.items()}
    except FileNotFoundError as fault:
        raise StorageError(
            "This folder is not a finished case.",
            "Choose a folder that holds case.json and manifest.json.",
            code="study.no_case",
        ) from fault
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise _damaged("The list of files cannot be read.") from fault


def _is_intact(folder: Path) -> bool:
    try:
        return not damaged_files(folder)
    except StorageError:
        return False


def _target(case: Case, out_dir: Path) -> Path:
    for what, name in (("case id", case.case_id), ("participant label", case.stem())):
        if not _SAFE_NAME.fullmatch(name):
            raise StorageError(
                f"The {what} cannot be used in a file name.",
                "Use letters, digits, hyphen and underscore only.",
                code="study.unsafe_name",
            )
    return out_dir / case.case_id


def _checked_name(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or not all(_SAFE_NAME.fullmatch(part) for part in parts) or "\\" in name:
        raise StorageError(
            "A file of the case has an unsafe name.",
            "Please report this.",
            code="study.unsafe_name",
        )
    return name


def _damaged(what: str) -> StorageError:
    return StorageError(f"The case is damaged. {what}", _READ_BACK_HINT, code="study.case_damaged")
