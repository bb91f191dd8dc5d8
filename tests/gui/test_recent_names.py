"""Recent files: each place once, told apart without naming anybody."""

from __future__ import annotations

import json
import os
from pathlib import Path

from app.gui.main_window.recent_names import recent_names


def case(place: Path, name: str, when: str) -> Path:
    folder = place / name
    folder.mkdir(parents=True)
    record = {"record": {"provenance": {"parameters": {"finished_utc": when}}}}
    (folder / "case.json").write_text(json.dumps(record, indent=1))
    return folder


def test_that_cases_are_told_by_the_time_of_their_analysis(tmp_path: Path) -> None:
    one = case(tmp_path / "Anna", "63b7720c104215ec", "2026-11-26 16:20 UTC")
    two = case(tmp_path / "other", "63b7720c104215ec", "2026-11-27 08:05 UTC")
    names = dict(recent_names([one, two]))
    assert names == {
        one: "Case 63b7720c, analysed 2026-11-26 16:20 UTC",
        two: "Case 63b7720c, analysed 2026-11-27 08:05 UTC",
    }


def test_that_copies_of_one_analysis_are_numbered_and_name_no_folder(tmp_path: Path) -> None:
    when = "2026-11-26 16:20 UTC"
    one = case(tmp_path / "Anna", "63b7720c104215ec", when)
    two = case(tmp_path / "Berta", "63b7720c104215ec", when)
    assert [words for _, words in recent_names([two, one])] == [
        f"Case 63b7720c, analysed {when}, folder 1 of 2",
        f"Case 63b7720c, analysed {when}, folder 2 of 2",
    ]


def test_that_one_folder_is_listed_once_however_it_was_reached(tmp_path: Path) -> None:
    one = case(tmp_path / "cases", "63b7720c104215ec", "2026-11-26 16:20 UTC")
    link = tmp_path / "link"
    os.symlink(tmp_path / "cases", link)
    paths = [link / one.name, one, tmp_path / "cases" / ".." / "cases" / one.name]
    assert len(recent_names(paths)) == 1


def test_that_a_case_without_a_time_and_a_scan_keep_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "5a3c0de000000001"
    folder.mkdir()
    (folder / "case.json").write_text("{}")
    scan = tmp_path / "bold.nii.gz"
    assert [words for _, words in recent_names([folder, scan])] == [
        "Case 5a3c0de000000001",
        "bold.nii.gz",
    ]
