"""Private folders of a process that was killed are found by its number and removed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from app.core.errors import WorkerError
from app.core.folders import private_prefix
from app.worker.process import Worker
from app.worker.protocol import Job
from app.worker.scratch import remove_scratch_of


def test_that_only_the_folders_of_one_process_are_removed(tmp_path: Path) -> None:
    mine, others = tmp_path / "neuroresponder-12-abc_1", tmp_path / "neuroresponder-123-abc"
    for folder in (mine, others, tmp_path / "neuroresponder-12-", tmp_path / "else"):
        folder.mkdir()
        (folder / "voxels.raw").write_bytes(b"0")
    (tmp_path / "neuroresponder-12-link").symlink_to(others, target_is_directory=True)
    assert remove_scratch_of(12, tmp_path) == 1
    assert not mine.exists()
    assert (others / "voxels.raw").is_file()
    assert remove_scratch_of(12, tmp_path) == 0


def test_that_the_prefix_names_this_process() -> None:
    assert private_prefix() == f"neuroresponder-{os.getpid()}-"


def test_that_a_killed_child_leaves_no_private_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "private"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with Worker("tests.unit.worker.fake_jobs:JOBS") as worker:
        with pytest.raises(WorkerError) as caught:
            worker.run(Job("kill_in_private_folder", {}, "job-1"))
        assert caught.value.code == "worker.killed"
        assert list(place.iterdir()) == []
