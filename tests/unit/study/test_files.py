"""Whether a folder can take a result is known before the work begins."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from app.core.errors import StorageError
from app.study import files as storage


def test_that_a_folder_that_can_be_made_is_writable_and_is_not_made(tmp_path: Path) -> None:
    storage.check_writable(tmp_path)
    storage.check_writable(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []


def test_that_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError) as caught:
            storage.check_writable(folder)
        assert caught.value.code == "study.not_a_folder"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EROFS, "study.read_only"), (errno.EACCES, "study.no_permission"),
     (errno.ENOSPC, "study.no_space")],
)  # fmt: skip
def test_that_what_the_system_refuses_is_named_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def refuse(_descriptor: int, _data: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(storage.os, "write", refuse)
    with pytest.raises(StorageError) as caught:
        storage.check_writable(tmp_path)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []
