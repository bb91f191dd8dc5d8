"""Kept stages: the same bits back, nothing from damaged entries, private, bounded, clearable."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from app.analysis.stage_store import FolderStore
from app.core.images import Image3D
from app.core.results import Motion

KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def motion() -> Motion:
    rng = np.random.default_rng(0)
    jumps = np.r_[np.nan, rng.random(6)]
    return Motion(rng.normal(size=(7, 6)), np.arange(3.0), jumps, jumps * 2, jumps, 3, (5,), (5, 6))


def test_that_a_kept_stage_comes_back_to_the_bit(tmp_path: Path, motion: Motion) -> None:
    store = FolderStore(tmp_path / "stages")
    assert store.recall("motion", KEY, Motion) is None
    store.keep("motion", KEY, motion)
    back = store.recall("motion", KEY, Motion)
    assert back is not None
    np.testing.assert_array_equal(back.parameters, motion.parameters)
    np.testing.assert_array_equal(back.framewise_displacement_mm, motion.framewise_displacement_mm)
    assert (back.uncertain_frames, back.retried_frames, back.reference_frame) == ((5,), (5, 6), 3)
    assert store.recall("motion", OTHER, Motion) is None
    assert store.recall("sampling", KEY, Motion) is None


def test_that_booleans_and_memory_order_survive(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    image = Image3D(np.asfortranarray(np.arange(24).reshape(2, 3, 4) > 7), np.eye(4), "scanner")
    store.keep("reference", KEY, image)
    back = store.recall("reference", KEY, Image3D)
    assert back is not None
    assert back.data.dtype == np.bool_
    assert back.data.flags.f_contiguous
    np.testing.assert_array_equal(back.data, image.data)


@pytest.mark.parametrize("name", ["record.json", "arrays.npz", "manifest.json"])
def test_that_a_damaged_entry_gives_nothing_and_is_replaced(
    tmp_path: Path, motion: Motion, name: str
) -> None:
    store = FolderStore(tmp_path)
    store.keep("motion", KEY, motion)
    path = tmp_path / f"motion-{KEY}" / name
    path.write_bytes(path.read_bytes()[:-9] + b"123456789")
    assert store.recall("motion", KEY, Motion) is None
    store.keep("motion", KEY, motion)
    assert store.recall("motion", KEY, Motion) is not None


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_that_only_this_user_may_read(tmp_path: Path, motion: Motion) -> None:
    store = FolderStore(tmp_path / "stages")
    store.keep("motion", KEY, motion)
    paths = [store.folder, *store.folder.rglob("*")]
    assert len(paths) == 5
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in paths)


def test_that_the_entries_used_longest_ago_go_first(tmp_path: Path, motion: Motion) -> None:
    store = FolderStore(tmp_path)
    store.keep("motion", KEY, motion)
    size = store.entries()[0][1]
    store.largest_bytes = int(2.5 * size)
    store.keep("motion", OTHER, motion)
    for entry, seconds in ((KEY, 2000.0), (OTHER, 1000.0)):  # KEY was used later
        os.utime(tmp_path / f"motion-{entry}", (seconds, seconds))
    store.keep("motion", "c" * 64, motion)
    assert store.recall("motion", OTHER, Motion) is None
    assert store.recall("motion", KEY, Motion) is not None


def test_that_clearing_leaves_nothing_and_touches_nothing_else(
    tmp_path: Path, motion: Motion
) -> None:
    store = FolderStore(tmp_path)
    store.keep("motion", KEY, motion)
    (tmp_path / ".neuroresponder-99999-abc").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    assert store.clear() > 0
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_that_a_store_that_cannot_be_written_is_no_fault(tmp_path: Path, motion: Motion) -> None:
    (tmp_path / "file").write_text("no folder")
    store = FolderStore(tmp_path / "file" / "stages")
    store.keep("motion", KEY, motion)
    assert store.recall("motion", KEY, Motion) is None
