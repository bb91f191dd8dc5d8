"""A saved session: written whole, read with suspicion, moved with its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from app.core.errors import StorageError
from app.study.session_file import SavedFile, SavedSession, moved, read_session, write_session


def saved(place: Path) -> SavedSession:
    return SavedSession(
        step="explain",
        view={"plots": {"threshold": 0.25}},
        scan=SavedFile(place / "raw" / "scan.nii.gz", "a" * 64),
        selection={"series": "3", "confounds_path": str(place / "raw" / "c.tsv")},
        case=SavedFile(place / "cases" / "0123", "b" * 64),
        maps=(SavedFile(place / "maps" / "m.nii", "c" * 64),),
    )


def test_that_a_session_comes_back_and_moves_with_its_folder(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    write_session(here / "work.fmmtc", saved(here))
    assert read_session(here / "work.fmmtc") == saved(here)
    text = (here / "work.fmmtc").read_text()
    assert str(tmp_path) not in text  # no folder of this machine, which may hold a user's name
    shutil.move(here, tmp_path / "there")
    assert read_session(tmp_path / "there" / "work.fmmtc") == saved(tmp_path / "there")


def test_that_a_newer_session_is_read_but_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.fmmtc"
    write_session(path, saved(tmp_path))
    data = json.loads(path.read_text())
    data |= {"version": 2, "hologram": True}
    path.write_text(json.dumps(data))
    session = read_session(path)
    assert session.newer
    before = path.read_bytes()
    with pytest.raises(StorageError) as told:
        write_session(path, session)
    assert told.value.code == "session.newer"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"format": "other"}',
        '{"format": "fmmtc-session"}',
        '{"format": "fmmtc-session", "version": true}',
        '{"format": "fmmtc-session", "version": 1}',
        '{"format": "fmmtc-session", "version": 1, "step": "a", "selection": [], "view": 3,'
        ' "scan": null, "case": null, "maps": []}',
        '{"format": "fmmtc-session", "version": 1, "step": "a", "selection": {}, "view": {},'
        ' "scan": {"path": 1, "sha256": "a"}, "case": null, "maps": []}',
        "[" * 100_000,
    ],
)
def test_that_what_is_no_session_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.fmmtc"
    path.write_text(text)
    with pytest.raises(StorageError) as told:
        read_session(path)
    assert told.value.code == "session.unreadable"
    assert "a.fmmtc" not in str(told.value)


def test_that_a_missing_file_can_be_named_anew(tmp_path: Path) -> None:
    session = moved(saved(tmp_path), "scan", tmp_path / "new.nii.gz")
    assert session.scan == SavedFile(tmp_path / "new.nii.gz", "a" * 64)
    assert session.case == saved(tmp_path).case


def test_that_a_session_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.fmmtc"
    write_session(path, SavedSession(step="check"))
    with pytest.raises(StorageError):
        write_session(tmp_path / "missing" / "a.fmmtc", SavedSession())
    with pytest.raises(ValueError, match="JSON"):
        write_session(path, SavedSession(view={"a": float("nan")}))
    assert read_session(path).step == "check"
    assert [one.name for one in tmp_path.iterdir()] == ["a.fmmtc"]
