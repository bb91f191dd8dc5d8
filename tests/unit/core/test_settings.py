"""Settings survive a restart, a damaged file and a full disk."""

from __future__ import annotations

import os
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from app.core import settings as module
from app.core.errors import StorageError
from app.core.folders import config_folder, data_folder, log_folder
from app.core.settings import (
    RECENT_FILE,
    SETTINGS_FILE,
    Settings,
    forget_files,
    load_settings,
    recent_files,
    remember_file,
    save_settings,
)


def test_that_settings_come_back_as_saved() -> None:
    keys = {"edit.palette": "Ctrl+J", "slices.seed": ""}
    changed = Settings(
        "dark", False, "right", True, "cpu", 3, 4096, False, 150, False, keys, True, True, "zoom"
    )
    usual = Settings()
    assert all(getattr(changed, f.name) != getattr(usual, f.name) for f in fields(Settings))
    save_settings(changed)
    assert load_settings() == (changed, ())


def test_that_defaults_hold_without_a_file() -> None:
    assert load_settings() == (Settings(), ())


def test_that_a_home_of_ones_own_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURORESPONDER_HOME", str(tmp_path / "x"))
    assert config_folder() == tmp_path / "x" / "config"
    monkeypatch.delenv("NEURORESPONDER_HOME")
    folders = {config_folder(), data_folder(), log_folder()}
    assert all(folder.is_absolute() and "NeuroResponder" in str(folder) for folder in folders)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("theme = 'pink'\nthreads = 2\n", ("theme",)),
        ("theme = 3\nthreads = 2\n", ("theme",)),
        ("research_mode = 1\nthreads = 2\n", ("research_mode",)),
        ("device = ''\nthreads = 2\nfuture = 1\n", ("device",)),
        ("worker_memory_limit_mb = -1\nthreads = 2\n", ("worker_memory_limit_mb",)),
        ("worker_memory_limit_mb = true\nthreads = 2\n", ("worker_memory_limit_mb",)),
        ("text_size_percent = 900\nthreads = 2\n", ("text_size_percent",)),
        ("threads = 2\n[keys]\n'edit.undo' = 7\n", ("keys",)),
    ],
)
def test_that_a_wrong_value_is_named_and_the_rest_is_used(
    tmp_path: Path, text: str, refused: tuple[str, ...]
) -> None:
    (tmp_path / SETTINGS_FILE).write_text(text)
    assert load_settings(tmp_path) == (Settings(threads=2), refused)


@pytest.mark.parametrize("content", [b"theme = ", b"\xff\xfe", b"\x00"])
def test_that_an_unreadable_file_gives_defaults(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SETTINGS_FILE).write_bytes(content)
    assert load_settings(tmp_path) == (Settings(), (SETTINGS_FILE,))


def test_that_a_wrong_value_is_not_saved() -> None:
    with pytest.raises(ValueError, match="theme"):
        save_settings(replace(Settings(), theme="pink"))
    assert not config_folder().exists()


def test_that_a_full_disk_leaves_the_old_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_settings(Settings(threads=1), tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        save_settings(Settings(threads=2), tmp_path)
    monkeypatch.undo()
    assert caught.value.code == "settings.not_saved"
    assert load_settings(tmp_path)[0].threads == 1
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".tmp")] == []


def test_that_recent_files_are_newest_first_without_repeats(tmp_path: Path) -> None:
    for number in [*range(12), 5]:
        remember_file(tmp_path / f"{number}.nii", tmp_path)
    names = [path.name for path in recent_files(tmp_path)]
    assert names == [f"{n}.nii" for n in (5, 11, 10, 9, 8, 7, 6, 4, 3, 2)]
    if sys.platform != "win32":
        assert os.stat(tmp_path / RECENT_FILE).st_mode & 0o077 == 0
    forget_files(tmp_path)
    assert recent_files(tmp_path) == ()


def test_that_a_damaged_list_of_recent_files_is_empty(tmp_path: Path) -> None:
    (tmp_path / RECENT_FILE).write_text("paths = 3")
    assert recent_files(tmp_path) == ()
