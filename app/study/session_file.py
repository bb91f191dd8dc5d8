"""A saved session: which scan and case were open and how they were seen, as one small JSON file.

The file holds no image, no result and no name of a person: paths relative to itself, the SHA-256
of what they led to, and the state of the view as plain values. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app import __version__
from app.core.errors import StorageError
from app.core.provenance import record_sha256
from app.core.results import Case
from app.study.codec import Arrays, encode
from app.study.files import replace_file

SUFFIX = ".fmmtc"
FORMAT = "fmmtc-session"
VERSION = 1
LARGEST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class SavedFile:
    """Where something lay, and the hash of what lay there."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class SavedSession:
    """What comes back when the session is opened again.

    `unfinished` names the job that ran when this was written and `request` says what it was asked;
    both stand in recovery files only.
    """

    step: str = "load"
    view: Mapping[str, Any] = field(default_factory=dict)
    scan: SavedFile | None = None
    selection: Mapping[str, str] = field(default_factory=dict)  # series, confounds_path, atlas
    case: SavedFile | None = None  # the folder, and the hash of its answer
    maps: tuple[SavedFile, ...] = ()  # files that layers show
    unfinished: str = ""
    request: Mapping[str, Any] | None = None
    newer: bool = False  # written by a newer version: shown, never overwritten

    @property
    def empty(self) -> bool:
        """Whether nothing was open."""
        return self.scan is None and self.case is None


def answer_sha256(case: Case) -> str:
    """Hash of what a case answers and of what the answer was made from.

    Explanations, their health, signatures and reports are added to a case later and change
    nothing of it.
    """
    arrays: Arrays = {}
    record = [
        encode(part, arrays, str(number))
        for number, part in enumerate(
            (case.case_id, case.participant, case.scan, case.signals, case.quality,
             case.connectome, case.prediction)
        )
    ]  # fmt: skip
    hashes = {
        name: [
            array.dtype.str,
            array.shape,
            hashlib.sha256(array.tobytes()).hexdigest(),
        ]
        for name, array in arrays.items()
    }
    return record_sha256([record, hashes])


def write_session(path: Path, session: SavedSession) -> None:
    """Write a session; the old file stays whole until the new one is.

    Raises
    ------
    StorageError
        It cannot be written there, or a newer version wrote what is to be replaced.
    """
    if session.newer:
        raise StorageError(
            "This session was written by a newer version of the program.",
            "Save it under another name; what this version does not know is left out there.",
            code="session.newer",
        )
    place = path.absolute().parent
    record = {
        "format": FORMAT,
        "version": VERSION,
        "program": __version__,
        "saved_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": session.step,
        "scan": _told(session.scan, place),
        "selection": {
            key: _relative(Path(value), place) if key.endswith("_path") else value
            for key, value in session.selection.items()
        },
        "case": _told(session.case, place),
        "maps": [_told(one, place) for one in session.maps],
        "view": dict(session.view),
    }
    if session.unfinished:
        record |= {"unfinished": session.unfinished, "request": session.request}
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path, text.encode("utf-8"))


def read_session(path: Path) -> SavedSession:
    """Read a session; its paths are made absolute from where the file lies now.

    Raises
    ------
    StorageError
        The file is no session, is damaged, or is too large to be one.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise _unreadable()
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as fault:
        raise _unreadable() from fault
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _unreadable()
    version = data.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise _unreadable()
    try:
        return _session(data, path.absolute().parent, newer=version > VERSION)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise _unreadable() from fault


def moved(session: SavedSession, what: str, path: Path) -> SavedSession:
    """The session with its "scan" or "case" at another place."""
    saved: SavedFile | None = getattr(session, what)
    if saved is None:
        return session
    found = SavedFile(path, saved.sha256)
    return replace(session, scan=found) if what == "scan" else replace(session, case=found)


def _session(data: Mapping[str, Any], place: Path, *, newer: bool) -> SavedSession:
    selection = {str(key): str(value) for key, value in dict(data["selection"]).items()}
    for key in selection:
        if key.endswith("_path"):
            selection[key] = str(_absolute(selection[key], place))
    view, request = data["view"], data.get("request")
    if not isinstance(view, dict) or not isinstance(request, dict | None):
        raise TypeError("plain values are expected")
    maps = tuple(_found(one, place) for one in data["maps"])
    return SavedSession(
        step=str(data["step"]),
        view=view,
        scan=_found(data["scan"], place),
        selection=selection,
        case=_found(data["case"], place),
        maps=tuple(one for one in maps if one is not None),
        unfinished=str(data.get("unfinished", "")),
        request=request,
        newer=newer,
    )


def _told(saved: SavedFile | None, place: Path) -> dict[str, str] | None:
    if saved is None:
        return None
    return {"path": _relative(saved.path, place), "sha256": saved.sha256}


def _found(told: Any, place: Path) -> SavedFile | None:
    if told is None:
        return None
    path, sha256 = told["path"], told["sha256"]
    if not isinstance(path, str) or not isinstance(sha256, str):
        raise TypeError("a path and a hash are expected")
    return SavedFile(_absolute(path, place), sha256)


def _relative(path: Path, place: Path) -> str:
    try:
        return Path(os.path.relpath(path.absolute(), place)).as_posix()
    except ValueError:  # another drive
        return path.absolute().as_posix()


def _absolute(text: str, place: Path) -> Path:
    return Path(os.path.normpath(place / text))


def _unreadable() -> StorageError:
    return StorageError(
        "This file is not a session of this program, or it is damaged.",
        "Open the scan or the case itself.",
        code="session.unreadable",
    )
