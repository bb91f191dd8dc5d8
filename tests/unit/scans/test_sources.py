"""A folder of no known layout: its NIfTI files are the choices, or nothing in it can be opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.errors import ScanError
from app.scans.contents import SourceKind
from app.scans.sources import contents_of
from tests.unit.scans.nifti_files import write


def test_that_plain_nifti_files_of_a_folder_are_its_choices(tmp_path: Path) -> None:
    write(tmp_path / "a.nii")
    write(tmp_path / "sub-07_task-rest_bold.nii")
    (tmp_path / "broken.nii.gz").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("text")
    found = contents_of(tmp_path)
    assert found.kind is SourceKind.NIFTI
    assert [choice.title for choice in found.choices] == [
        "a.nii", "broken.nii.gz", "sub-07_task-rest_bold.nii",
    ]  # fmt: skip
    assert [choice.number for choice in found.choices] == [1, 2, 3]
    assert [choice.path.name for choice in found.candidates] == [
        "a.nii", "sub-07_task-rest_bold.nii",
    ]  # fmt: skip
    assert found.choices[1].obstacle
    assert (found.choices[2].kind, found.choices[2].participant) == ("rest", "sub-07")


def test_that_the_only_scan_of_a_folder_is_the_only_candidate(tmp_path: Path) -> None:
    path = write(tmp_path / "run.nii")
    [choice] = contents_of(tmp_path).candidates
    assert (choice.path, choice.source) == (path, SourceKind.NIFTI)
    assert "run" not in choice.key


def test_that_both_files_of_a_pair_are_one_choice(tmp_path: Path) -> None:
    (tmp_path / "run.hdr").write_bytes(b"x")
    (tmp_path / "run.img").write_bytes(b"x")
    assert [choice.title for choice in contents_of(tmp_path).choices] == ["run.hdr"]


def test_that_a_folder_with_nothing_in_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("text " * 100)
    with pytest.raises(ScanError, match="Nothing in the folder can be opened") as caught:
        contents_of(tmp_path)
    assert caught.value.code == "scan.nothing_to_open"
