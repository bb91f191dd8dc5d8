"""Whether a folder can take a result is known before the work begins."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
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


def test_that_leftovers_of_ended_programs_go_at_once_and_others_wait(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from app.study.files import temporary_sibling\n"
        "with temporary_sibling(Path('case')) as folder:\n"
        "    (folder / 'half.npy').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".tmp-case-")
    place, pid = left.name.split("-")[2].split(".")
    elsewhere = tmp_path / left.name.replace(place, "0" * 8)
    alive = tmp_path / left.name.replace(f".{pid}-", f".{os.getpid()}-")
    elsewhere.mkdir()
    alive.mkdir()
    storage.recover(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([elsewhere, alive])
    with storage.temporary_sibling(tmp_path / "other") as mine:
        storage.recover(tmp_path)
        assert mine.exists()
